/** Finds forbids that ask for an approval which would lift nothing, and those that except what no person can be asked to approve. */
import { isSameOrNestedField } from '../duty-fields.js';
import { collectContextReads } from '../expressions.js';
import { hasRemedy, type Policy } from '../policies.js';
import type { Action } from '../schema/action.js';
import { formatUid } from '../schema/uid.js';
import { tryApproval } from './approval-trial.js';
import { scopeIncludes } from './shadowed-forbid.js';
import { applicableTypes, listForbids, type Lint, type LintInput } from './lint.js';

export const unliftableForbid: Lint = {
  rule: 'unliftable-forbid',
  title: 'A forbid whose approval can’t be asked for, or would lift nothing',
  why: 'What people are to approve stays denied, and the deny has no `access_request`.',
  cure: 'Name who approves in `@remedy("approval:…")`, read `context has approval` in an `unless` that no emergency has to meet, let no other forbid deny what is approved, and declare `approval?: Remit::Approval` in the action’s context.',
  run: (input) =>
    listForbids(input).flatMap((policy) =>
      findLiftProblems(policy, input).map((problem) => ({
        location: policy.location,
        message: `"${policy.id}" ${problem}`,
      })),
    ),
};

function findLiftProblems(policy: Policy, { rules }: Pick<LintInput, 'rules'>): string[] {
  const readsApproval = (conditions: Policy['json']['conditions']): boolean =>
    [...collectContextReads({ ...policy.json, conditions })].some(
      (path) => path === '' || isSameOrNestedField(path, 'approval'),
    );
  const { conditions } = policy.json;
  if (!hasRemedy(policy, 'approval'))
    return readsApproval(conditions.filter(({ kind }) => kind === 'unless'))
      ? ['makes an exception of what is approved, and no @remedy says who approves: nobody can be asked']
      : [];
  if (!readsApproval(conditions)) return ['asks for an approval, and does not read context.approval: none lifts it'];
  const trial = tryApproval(policy.json);
  if (trial?.mayForbidWithout === false)
    return ['asks for an approval, and forbids only what has one: there is none to ask for'];
  if (trial?.mayLift === false)
    return ['asks for an approval, and forbids the same with the one that would be given: none lifts it'];
  const { actions } = rules.vocabulary;
  const undeclared = actions
    .filter((action) => applicableTypes(policy, action).length > 0 && !Object.hasOwn(action.context, 'approval'))
    .map(({ uid }) => `asks for an approval, which ${formatUid(uid)} does not declare: none lifts it there`);
  const barring = listForbids({ rules })
    .filter((other) => other !== policy && barsApproved(other, policy, actions))
    .map(({ id, source }) => `asks for an approval, and "${id}" (${source}) forbids what has one: none lifts it`);
  return [...undeclared, ...barring];
}

/** Whether the other forbid applies to everything of this one that is approved, because it is. */
function barsApproved(other: Policy, { json }: Policy, actions: readonly Action[]): boolean {
  if (![...collectContextReads(other.json)].some((path) => isSameOrNestedField(path, 'approval'))) return false;
  const isWider =
    scopeIncludes(other.json.principal, json.principal) &&
    scopeIncludes(other.json.resource, json.resource) &&
    actions.every(
      (action) => applicableTypes({ json }, action).length === 0 || applicableTypes(other, action).length > 0,
    );
  return isWider && tryApproval(other.json)?.forbidsApproved === true;
}
