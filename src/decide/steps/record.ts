/**
 * Step 8: is the decision durably recorded? What isn't on record isn't allowed. In the same transaction an allow reserves
 * what it uses of limits.
 */
import { planCharges } from '../../govern/limits/charges.js';
import { planReservation } from '../../govern/limits/reservation.js';
import { planRetryKey } from '../../govern/limits/retry-key.js';
import type { DecisionRecord } from '../../model/decision.js';
import type { Reservation } from '../../model/limits.js';
import { pass, unknown } from '../../model/outcome.js';
import type { Evaluation } from '../evaluation.js';
import type { ClosingStep } from '../step.js';

export const recordStep: ClosingStep = {
  step: 'record',
  judge: (stored) => ('fault' in stored ? unknown(stored.fault) : pass({ id: stored.id })),
};

/** Plans what the decision reserves if it is an allow; a dry run spends nothing. */
export function reserveLimits({ unbound, bound, facts }: Evaluation): Reservation | undefined {
  const limits = facts?.limits;
  if (bound === undefined || limits === undefined || 'fault' in limits || unbound.question.dryRun) return undefined;
  return planReservation(planCharges(bound).charges, limits, planRetryKey(bound), bound.now);
}

/** Says on record which decision holds what was reserved, and until when an outcome can change it. */
export function describeReservation(
  id: string,
  reservation: Reservation | undefined,
  settleAfterMs: number,
): Pick<DecisionRecord, 'reservation'> {
  if (reservation === undefined) return {};
  const { at, parts, retry } = reservation;
  const earlier = retry?.expected.kind === 'held' ? retry.expected : undefined;
  const isLimited = earlier !== undefined || parts.length > 0;
  return {
    reservation: {
      decision: earlier?.decision ?? id,
      ...(isLimited ? { settles_at: new Date((earlier?.at ?? at) + settleAfterMs).toISOString() } : {}),
    },
  };
}
