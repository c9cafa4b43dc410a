/** Turns the engines' answers into the facts that the steps judge, Cedar's included: with no I/O, so it can be repeated. */
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import { planCharges } from '../govern/limits/charges.js';
import { findBudget } from '../govern/limits/judge.js';
import { askCedar, type CedarFacts, type CedarOutcomes } from './ask-cedar.js';
import type { BoundQuestion } from './bound-question.js';
import { findQuestionConsent, listConsentEnds } from './consent-facts.js';
import { listDelegationEnds } from './delegation-links.js';
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
    consents: needs.flatMap(({ consents = [] }) => consents),
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

/** The facts that requests to Cedar are built of. */
export function collectCedarFacts(
  bound: BoundQuestion,
  { check, entity, limits, consent }: Pick<Facts, 'check' | 'entity'> & Partial<Pick<Facts, 'limits' | 'consent'>>,
): CedarFacts {
  const permissionRecord = (checks: readonly CheckRequest[]): Record<string, boolean> =>
    Object.fromEntries(checks.map((request) => [request.permission, check(request).result === 'yes']));
  return {
    entity,
    can: permissionRecord(buildCanChecks(bound)),
    agentCan: permissionRecord(buildAgentCanChecks(bound)),
    reachable: check(buildGateCheck(bound)).result === 'yes',
    budget: limits === undefined || 'fault' in limits ? undefined : findBudget(planCharges(bound), limits),
    consent: consent?.kind === 'found' ? consent : undefined,
  };
}

/** The facts that engines and stores have answered. */
export type AnsweredFacts = Omit<Facts, 'consent' | 'cedar' | 'expiries'>;

/** Asks Cedar and completes the facts. Never throws for what an engine couldn't answer: that is in the facts. */
export function evaluateFacts(bound: BoundQuestion, answers: AnsweredFacts): Facts {
  const { needs, check, entitiesFault, delegationPath, limits, consents } = answers;
  const consent = findQuestionConsent(bound, answers);
  const fault =
    entitiesFault ??
    (limits !== undefined && 'fault' in limits ? limits.fault : undefined) ??
    // A forbid may ask whether there is one.
    (consent?.kind === 'unknown' ? consent.fault : undefined);
  const cedar: CedarOutcomes =
    fault === undefined
      ? askCedar(bound, collectCedarFacts(bound, { ...answers, consent }))
      : {
          acting: { kind: 'fault', fault },
          chain: [],
          duties: { kind: 'fault', fault },
          timeDependent: false,
        };
  const checkExpiries = needs.checks.flatMap((request) => findAnswerEnd(request, check(request), bound) ?? []);
  const pathExpiries = delegationPath?.kind === 'path' ? delegationPath.ends : [];
  const consentExpiries = listConsentEnds(bound, consents, consent);
  const delegationExpiries = listDelegationEnds(bound, answers);
  // What is left of a limit may be gone a moment later.
  const policyExpiries = cedar.timeDependent || limits !== undefined ? [bound.now.toISOString()] : [];
  const expiries = [...checkExpiries, ...pathExpiries, ...delegationExpiries, ...consentExpiries, ...policyExpiries];
  return { ...answers, consent, cedar, expiries };
}

/** The instant at which an answer may change without a write: policies may allow by a no as well. */
function findAnswerEnd(request: CheckRequest, answer: CheckAnswer, { rules, now }: BoundQuestion): string | undefined {
  if (answer.result === 'yes') return answer.until;
  const { type } = request.resource;
  return rules.graph.reachability.canGainByExpiration(type, request.permission) ? now.toISOString() : undefined;
}
