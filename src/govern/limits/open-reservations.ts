/** Counts the decisions that hold something of a limit of which it isn't known yet whether it was used, for the metrics. */
import type { LimitStore } from '../../store/limits.js';
import { RepeatedCount } from '../../telemetry/repeated-count.js';

export function countOpenReservations(
  limits: Pick<LimitStore, 'countOpen'>,
  settleAfterMs: number,
  now: () => Date,
): RepeatedCount {
  return new RepeatedCount(
    () => limits.countOpen(now().getTime() - settleAfterMs),
    ['It can not be told how much of limits is reserved', 'reservations_uncounted'],
  );
}
