/** All lints: what is valid, and still hardly what its author meant. Each can be ignored where it stands. */
import type { Finding } from '../rules/findings.js';
import type { Lint, Subject } from './lints/lint.js';
import { neverApplies } from './lints/never-applies.js';
import { relaxedForbid } from './lints/relaxed-forbid.js';
import { shadowedForbid } from './lints/shadowed-forbid.js';
import { unmaskedClass } from './lints/unmasked-class.js';
import { unpermittedAction } from './lints/unpermitted-action.js';
import { unreachablePermission } from './lints/unreachable-permission.js';
import { unreadContext } from './lints/unread-context.js';
import { untestedPermit } from './lints/untested-permit.js';
import { unusedPermission } from './lints/unused-permission.js';
import { wideningPermit } from './lints/widening-permit.js';

export const LINTS: readonly Lint[] = [
  neverApplies,
  shadowedForbid,
  wideningPermit,
  relaxedForbid,
  untestedPermit,
  unpermittedAction,
  unreachablePermission,
  unusedPermission,
  unmaskedClass,
  unreadContext,
];

export function lint(subject: Subject): Finding[] {
  return LINTS.flatMap(({ rule, run }) =>
    run(subject).map(({ at: { file, line, column }, message, suggestion }): Finding => ({
      rule,
      severity: 'warning',
      file,
      line,
      column,
      message,
      ...(suggestion === undefined ? {} : { suggestion }),
    })),
  );
}
