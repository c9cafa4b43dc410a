/** Turns the engines' answers into the facts that the steps judge, Cedar's included: with no I/O, so it can be repeated. */
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import { listHistoryQueries } from '../govern/history/queries.js';
import { findBudget } from '../govern/limits/judge.js';
import { askCedar, type CedarFacts, type CedarOutcomes } from './ask-cedar.js';
import {
  areAllLiftable,
  findQuestionApproval,
  listGivenAnswers,
  selectPolicyApproval,
  type GivenAnswers,
} from './approval-facts.js';
import type { FaultCode } from '../model/faults.js';
import type { HistoryAnswers } from '../model/history.js';
import type { BoundQuestion } from './bound-question.js';
import { describePolicyConsent, findQuestionConsent, listConsentEnds } from './consent-facts.js';
import { describeHistory } from './history-use.js';
import { listDelegationEnds } from './delegation-links.js';
import { planUse } from './question-limits.js';
import { buildAgentCanChecks, buildCanChecks, buildGateCheck } from './permission-checks.js';
import type { Facts, JudgingStep, StepNeeds } from './step.js';

/** The needs of all steps together. */
export function collectNeeds(steps: readonly JudgingStep[], bound: BoundQuestion): Required<StepNeeds> {
  const needs = steps.map((step) => step.needs?.(bound) ?? {});
  return {
    checks: needs.flatMap(({ checks = [] }) => checks),
    entities: needs.flatMap(({ entities = [] }) => entities),
    delegations: needs.flatMap(({ delegations = [] }) => delegations),
    charges: needs.flatMap(({ charges = [] }) => charges),
    retry: needs.find(({ retry }) => retry !== undefined)?.retry,
    history: needs.flatMap(({ history = [] }) => history),
    consents: needs.flatMap(({ consents = [] }) => consents),
    approval: needs.find(({ approval }) => approval !== undefined)?.approval,
  };
}

/** The question with the agents that passed the delegation on in its chain, whether or not the token states them. */
export function withIntermediaries(
  bound: BoundQuestion,
  delegationPath: DelegationPathResult | undefined,
): BoundQuestion {
  const { acting } = bound;
  if (acting.mode === 'human' || delegationPath?.kind !== 'path' || delegationPath.through.length === 0) return bound;
  return { ...bound, acting: { ...acting, chain: [...acting.chain, ...delegationPath.through] } };
}

const NO_HISTORY: HistoryAnswers = new Map();

/** The facts that requests to Cedar are built of. */
export function collectCedarFacts(
  bound: BoundQuestion,
  {
    check,
    entity,
    limits,
    history = NO_HISTORY,
    use,
    policyConsent,
    policyApproval,
  }: Pick<Facts, 'check' | 'entity'> &
    Partial<Pick<Facts, 'limits' | 'history' | 'use' | 'policyConsent' | 'policyApproval'>>,
): CedarFacts {
  const permissionRecord = (checks: readonly CheckRequest[]): Record<string, boolean> =>
    Object.fromEntries(checks.map((request) => [request.permission, check(request).result === 'yes']));
  return {
    entity,
    can: permissionRecord(buildCanChecks(bound)),
    agentCan: permissionRecord(buildAgentCanChecks(bound)),
    reachable: check(buildGateCheck(bound)).result === 'yes',
    budget: use === undefined || limits === undefined || 'fault' in limits ? undefined : findBudget(use, limits),
    history: (principal) => describeHistory(bound, history, principal),
    consent: policyConsent,
    approval: policyApproval,
  };
}

/** The facts that engines and stores have answered. */
export type AnsweredFacts = Omit<
  Facts,
  'use' | 'consent' | 'approval' | 'policyConsent' | 'policyApproval' | 'cedar' | 'expiries'
>;

/**
 * Asks Cedar and completes the facts. Never throws for what an engine couldn't answer: that is in the facts.
 * @param assumed the answers that people are taken to have given, in place of the approval that the question presents
 */
export function evaluateFacts(bound: BoundQuestion, answers: AnsweredFacts, assumed?: GivenAnswers): Facts {
  const { needs, check, entitiesFault, delegationPath, limits, history, consents } = answers;
  const approval = assumed === undefined ? findQuestionApproval(bound, answers) : undefined;
  const given = assumed ?? listGivenAnswers(approval);
  const consent = findQuestionConsent(bound, answers, given.user);
  const use = planUse(bound, answers, consent);
  const fault =
    entitiesFault ??
    (limits !== undefined && 'fault' in limits ? limits.fault : undefined) ??
    ('fault' in history ? history.fault : undefined) ??
    // A forbid may ask whether there is one.
    (consent?.kind === 'unknown' ? consent.fault : undefined) ??
    (approval?.kind === 'unknown' ? approval.fault : undefined);
  const asked = askGiven(given, consent, bound, { ...answers, use, fault });
  const checkExpiries = needs.checks.flatMap((request) => findAnswerEnd(request, check(request), bound) ?? []);
  const pathExpiries = delegationPath?.kind === 'path' ? delegationPath.ends : [];
  const consentExpiries = listConsentEnds(bound, consents, consent);
  const delegationExpiries = listDelegationEnds(bound, answers);
  // What is left of a limit, or happened, may be otherwise a moment later, and an approval is for this question now.
  const asksHistory = listHistoryQueries(bound).length > 0;
  const isMomentary = asked.cedar.timeDependent || asksHistory || limits !== undefined || approval !== undefined;
  const policyExpiries = isMomentary ? [bound.now.toISOString()] : [];
  const expiries = [...checkExpiries, ...pathExpiries, ...delegationExpiries, ...consentExpiries, ...policyExpiries];
  return { ...answers, use, consent, approval, ...asked, expiries };
}

/** Cedar's answers, with what of the given answers the policies were given. */
type AskedPolicies = Pick<Facts, 'policyConsent' | 'policyApproval' | 'cedar'>;

/**
 * Asks Cedar first as if there were no yes to this very question. The user's yes and the approval are given to the policies
 * only where each forbid that denies without them says that they lift it: one that doesn't stays, whatever its condition reads.
 */
function askGiven(
  given: GivenAnswers,
  consent: Facts['consent'],
  bound: BoundQuestion,
  facts: AnsweredFacts & Pick<Facts, 'use'> & { readonly fault: FaultCode | undefined },
): AskedPolicies {
  const ask = (policyConsent: Facts['policyConsent'], policyApproval?: Facts['policyApproval']): AskedPolicies => ({
    policyConsent,
    policyApproval,
    cedar:
      facts.fault === undefined
        ? askCedar(bound, collectCedarFacts(bound, { ...facts, policyConsent, policyApproval }))
        : unaskedPolicies(facts.fault),
  });
  const plain = ask(describePolicyConsent(consent, false));
  const mayConfirm = given.user !== undefined && areAllLiftable(bound, { ...facts, ...plain }, given.setsAside);
  const confirmed = mayConfirm ? ask(describePolicyConsent(consent, true)) : plain;
  const policyApproval = selectPolicyApproval(given, bound, { ...facts, ...confirmed });
  return policyApproval === undefined ? confirmed : ask(confirmed.policyConsent, policyApproval);
}

function unaskedPolicies(fault: FaultCode): CedarOutcomes {
  return { acting: { kind: 'fault', fault }, chain: [], duties: { kind: 'fault', fault }, timeDependent: false };
}

/** The instant at which an answer may change without a write: policies may allow by a no as well. */
function findAnswerEnd(request: CheckRequest, answer: CheckAnswer, { rules, now }: BoundQuestion): string | undefined {
  if (answer.result === 'yes') return answer.until;
  const { type } = request.resource;
  return rules.graph.reachability.canGainByExpiration(type, request.permission) ? now.toISOString() : undefined;
}
