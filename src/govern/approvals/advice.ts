/** The advice to a caller about a deny beside its approval, in the words of AuthZEN's access request and approval profile. */
import type { ApprovalAdvice } from '../../model/approvals.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { ApprovalFinding } from './judge.js';

/** The time after which what an approval gives should be written, in seconds. */
const RETRY_AFTER_SECONDS = 1;

const ADVISED_REASONS: { readonly [Code in ReasonCode]?: ApprovalAdvice['reason'] } = {
  approval_expired: 'approval_expired',
  approval_used: 'approval_expired',
  approval_revoked: 'approval_expired',
  approver_ineligible: 'approval_expired',
  approval_out_of_scope: 'out_of_scope',
  grant_pending: 'grant_pending',
  approval_unverifiable: 'approval_unverifiable',
};

/**
 * Whether a deny beside the approval may say how to ask for one. Where the approval is good it has lifted all that approvals
 * could, and where it is on its way nothing else is to be asked for: what says so a second time sends callers around in a circle.
 * @param finding undefined where the question presents none
 */
export function mayAskAgain(finding: ApprovalFinding | undefined): boolean {
  if (finding?.kind !== 'bad') return finding === undefined;
  return finding.code !== 'grant_pending' && finding.code !== 'approval_unverifiable';
}

/** @param isRequestable whether the deny says how to ask for another approval */
export function adviseOnApproval(
  finding: ApprovalFinding | undefined,
  isRequestable: boolean,
): ApprovalAdvice | undefined {
  switch (finding?.kind) {
    case 'good':
      return { reason: 'policy_denied', next_action: 'none' };
    case 'bad': {
      const { code } = finding;
      const reason = ADVISED_REASONS[code];
      if (code === 'grant_pending') return { reason, next_action: 'retry', retry_after: RETRY_AFTER_SECONDS };
      return { reason, next_action: isRequestable ? 'request' : 'none' };
    }
    default:
      return undefined;
  }
}
