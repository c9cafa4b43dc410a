/** The list of all lints. A comment `remit-ignore` at the place of a finding ignores it. */
import { warningAt, type Finding } from '../../diagnostics/diagnostics.js';
import type { Lint, LintInput } from './lint.js';
import { idleCondition } from './idle-condition.js';
import { missingDelegator } from './missing-delegator.js';
import { namedApprover } from './named-approver.js';
import { neverApplies } from './never-applies.js';
import { relaxedForbid } from './relaxed-forbid.js';
import { shadowedForbid } from './shadowed-forbid.js';
import { unliftableForbid } from './unliftable-forbid.js';
import { unmaskedClass } from './unmasked-class.js';
import { unpermittedAction } from './unpermitted-action.js';
import { unreachablePermission } from './unreachable-permission.js';
import { unreadContext } from './unread-context.js';
import { untestedPermit } from './untested-permit.js';
import { unusedPermission } from './unused-permission.js';
import { wideningPermit } from './widening-permit.js';

export const LINTS: readonly Lint[] = [
  neverApplies,
  idleCondition,
  shadowedForbid,
  wideningPermit,
  relaxedForbid,
  namedApprover,
  unliftableForbid,
  untestedPermit,
  missingDelegator,
  unpermittedAction,
  unreachablePermission,
  unusedPermission,
  unmaskedClass,
  unreadContext,
];

export function runLints(input: LintInput): Finding[] {
  return LINTS.flatMap(({ rule, run }) => run(input).map((finding) => warningAt(rule, finding.location, finding)));
}
