/** Counts the tasks of approvals that wait for people, for the metrics. */
import type { ApprovalStore } from '../../store/approvals.js';
import { RepeatedCount } from '../../telemetry/repeated-count.js';

export function countWaitingApprovals(approvals: Pick<ApprovalStore, 'countWaiting'>, now: () => Date): RepeatedCount {
  return new RepeatedCount(
    () => approvals.countWaiting(now()),
    ['It can not be told how many approvals wait', 'approvals_uncounted'],
  );
}
