/** The advice to a caller about a deny beside its approval, in the words of AuthZEN's access request and approval profile. */
import type { ApprovalAdvice } from '../../model/approvals.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { ApprovalFinding } from './judge.js';

/** The time after which what an approval gives should be written, in seconds. */
const RETRY_AFTER_SECONDS = 1;

/** The reasons of a deny that another approval would lift. */
const REQUESTED_REASONS: { readonly [Code in ReasonCode]?: ApprovalAdvice['reason'] } = {
  approval_expired: 'approval_expired',
  approval_used: 'approval_expired',
  approval_revoked: 'approval_expired',
  approver_ineligible: 'approval_expired',
  approval_out_of_scope: 'out_of_scope',
};

/** The deny would stay with another approval, or none can be asked for now. */
const DENIED: ApprovalAdvice = { reason: 'policy_denied', next_action: 'none' };

/**
 * Whether a deny beside the approval may say how to ask for one. Where the approval is good it has lifted all that approvals
 * could, and where it is on its way nothing else is to be asked for: what says so a second time sends callers around in a circle.
 * @param finding undefined where the question presents none
 */
export function mayAskAgain(finding: ApprovalFinding | undefined): boolean {
  if (finding?.kind !== 'bad') return finding === undefined;
  return finding.code !== 'grant_pending' && finding.code !== 'approval_unverifiable';
}

/**
 * The pairs are those of the profile: what a caller is told to ask for comes with how to ask for it, and what isn't to be asked
 * for is denied whatever has become of the approval.
 * @param isRequestable whether the deny says how to ask for another approval; undefined of a dry run, by which nothing is asked for
 */
export function adviseOnApproval(
  finding: ApprovalFinding | undefined,
  isRequestable: boolean | undefined,
): ApprovalAdvice | undefined {
  if (finding === undefined || finding.kind === 'unknown') return undefined;
  if (finding.kind === 'good') return DENIED;
  switch (finding.code) {
    case 'grant_pending':
      return { reason: 'grant_pending', next_action: 'retry', retry_after: RETRY_AFTER_SECONDS };
    case 'approval_unverifiable':
      return { reason: 'approval_unverifiable', next_action: 'none' };
    default:
      if (isRequestable === undefined) return undefined;
      return isRequestable ? { reason: REQUESTED_REASONS[finding.code], next_action: 'request' } : DENIED;
  }
}
