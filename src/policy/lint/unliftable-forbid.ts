/** Finds forbids that ask for an approval which would lift nothing, and those that except what no person can be asked to approve. */
import { isSameOrNestedField } from '../duty-fields.js';
import { collectContextReads } from '../expressions.js';
import { hasRemedy, type Policy } from '../policies.js';
import { formatUid } from '../schema/uid.js';
import { applicableTypes, listForbids, type Lint, type LintInput } from './lint.js';

export const unliftableForbid: Lint = {
  rule: 'unliftable-forbid',
  title: 'A forbid whose approval can’t be asked for, or would lift nothing',
  why: 'What people are to approve stays denied, and the deny has no `access_request`.',
  cure: 'Name who approves in `@remedy("approval:…")`, read `context has approval` in an `unless`, and declare `approval?: Remit::Approval` in the action’s context.',
  run: (input) =>
    listForbids(input).flatMap((policy) =>
      findLiftProblems(policy, input).map((problem) => ({
        location: policy.location,
        message: `"${policy.id}" ${problem}`,
      })),
    ),
};

function findLiftProblems(policy: Policy, { rules }: LintInput): string[] {
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
  return rules.vocabulary.actions
    .filter((action) => applicableTypes(policy, action).length > 0 && !Object.hasOwn(action.context, 'approval'))
    .map(({ uid }) => `asks for an approval, which ${formatUid(uid)} does not declare: none lifts it there`);
}
