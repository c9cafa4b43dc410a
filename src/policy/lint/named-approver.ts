/** Finds forbids that ask for an approval and read who gave it, which isn't known yet when it is asked for. */
import { collectContextReads } from '../expressions.js';
import { hasRemedy } from '../policies.js';
import { listForbids, type Lint } from './lint.js';

/** The members of `context.approval` that say who gave it, each with what says it instead. */
const MEMBER_CURES: Readonly<Record<string, string>> = {
  by: 'give a permission to those who may approve, and name it: @remedy("approval:<permission>")',
  approvers: 'name a permission for each person who has to approve: @remedy("approval:<permission>, approval:<other>")',
  emergency: 'leave @emergency off the actions that emergencies must not lift, or allow what it gives',
};

export const namedApprover: Lint = {
  rule: 'named-approver',
  title: 'A forbid that an approval lifts only if certain people gave it',
  why: 'Who will approve isn’t known when approval is asked for: either it can’t be asked for, or what people approve is denied all the same.',
  cure: 'Give those who may approve a permission, and name it in `@remedy`.',
  run: (input) =>
    listForbids(input)
      .filter((policy) => hasRemedy(policy, 'approval'))
      .flatMap((policy) => {
        const reads = collectContextReads(policy.json);
        return Object.entries(MEMBER_CURES)
          .filter(([member]) => reads.has(`approval.${member}`))
          .map(([member, suggestion]) => ({
            location: policy.location,
            message: `"${policy.id}" asks for an approval, and reads who gave it (context.approval.${member})`,
            suggestion,
          }));
      }),
};
