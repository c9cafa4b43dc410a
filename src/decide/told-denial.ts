/**
 * The part of a deny that an agent which asks for itself is told: the reasons and remedies of the first failing step.
 * Where the action's properties name an entity that policies look into, the agent may not learn from a deny whether
 * there is such an entity, nor what is stored of it. So a deny that could rest on that is told in the same words
 * whichever it was.
 */
import { formatRef, type EntityRef } from '../model/ids.js';
import type { Denial } from '../model/outcome.js';
import { reason, type Reason } from '../model/reasons.js';
import type { Remedy } from '../model/remedies.js';
import { readsAny } from '../policy/certain-answer.js';
import { findRequestEntities, toStoredRef } from '../policy/cedar-request.js';
import { leadsToEntity, type ValueReads } from '../policy/policy-reads.js';
import type { Policy } from '../policy/policies.js';
import { collectRequestFacts, findSlices, type CedarOutcome } from './ask-cedar.js';
import type { BoundQuestion } from './bound-question.js';
import { listCedarQuestions, listOwnEntities } from './entity-needs.js';
import type { Evaluation } from './evaluation.js';
import { collectCedarFacts } from './facts.js';
import type { Facts } from './step.js';

export interface ToldDenial {
  readonly reasons: readonly Reason[];
  readonly remedies: readonly Remedy[];
}

export const NOTHING_TOLD: ToldDenial = { reasons: [], remedies: [] };

/** @param denial that of the first failing step; undefined where there is none */
export function selectToldDenial(
  denial: Denial | undefined,
  { unbound, bound, facts }: Pick<Evaluation, 'unbound' | 'bound' | 'facts'>,
): ToldDenial {
  const step = denial?.reasons[0]?.step;
  if (denial === undefined) return NOTHING_TOLD;
  if (unbound.question.caller.kind === 'client' || bound === undefined || facts === undefined) return denial;
  if (step !== 'policy' && step !== 'obligations') return denial;
  const namesBehind = listNamesBehindStatements(bound);
  if (namesBehind.length === 0) return denial;
  const paths = namesBehind.map((name) => `context.action.${name}`);
  const forbids = denial.reasons
    .flatMap(({ policies = [] }) => policies.flatMap((id) => bound.rules.policies.get(id) ?? []))
    .filter((policy) => policy.json.effect === 'forbid' && !readsAny(policy, paths, bound));
  const lacksItsOwn = hasOwnMissing(bound, facts, step);
  const reasons = denial.reasons.flatMap((reason) => tellReason(reason, forbids, lacksItsOwn));
  return {
    reasons: reasons.length > 0 ? reasons : [GENERAL_REASONS[step]],
    remedies: forbids.flatMap(({ remedies }) => remedies),
  };
}

/** The reasons that stand for a deny which may rest on what the question names. */
const GENERAL_REASONS = {
  policy: reason('policy', 'policy_no_permit'),
  obligations: reason('obligations', 'obligation_unsupported'),
} as const;

/** @param forbids those that rest on nothing that the question names */
function tellReason(reason: Reason, forbids: readonly Policy[], lacksItsOwn: boolean): Reason[] {
  switch (reason.code) {
    case 'policy_forbid':
      return forbids.length === 0 ? [] : [{ ...reason, policies: forbids.map(({ id }) => id) }];
    case 'attribute_missing':
      return lacksItsOwn ? [reason] : [];
    case 'policy_no_permit':
    case 'policy_error':
      return [];
    default:
      return [reason];
  }
}

/**
 * The names that policies read through an entity-typed property that the question states, the property's own first; none
 * where no policy looks into such an entity.
 */
export function listNamesBehindStatements(bound: BoundQuestion): string[] {
  const { deciding, duties } = findSlices(bound);
  const { properties } = bound.question.action;
  return [deciding, duties].flatMap(({ reads }) =>
    [...(reads.context.members.get('action')?.members ?? [])].flatMap(([name, member]) =>
      Object.hasOwn(properties, name) && leadsToEntity(member) ? [name, ...listNames(member)] : [],
    ),
  );
}

function listNames({ members }: ValueReads): string[] {
  return [...members].flatMap(([name, member]) => [name, ...listNames(member)]);
}

/** Whether something is missing that would be missing as well if the action's properties named nothing. */
function hasOwnMissing(bound: BoundQuestion, facts: Facts, step: 'policy' | 'obligations'): boolean {
  const { acting, chain, duties } = facts.cedar;
  const outcomes: CedarOutcome[] = step === 'obligations' ? [duties] : [acting, ...chain.map(({ outcome }) => outcome)];
  const ownEntities = listEntitiesUnstated(bound, facts);
  return outcomes.some(
    (outcome) =>
      outcome.kind === 'missing' &&
      outcome.values.some(({ entity }) => entity === undefined || ownEntities.has(formatRef(entity))),
  );
}

/** The entities that the question has, or leads to, whatever the action's properties name. */
function listEntitiesUnstated(bound: BoundQuestion, facts: Facts): ReadonlySet<string> {
  const requestFacts = { ...collectRequestFacts(bound, collectCedarFacts(bound, facts)), actionProperties: {} };
  const { vocabulary } = bound.rules;
  const reached = listCedarQuestions(bound).flatMap(({ slice, principal }): EntityRef[] =>
    findRequestEntities(requestFacts, { ref: principal, type: bound.principalType }, slice.reads, vocabulary).map(
      ({ uid }) => toStoredRef(uid, vocabulary),
    ),
  );
  return new Set([...listOwnEntities(bound), ...reached].map(formatRef));
}
