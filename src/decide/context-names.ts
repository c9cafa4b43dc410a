/**
 * The members of a request's context that count for a question: its policies and duties read them, its caveats, the details
 * of its token, delegations and consents, the `when` of a consent, or the user who is asked for their yes each time.
 */
import type { RecordMembers } from '../policy/schema/types.js';
import { findSlices } from './ask-cedar.js';
import type { BoundQuestion } from './bound-question.js';
import { isUserAskedEachTime, listConfirmationNames } from './consent-facts.js';
import { listCaveatNames } from './permission-checks.js';
import { listDelegationDetails } from './stated-declarations.js';
import type { Facts } from './step.js';
import { listConstrainedNames } from './unproven-statements.js';

export function listContextNames(
  bound: BoundQuestion,
  facts: Pick<Facts, 'needs' | 'delegation' | 'delegationsFault' | 'consents'>,
): string[] {
  const consents = facts.consents === undefined || 'fault' in facts.consents ? [] : facts.consents;
  return [
    // Held against the purposes of tokens, delegations and consents.
    'purpose',
    ...listPolicyNames(bound, isUserAskedEachTime(bound, facts.consents)),
    ...listCaveatNames(bound),
    ...listConstrainedNames(bound.acting.grant?.details ?? []),
    ...listConstrainedNames(listDelegationDetails(facts)),
    ...listConstrainedNames(consents.flatMap(({ details }) => details)),
    ...listConfirmationNames(consents),
  ];
}

/** The members of `context.request` that policies or duties read; all that are declared where it is used as a whole, by them or by the user. */
function listPolicyNames(bound: BoundQuestion, isRead: boolean): string[] {
  const { request } = bound.target.action.context;
  if (request?.type.kind !== 'Record') return [];
  const declared: RecordMembers = request.type.members;
  if (isRead) return Object.keys(declared);
  const { deciding, duties } = findSlices(bound);
  return [deciding, duties].flatMap(({ reads }) => {
    const read = reads.context.members.get('request');
    if (reads.unbounded || reads.context.whole || read?.whole === true) return Object.keys(declared);
    return [...(read?.members.keys() ?? [])];
  });
}
