/**
 * Step 8: is the decision durably recorded? What isn't on record isn't allowed. In the same transaction an allow reserves
 * what it uses of limits.
 */
import { planReservation } from '../../govern/limits/reservation.js';
import { planRetryKey } from '../../govern/limits/retry-key.js';
import type { DecisionRecord } from '../../model/decision.js';
import type { ApprovalUse } from '../../model/approvals.js';
import type { LimitState, Reservation } from '../../model/limits.js';
import { pass, unknown } from '../../model/outcome.js';
import type { Evaluation } from '../evaluation.js';
import { planHistoryUse } from '../history-use.js';
import { listConsentCharges } from '../question-limits.js';
import type { ClosingStep } from '../step.js';

export const recordStep: ClosingStep = {
  step: 'record',
  judge: (stored) => ('fault' in stored ? unknown(stored.fault) : pass({ id: stored.id })),
};

/** Plans what the decision reserves if it is an allow. */
export function planUses(id: string, { bound, facts }: Evaluation): Reservation | undefined {
  if (bound === undefined || facts === undefined) return undefined;
  const { limits, use, approval } = facts;
  const state = limits === undefined || 'fault' in limits ? undefined : limits;
  return planReservation(
    {
      charges: state === undefined ? [] : use.charges,
      others: listConsentCharges(bound, facts),
      state,
      retry: state === undefined ? undefined : planRetryKey(bound),
      history: planHistoryUse(bound, facts),
      approval: approval?.kind === 'good' ? planApprovalUse(approval.approval.id, id, state) : undefined,
    },
    bound.now,
  );
}

/** A retry uses the approval for the decision that it repeats, which may have used it already. */
function planApprovalUse(approval: string, id: string, state: LimitState | undefined): ApprovalUse {
  return { id: approval, decision: state?.retry?.kind === 'held' ? state.retry.decision : id };
}

/** Says on record which decision holds what was reserved, and until when an outcome can change it. */
export function describeReservation(
  id: string,
  reservation: Reservation | undefined,
  settleAfterMs: number,
): Pick<DecisionRecord, 'reservation'> {
  if (reservation === undefined) return {};
  const { at, parts, retry, repeat } = reservation;
  if (parts.length === 0 && retry === undefined && repeat === undefined) return {};
  const earlier = retry?.expected.kind === 'held' ? retry.expected : undefined;
  const isLimited = earlier !== undefined || parts.length > 0;
  return {
    reservation: {
      decision: earlier?.decision ?? id,
      ...(isLimited ? { settles_at: new Date((earlier?.at ?? at) + settleAfterMs).toISOString() } : {}),
    },
  };
}
