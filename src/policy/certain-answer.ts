/**
 * The part of Cedar's answer that stands although some values are unknown: that of the policies that read none of them.
 * A deny can then name every forbid that applies whatever the values are, and nothing is held out that can't succeed.
 */
import { memoizeByObjects } from '../runtime/memoize.js';
import type { CedarAnswer } from './cedar.js';
import { collectReads } from './collect-reads.js';
import type { Policy } from './policies.js';
import { listNamesRead, type PolicyReads } from './policy-reads.js';
import type { Action, ActionOnResource, EntityType } from './schema/action.js';
import type { Vocabulary } from './schema/vocabulary.js';

export interface CertainAnswer {
  /** Ids of forbids that apply. */
  readonly forbidding: readonly string[];
  /** Whether no permit applies, and none could. */
  readonly permitsNothing: boolean;
}

/**
 * @param answer to a request that lacks the values, or has something else in their place
 * @param slice those that were asked
 * @param paths of the unknown values: `employee.status`, `context.action.branch`
 */
export function selectCertainAnswer(
  answer: CedarAnswer,
  { policies }: { readonly policies: readonly Policy[] },
  paths: readonly string[],
  question: QuestionOfPolicies,
): CertainAnswer {
  const uncertain = new Set(policies.filter((policy) => readsAny(policy, paths, question)).map(({ id }) => id));
  const isForbidden = answer.decision === 'deny' && answer.determining.length > 0;
  const forbidding = isForbidden ? answer.determining.filter((id) => !uncertain.has(id)) : [];
  const failing = new Set(answer.errors.map(({ policy }) => policy));
  // A forbid that applies hides the permits.
  const mayPermit = policies.some(({ id, json }) => json.effect === 'permit' && (uncertain.has(id) || failing.has(id)));
  return { forbidding, permitsNothing: answer.decision === 'deny' && !isForbidden && !mayPermit };
}

/** The question's types and vocabulary, as a bound question has them. */
export interface QuestionOfPolicies {
  readonly principalType: EntityType;
  readonly target: ActionOnResource;
  readonly rules: { readonly vocabulary: Pick<Vocabulary, 'entityTypes'> };
}

/** Whether the policy can read one of the values: by its name, or with a record that it is in. */
export function readsAny(
  policy: Policy,
  paths: readonly string[],
  { principalType, target, rules }: QuestionOfPolicies,
): boolean {
  const { reads, names, records } = readPolicyParts(
    policy,
    principalType,
    target.action,
    target.resourceType,
    rules.vocabulary,
  );
  return paths.some((path) => {
    const [variable, ...members] = path.replace(/\[\d+\]/g, '').split('.');
    return (
      reads.unbounded ||
      names.has(members.at(-1) ?? '') ||
      members.some((member) => records.has(member)) ||
      (variable === 'context' && reads.context.whole)
    );
  });
}

/** The reads of a policy for questions of a kind, kept: the values that one question lacks are mostly lacked by many. */
const readPolicyParts = memoizeByObjects(
  (
    policy: Policy,
    principal: EntityType,
    action: Action,
    resource: EntityType,
    vocabulary: Pick<Vocabulary, 'entityTypes'>,
  ) => {
    const reads = collectReads([policy], { principal, action, resource }, vocabulary);
    return { reads, names: listNamesRead(reads), records: listWholeRecords(reads) };
  },
);

/** The names of records that are used as they are, with all their members. */
function listWholeRecords({ principal, resource, context, literals }: PolicyReads): ReadonlySet<string> {
  const names = new Set<string>();
  const pending = [principal, resource, context, ...literals.map(({ reads }) => reads)];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [name, member] of next.members) {
      if (member.whole) names.add(name);
      pending.push(member);
    }
  }
  return names;
}
