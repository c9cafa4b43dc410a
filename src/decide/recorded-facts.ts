/** The facts of a decision as they are put on record. Tokens and keys are never among them. */
import { DEFAULT_ONCE_MS } from '../govern/approvals/task-progress.js';
import { listHistoryQueries } from '../govern/history/queries.js';
import type { RecordedFacts } from '../model/decision.js';
import { delegationKey } from '../model/delegations.js';
import { type Caller, type Properties } from '../model/question.js';
import { checkKey } from '../graph/relationship-text.js';
import { listMemberNames } from '../runtime/memoize.js';
import { type BoundQuestion, type UnboundQuestion } from './bound-question.js';
import type { Evaluation } from './evaluation.js';
import { recordEntities } from './recorded-entities.js';
import type { Facts } from './step.js';
import { collectDeclarations, listReadableNames, type StatingPart } from './stated-declarations.js';

export function toRecordedFacts(evaluation: Evaluation): RecordedFacts {
  const { bound, facts } = evaluation;
  const { question, credential } = evaluation.unbound;
  return {
    caller: toRecordedCaller(question.caller),
    said: toRecordedRequest(evaluation),
    ...(credential === undefined ? {} : { credential: omitRequester(credential) }),
    ...(facts === undefined || bound === undefined ? { checks: {}, entities: {} } : toRecordedAnswers(bound, facts)),
  };
}

function toRecordedCaller(caller: Caller): RecordedFacts['caller'] {
  if (caller.kind === 'agent') return { kind: 'agent' };
  const { may, resources, defaultMode } = caller.client;
  const asserts = [...may].filter((permission) => permission.startsWith('asserts_'));
  return {
    kind: 'client',
    ...(asserts.length === 0 ? {} : { may: asserts }),
    ...(resources === undefined ? {} : { resources: [...resources] }),
    ...(defaultMode === undefined ? {} : { default_mode: defaultMode }),
  };
}

function toRecordedRequest(evaluation: Evaluation): RecordedFacts['said'] {
  const { question } = evaluation.unbound;
  const { subject, action, resource, context, statedAgent, statedMode, assertedAgent, assertedChain = [] } = question;
  let declarations: ReturnType<typeof collectDeclarations> | undefined;
  // What a request says beyond what can decide something isn't Remit's to store.
  const recordKnown = (part: StatingPart, properties: Properties): object => {
    if (listMemberNames(properties).length === 0) return {};
    // Most requests state no properties, so the declarations are collected only where one does, and once.
    const decisiveNames = listReadableNames((declarations ??= collectDeclarations(evaluation))[part]);
    // The names that can decide are few, and a caller may state thousands.
    const decisive = [...decisiveNames]
      .filter((name) => Object.hasOwn(properties, name))
      .map((name): [string, unknown] => [name, properties[name]]);
    const entries = part === 'context' ? [...decisive, ...recordPurpose(properties, decisiveNames)] : decisive;
    return entries.length === 0 ? {} : { [part]: Object.fromEntries(entries) };
  };
  return {
    ...recordKnown('subject', subject.properties),
    ...recordKnown('action', action.properties),
    ...recordKnown('resource', resource.properties),
    ...recordKnown('context', context),
    ...(statedAgent === undefined ? {} : { agent: statedAgent }),
    ...(statedMode === undefined ? {} : { mode: statedMode }),
    ...(assertedAgent === undefined ? {} : { act: assertedAgent }),
    ...(assertedChain.length === 0 ? {} : { chain: assertedChain }),
    supported_obligations: question.supportedObligations,
    ...(question.tokenRequired ? { token_expected: true } : {}),
  };
}

/** The longest purpose that a token can have, in characters. */
const MAX_PURPOSE_LENGTH = 1024;

/**
 * The purpose that a request states, where nothing else knows the member. It is compared with the token's, which is a text
 * of bounded length; whatever equals none can be of any size, and null stands for it.
 */
function recordPurpose({ purpose }: Properties, decisiveNames: ReadonlySet<string>): [string, string | null][] {
  if (purpose === undefined || decisiveNames.has('purpose')) return [];
  return [['purpose', typeof purpose === 'string' && purpose.length <= MAX_PURPOSE_LENGTH ? purpose : null]];
}

/**
 * The credential without what decides nothing: `rctx`, which is the requester's own and may be personal, and by what a client could
 * log in.
 */
function omitRequester(
  credential: NonNullable<UnboundQuestion['credential']>,
): NonNullable<UnboundQuestion['credential']> {
  if (!('ok' in credential) || !credential.ok) return credential;
  const { token, singleUseProof: _singleUseProof, ...rest } = credential;
  return { ...rest, token: { ...token, requester: undefined, soleSubject: undefined }, singleUseProof: undefined };
}

function toRecordedAnswers(bound: BoundQuestion, facts: Facts): Omit<RecordedFacts, 'caller' | 'said'> {
  const { needs, check, entitiesFault, delegationPath, limits, approvalReading, approvalMs, refusal } = facts;
  return {
    checks: Object.fromEntries(needs.checks.map((request) => [checkKey(request), check(request)])),
    ...(entitiesFault === undefined ? { entities: recordEntities(bound, facts) } : { entities_fault: entitiesFault }),
    ...(delegationPath === undefined ? {} : { passed_on: delegationPath }),
    ...recordDelegations(facts),
    ...(limits === undefined ? {} : { limits }),
    ...recordHistory(bound, facts),
    ...recordConsents(facts),
    ...(approvalReading === undefined ? {} : { approval: approvalReading }),
    ...(approvalMs === undefined || approvalMs === DEFAULT_ONCE_MS ? {} : { approval_ms: approvalMs }),
    ...(refusal === undefined ? {} : { refusal }),
  };
}

/** The answers about the past, by the questions. */
function recordHistory(bound: BoundQuestion, { history }: Facts): Pick<RecordedFacts, 'history'> {
  const queries = listHistoryQueries(bound);
  if (queries.length === 0) return {};
  if ('fault' in history) return { history };
  const answers = queries.flatMap(({ name, query }) => {
    const value = history.get(query.id);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { history: { answers: Object.fromEntries(answers) } };
}

/** The consents of the user for the agent. Ended ones only where the decision says so: they allow nothing. */
function recordConsents({ consents, consent }: Facts): Pick<RecordedFacts, 'consents' | 'consents_fault'> {
  if (consents === undefined) return {};
  if ('fault' in consents) return { consents_fault: consents.fault };
  return {
    consents: consents.filter(({ withdrawn }) => withdrawn === undefined || consent?.kind === 'missing'),
  };
}

/** The delegations that the database had something of. */
function recordDelegations({
  needs,
  delegation,
  delegationsFault,
}: Facts): Pick<RecordedFacts, 'delegations' | 'delegations_fault'> {
  if (delegationsFault !== undefined) return { delegations_fault: delegationsFault };
  const stored = needs.delegations.flatMap((pair) => {
    const state = delegation(pair);
    return state === undefined ? [] : [[delegationKey(pair), state] as const];
  });
  return stored.length === 0 ? {} : { delegations: Object.fromEntries(stored) };
}
