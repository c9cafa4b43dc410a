/** Finds the denial that an access request is for, and holds what is submitted to what was recorded. */
import { readDecisionId } from '../decide/decision-id.js';
import { findSubmittedDifference, type SubmittedQuestion } from '../decide/submitted-question.js';
import type { AccessRequestOffer, ApprovalRequester } from '../model/approvals.js';
import { parseDescribedParties } from '../model/acting.js';
import type { DecisionRecord } from '../model/decision.js';
import type { EntityRef } from '../model/ids.js';
import { formatCallerId, type Caller } from '../model/question.js';
import type { Rules } from '../policy/load.js';
import { answerRecord } from '../records/redecide.js';
import { formatCanonicalJson } from '../runtime/canonical-json.js';
import type { RevocableToken } from '../model/revocations.js';
import type { Service } from '../service/service.js';
import type { SubmittedActor, SubmittedDenial } from './access-request-json.js';
import { AccessRequestProblem } from './edge/access-request-problem.js';

export interface RequestableDenial extends ApprovalRequester {
  readonly record: DecisionRecord;
  readonly offer: AccessRequestOffer;
}

const UNBOUND = 'There is no such denial of this caller.';

/**
 * @param at the place of the denial in the request
 * @throws AccessRequestProblem; Fault
 */
export async function findDenial(
  {
    decisions,
    signing,
    revocations,
    activePolicies,
    now,
  }: Pick<Service, 'decisions' | 'signing' | 'revocations' | 'activePolicies' | 'now'>,
  caller: Caller,
  denial: SubmittedDenial | undefined,
  at: string,
): Promise<RequestableDenial> {
  const refuse = (detail: string): never => {
    throw new AccessRequestProblem('invalid_denial_binding', detail, at);
  };
  if (denial === undefined) return refuse('The denial is needed: its "evaluation_id", or its "binding_token".');
  const { evaluation_id: named, binding_token: token, expires_at: echoed, evaluated_at: evaluatedAt } = denial;
  const bound = token === undefined ? undefined : await signing.verifyBindingToken(token);
  if (token !== undefined && bound === undefined) return refuse('The "binding_token" is none of this service.');
  if (named === undefined && bound === undefined)
    return refuse('The denial is needed: its "evaluation_id", or its "binding_token".');
  const id = named === undefined ? bound?.evaluation_id : readDecisionId(named);
  if (id === undefined) return refuse(UNBOUND);
  if (bound !== undefined && bound.evaluation_id !== id)
    return refuse('The "evaluation_id" is not that of the "binding_token".');
  const record = (await decisions.find(id))?.record;
  if (record?.client !== formatCallerId(caller)) return refuse(UNBOUND);
  // The record of a list has no rationale.
  const parties = parseDescribedParties((record as Partial<DecisionRecord>).rationale?.acting);
  if (caller.kind === 'agent' && parties.user?.id !== caller.user) return refuse(UNBOUND);
  if (evaluatedAt !== undefined && Date.parse(evaluatedAt) !== Date.parse(record.evaluated_at))
    return refuse('The denial was made at another time.');
  const { access_request: offer } = record;
  if (record.decision || record.dry_run || offer === undefined)
    throw new AccessRequestProblem('not_requestable', 'The decision was no denial that approvals would lift.', at);
  // What the caller says of the end counts only beside the token, which a caller may hold without knowing the denial.
  const ends = [offer.expires_at, ...(bound === undefined ? [] : [bound.expires_at, echoed])].map(Date.parse);
  if (Math.min(...ends) <= now().getTime())
    throw new AccessRequestProblem('expired_denial', 'Ask the question again, and request access for that denial.', at);
  if (!asksTheSame(record, offer, activePolicies.rules))
    throw new AccessRequestProblem('expired_denial', 'The rules have changed since: ask the question again.', at);
  const wholeChain = uniteChain(parties.chain, record);
  // Stopping an agent, and every other revocation, ends what was denied before as well: no person is asked for it any more.
  if ((await revocations.find(toRevocableToken(record, parties.user, [parties.agent, ...wholeChain]))) !== undefined)
    throw new AccessRequestProblem('expired_denial', 'What the denial rested on has been revoked since.', at);
  return { record, offer, ...parties, chain: wholeChain };
}

/**
 * Whether the rules in force deny the question and ask for the same: people are never asked by rules of before. What can't be
 * told from the record is asked anew.
 */
function asksTheSame(record: DecisionRecord, offer: AccessRequestOffer, rules: Rules): boolean {
  if (record.policy_version === rules.version) return true;
  const { facts } = record;
  if (facts === undefined) return false;
  const answer = answerRecord({ ...record, facts }, rules);
  if (answer.kind !== 'decided' || answer.decision.access_request === undefined) return false;
  const toAsked = ({ steps, binding, emergency }: AccessRequestOffer): string =>
    formatCanonicalJson({ steps, binding, emergency: emergency ?? null });
  return toAsked(answer.decision.access_request) === toAsked(offer);
}

/** The claims by which the denial's token, or one like it that was issued by then, would be found to be revoked. */
function toRevocableToken(
  { token, evaluated_at: at }: DecisionRecord,
  user: EntityRef | undefined,
  agents: readonly (EntityRef | undefined)[],
): RevocableToken {
  return {
    issuer: token?.issuer ?? '',
    jti: token?.jti,
    user: user?.id,
    actors: agents.flatMap((agent) => (agent === undefined ? [] : [{ id: agent.id }])),
    session: token?.session,
    txn: token?.transaction,
    issuedAt: Date.parse(at) / 1000,
  };
}

/** @param at the place of the question in the request; empty for the request itself @throws AccessRequestProblem */
export function requireSameQuestion(
  { record, offer }: RequestableDenial,
  submitted: SubmittedQuestion,
  at: string,
): void {
  const { subject } = record.request;
  const refuse = (place: string): never => {
    const path = at === '' || place === 'subject' || place.startsWith('context.') ? place : `${at}.${place}`;
    throw new AccessRequestProblem('invalid_denial_binding', 'What is requested is not what was denied.', path);
  };
  if (submitted.subject.type !== subject.type || submitted.subject.id !== subject.id) refuse('subject');
  const difference = findSubmittedDifference(offer.binding, submitted);
  if (difference !== undefined) refuse(difference);
}

/** Refuses an actor that the denial's record doesn't prove. @throws AccessRequestProblem */
export function requireProvenActor({ record, agent }: RequestableDenial, actor: SubmittedActor | undefined): void {
  const proven = [agent, ...parseDescribedParties(record.rationale.acting).chain];
  let at = 'client.actor';
  for (let stated = actor, i = 0; stated !== undefined; stated = stated.act, i += 1, at += '.act') {
    const party = proven[i];
    const isProven =
      party !== undefined &&
      party.id === stated.id &&
      (stated.type === undefined || stated.type === party.type) &&
      (stated.issuer === undefined || stated.issuer === record.token?.issuer);
    if (!isProven)
      throw new AccessRequestProblem('invalid_denial_binding', 'The denial’s token doesn’t prove this actor.', at);
  }
}

/** The earlier agents, and those that the delegation was passed on through, as far as it is on record. */
function uniteChain(chain: readonly EntityRef[], { facts }: DecisionRecord): readonly EntityRef[] {
  const passedOn = facts?.passed_on;
  const through = passedOn !== undefined && 'through' in passedOn ? passedOn.through : [];
  return [...chain, ...through];
}
