/**
 * Tells whether an approval that is used was used under the question's own `Idempotency-Key`. An approval and a key are read at
 * different moments, and the first question with the key may be stored between the two: then the approval is used, and the key
 * doesn't say by whom yet.
 */
import { planCharges } from '../govern/limits/charges.js';
import { findEarlierUser, planRetryKey } from '../govern/limits/retry-key.js';
import type { Deadline } from '../runtime/deadline.js';
import type { BoundQuestion } from './bound-question.js';
import { fetchLimits, type AnswerDeps } from './engine-answers.js';
import { listPossibleCharges, type ReadGrants } from './question-limits.js';
import type { Facts } from './step.js';

/**
 * Reads key, limits and use again, of one moment, where the key doesn't explain the use. Never throws for a store's failure: that
 * is in the facts.
 */
export async function settleApprovalUse(
  bound: BoundQuestion,
  facts: Pick<Facts, 'limits' | 'approvalReading'> & ReadGrants,
  deps: Pick<AnswerDeps, 'limits'>,
  deadline: Deadline,
): Promise<Pick<Facts, 'limits' | 'approvalReading'>> {
  const { limits, approvalReading } = facts;
  const retry = planRetryKey(bound);
  const settled = { limits, approvalReading };
  if (retry === undefined || approvalReading === undefined || 'fault' in approvalReading) return settled;
  const { id, approval } = approvalReading;
  if (approval?.used_by === undefined || isExplained(approval.used_by, limits)) return settled;
  const charges = [...planCharges(bound).charges, ...listPossibleCharges(bound, facts)];
  const read = await fetchLimits([{ charges, retry }], deps, deadline, id);
  if (read === undefined || 'fault' in read)
    return { limits: read, approvalReading: { id, fault: read?.fault ?? 'database_unavailable' } };
  const { approval: use, ...state } = read;
  return { limits: state, approvalReading: { ...approvalReading, approval: { ...approval, used_by: use?.used_by } } };
}

function isExplained(user: string, limits: Facts['limits']): boolean {
  return limits !== undefined && !('fault' in limits) && findEarlierUser(limits.retry) === user;
}
