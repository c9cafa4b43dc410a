/** The catalogue of every rule of `remit check`: errors, lints, and warnings of the check itself. */
import { ERROR_RULES, type RuleDescription } from '../../diagnostics/error-rules.js';
import type { Severity } from '../../diagnostics/diagnostics.js';
import { LINTS } from '../../policy/lint/lints.js';
import { WORLD_LINTS } from './world-lints.js';

/** Warnings that come from the check itself and not from a lint. */
const WARNINGS = {
  'config-surroundings': {
    title: 'A file or variable that the configuration needs and that is not here',
    why: 'The service will not start where that is so; a machine that only checks need not have its secrets.',
    cure: 'Nothing, where the service has it.',
  },
  'ignore-unused': {
    title: 'A `remit-ignore` that ignores nothing',
    why: 'The next finding of its rule there would go unseen, for a reason that no longer holds.',
    cure: 'Remove it.',
  },
} as const satisfies Record<string, RuleDescription>;

export type CheckWarning = keyof typeof WARNINGS;

export interface CheckRule extends RuleDescription {
  readonly severity: Severity;
}

export const CHECK_RULES: ReadonlyMap<string, CheckRule> = new Map<string, CheckRule>([
  ...Object.entries(ERROR_RULES).map(([rule, text]) => [rule, { severity: 'error', ...text }] as const),
  ...Object.entries(WARNINGS).map(([rule, text]) => [rule, { severity: 'warning', ...text }] as const),
  ...Object.entries(WORLD_LINTS).map(([rule, text]) => [rule, { severity: 'warning', ...text }] as const),
  ...LINTS.map(({ rule, title, why, cure }) => [rule, { severity: 'warning', title, why, cure }] as const),
]);
