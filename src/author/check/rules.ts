/** Every rule that `remit check` knows: the errors, the lints, and what checking itself has to say. */
import { ERRORS, type RuleText } from '../../diagnostics/errors.js';
import type { Severity } from '../../diagnostics/diagnostics.js';
import { LINTS } from '../../policy/lint/lints.js';

/** Warnings that no lint makes. */
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
} as const satisfies Record<string, RuleText>;

export type Warning = keyof typeof WARNINGS;

export interface Rule extends RuleText {
  readonly severity: Severity;
}

export const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...Object.entries(ERRORS).map(([rule, text]) => [rule, { severity: 'error', ...text }] as const),
  ...Object.entries(WARNINGS).map(([rule, text]) => [rule, { severity: 'warning', ...text }] as const),
  ...LINTS.map(({ rule, title, why, cure }) => [rule, { severity: 'warning', title, why, cure }] as const),
]);
