/** The facts of a decision as they are read back from its record, to decide again. */
import { OBLIGATION_TYPES } from '../model/obligations.js';
import type { CheckAnswer } from '../model/checks.js';
import type { TokenReading } from '../model/credential.js';
import type { RecordedFacts, ReplayableRecord } from '../model/decision.js';
import { delegationKey } from '../model/delegations.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import { NO_ACCOUNT, type Caller } from '../model/question.js';
import type { Check } from '../model/relationships.js';
import { checkKey } from '../graph/relationship-text.js';
import type { Rules } from '../policy/load.js';
import type { EntityWithAncestors } from '../model/entities.js';
import { type BoundQuestion, type UnboundQuestion } from './bound-question.js';
import { listConsentChecks } from './consent-facts.js';
import { emptyAnswer, listHistoryQueries } from '../govern/history/queries.js';
import type { HistoryValue } from '../model/history.js';
import { listDelegationChecks, listDelegationPairs } from './delegation-links.js';
import { withIntermediaries, type AnsweredFacts } from './facts.js';
import { listPossibleCharges } from './question-limits.js';
import { buildGateCheck, withCaveatContext } from './permission-checks.js';
import { findUnrecordedEntities } from './recorded-entities.js';
import type { Facts, StepNeeds } from './step.js';
import { planCharges } from '../govern/limits/charges.js';
import type { Charge } from '../model/limits.js';

/** The question and the outcome of verifying its token, as they were when the decision was made. */
export function restoreQuestion(record: ReplayableRecord, rules: Rules): UnboundQuestion {
  const { request, facts } = record;
  const { said: stated, credential, caller } = facts;
  return {
    question: {
      caller: restoreCaller(record.client, caller),
      account: NO_ACCOUNT,
      subject: { ...request.subject, properties: stated.subject ?? {} },
      action: { name: request.action, properties: stated.action ?? {} },
      resource: { ...request.resource, properties: stated.resource ?? {} },
      context: stated.context ?? {},
      // The record has the verified credential, and not the token.
      token: undefined,
      proof: {},
      usedProofs: new Map(),
      statedAgent: stated.agent,
      statedMode: stated.mode,
      assertedAgent: stated.act,
      assertedChain: stated.chain,
      // Records of versions that took a silent request to support all have none.
      supportedObligations: stated.supported_obligations ?? OBLIGATION_TYPES,
      consistency: 'full',
      dryRun: record.dry_run,
      explain: true,
      requestId: request.request_id,
      // The record has what was found of it.
      idempotencyKey: undefined,
      approval: facts.approval === undefined ? undefined : { id: facts.approval.id },
      tokenRequired: stated.token_expected ?? false,
    },
    rules,
    now: new Date(record.evaluated_at),
    credential,
  };
}

/** Stands for the token of an agent on record, which holds what was verified of it and not the token. */
const NO_TOKEN: TokenReading = { text: '', token: () => Promise.reject(new TypeError('a record holds no token')) };

function restoreCaller(id: string, { kind, may = [], resources, default_mode }: RecordedFacts['caller']): Caller {
  if (kind === 'agent')
    return {
      kind,
      agent: id.slice('agent:'.length),
      presented: { reading: NO_TOKEN, by: 'agent', audience: undefined, proof: {}, used: new Map() },
    };
  const client = {
    id,
    may: new Set(may),
    audience: undefined,
    resources: resources === undefined ? undefined : new Set(resources),
    defaultMode: default_mode,
    supportedObligations: [],
    answers: 'full' as const,
    rate: 1,
  };
  return { kind, client };
}

/** The engines' answers, as far as they are on record. */
export interface RecalledFacts {
  readonly facts: AnsweredFacts;
  /**
   * The needs that the record has no answer to: checks, entities as `type:id`, attributes as `type:id.attribute`, limits,
   * questions about the past, consents.
   */
  readonly missing: readonly string[];
}

/** @param needs those of the steps by the rules of now, which may be others than the record was made with */
export function recallFacts(
  {
    checks,
    entities,
    entities_fault,
    passed_on,
    delegations,
    delegations_fault,
    limits,
    history: recordedHistory,
    consents: recordedConsents,
    consents_fault,
    approval: approvalReading,
    approval_ms: approvalMs,
    refusal,
  }: RecordedFacts,
  question: BoundQuestion,
  stepNeeds: Required<StepNeeds>,
): RecalledFacts {
  const check = (request: Check): CheckAnswer =>
    ownMember(checks, checkKey(request)) ?? { result: 'unknown', fault: 'relationships_unavailable' };
  const entity = (ref: EntityRef): EntityWithAncestors | undefined => {
    const recorded = ownMember(entities, formatRef(ref));
    if (recorded === undefined || recorded === null) return undefined;
    const { attributes, ancestors = [], omitted = [] } = recorded;
    return { type: ref.type, id: ref.id, attributes, parents: [], ancestors, omitted: new Set(omitted) };
  };
  const consents = recallConsents(stepNeeds, recordedConsents, consents_fault);
  const delegation: Facts['delegation'] = (pair) => ownMember(delegations, delegationKey(pair));
  const needs = {
    ...stepNeeds,
    checks: [
      ...stepNeeds.checks,
      ...listDelegationChecks(question, passed_on, delegation),
      ...listConsentChecks(question, consents),
    ],
    delegations: listDelegationPairs(question, passed_on),
  };
  const missingChecks = needs.checks.map(checkKey).filter((key) => ownMember(checks, key) === undefined);
  const bound = withIntermediaries(question, passed_on);
  // Whether the resource is needed rests on the gate; where that isn't on record, it may be.
  const gateKey = checkKey(withCaveatContext(bound, buildGateCheck(bound)));
  const resourceKey = formatRef(bound.question.resource);
  const mayNeedResource = ownMember(checks, gateKey) === undefined && ownMember(entities, resourceKey) === undefined;
  const missingEntities =
    entities_fault === undefined
      ? [...findUnrecordedEntities(entities, bound, { check, entity }), ...(mayNeedResource ? [resourceKey] : [])]
      : [];
  const isUnrecorded = recordedConsents === undefined && consents_fault === undefined;
  const fault = entities_fault ?? (missingEntities.length > 0 ? 'database_unavailable' : undefined);
  const grants = { delegationPath: passed_on, delegation, delegationsFault: delegations_fault, consents };
  const missingLimits = listUnreadLimits(
    [...planCharges(bound).charges, ...listPossibleCharges(bound, grants)],
    limits,
  );
  const { history, missingHistory } = recallHistory(bound, recordedHistory);
  return {
    facts: {
      needs,
      check,
      entity,
      entitiesFault: fault,
      delegationPath: passed_on,
      delegation,
      delegationsFault: delegations_fault,
      limits: missingLimits.length > 0 ? { fault: 'database_unavailable' } : limits,
      history,
      consents,
      approvalReading,
      approvalMs,
      refusal,
    },
    missing: [
      ...missingChecks,
      ...missingEntities,
      ...missingLimits,
      ...missingHistory,
      ...(isUnrecorded
        ? needs.consents.map(({ agent, action }) => `consents of ${formatRef(agent)} to "${action}"`)
        : []),
    ],
  };
}

/** The limits of which the record doesn't say what had been used, as `HR::Action::"export": 100 per P1D`. */
function listUnreadLimits(charges: readonly Charge[], limits: RecordedFacts['limits']): string[] {
  if (limits !== undefined && ('fault' in limits || limits.others === 'unused')) return [];
  const unread = charges.filter(({ key }) => ownMember(limits?.readings, key) === undefined);
  return [...new Set(unread.map(({ owner, limit }) => `${owner}: ${limit.text}`))];
}

/** The answers on record, and the questions of the rules that it has none to. */
function recallHistory(
  bound: BoundQuestion,
  recorded: RecordedFacts['history'],
): { readonly history: Facts['history']; readonly missingHistory: readonly string[] } {
  if (recorded !== undefined && 'fault' in recorded) return { history: recorded, missingHistory: [] };
  const answers = new Map<string, HistoryValue>();
  const missing: string[] = [];
  for (const { name, query } of listHistoryQueries(bound)) {
    const value =
      ownMember(recorded?.answers, name) ?? (recorded?.others === 'nothing' ? emptyAnswer(query) : undefined);
    if (value === undefined) missing.push(name);
    else answers.set(query.id, value);
  }
  return {
    history: missing.length > 0 ? { fault: 'database_unavailable' } : answers,
    missingHistory: missing,
  };
}

/** The consents on record; unknown where the rules ask for some and the record has none. */
function recallConsents(
  { consents: needed }: Required<StepNeeds>,
  recorded: RecordedFacts['consents'],
  fault: RecordedFacts['consents_fault'],
): Facts['consents'] {
  if (needed.length === 0) return undefined;
  return recorded ?? { fault: fault ?? 'database_unavailable' };
}

function ownMember<T>(table: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
}
