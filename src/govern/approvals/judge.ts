/**
 * Judges the approval that a question presents: whether it is this question's, and still good. A good one never allows anything
 * by itself: it gives the policies what they ask for, and all steps still judge.
 */
import type { Approval, ApprovalReading } from '../../model/approvals.js';
import type { FaultCode } from '../../model/faults.js';
import { describeRef } from '../../model/ids.js';
import type { ReasonCodeOf } from '../../model/reasons.js';

export type ApprovalFinding =
  | { readonly kind: 'good'; readonly approval: GoodApproval }
  | {
      readonly kind: 'bad';
      readonly code: ReasonCodeOf<'consent'>;
      readonly message: string;
      /** The place at which the question differs from the one that was approved. */
      readonly at?: string;
    }
  | { readonly kind: 'unknown'; readonly fault: FaultCode };

export type GoodApproval = Approval & { readonly approved_until: string };

const INELIGIBILITY_TEXTS: Readonly<Record<string, string>> = {
  unknown_step: 'it asks for nothing of theirs',
  not_the_user: "the yes is the user's own",
  requester: 'nobody approves what is asked for them, or by them',
  agent: 'agents approve nothing',
  no_permission: 'the permission is not held',
  own_path: 'the permission is held only by way of those who ask',
  not_found_in_time: 'no way to the permission was found that does not rest on those who ask',
};

/** Says why a person may not answer a step, as part of a sentence. */
export function describeIneligibility(why: string): string {
  return INELIGIBILITY_TEXTS[why] ?? why;
}

/** @param retryOf the decision of an earlier question with the same `Idempotency-Key`: its approval serves the retry as well */
export function judgeApproval(reading: ApprovalReading, now: Date, retryOf: string | undefined): ApprovalFinding {
  if ('fault' in reading) return { kind: 'unknown', fault: reading.fault };
  const { id, approval, difference, ineligible } = reading;
  if (approval === undefined || difference === 'client' || !isAnswered(approval))
    return bad('approval_unverifiable', `There is no approval ${id} of this caller, or its state is not genuine.`);
  if (difference !== undefined)
    return {
      ...bad(
        'approval_out_of_scope',
        difference === 'details'
          ? `The approval ${id} is for a class of questions that this is none of.`
          : `The approval ${id} is for a question with another ${difference}.`,
      ),
      at: difference,
    };
  const { state, approved_until: end, scope, used_by: user } = approval;
  if (state === 'revoked') return bad('approval_revoked', `The approval ${id} was ended.`);
  if (end === undefined || Date.parse(end) <= now.getTime())
    return bad('approval_expired', `The approval ${id} expired at ${end ?? 'an unknown time'}.`);
  if (scope === 'once' && user !== undefined && user !== retryOf)
    return bad('approval_used', `The approval ${id} was for one use, and the decision ${user} has used it.`);
  const [first] = ineligible;
  if (first !== undefined)
    return bad(
      'approver_ineligible',
      `${describeRef(first.by)} may not approve this, or no longer: ${describeIneligibility(first.why)}.`,
    );
  if (!approval.granted) return bad('grant_pending', `What the approval ${id} gives is not written yet.`);
  return { kind: 'good', approval: { ...approval, approved_until: end } };
}

/** Whether people have said yes to all of it, whatever has become of that. */
function isAnswered({ state, steps, answers }: Approval): boolean {
  const isComplete = steps.length > 0 && steps.every((_, index) => answers.some(({ step }) => step === index));
  return isComplete && (state === 'approved' || state === 'revoked');
}

function bad(code: ReasonCodeOf<'consent'>, message: string): Extract<ApprovalFinding, { readonly kind: 'bad' }> {
  return { kind: 'bad', code, message };
}
