/** Prints findings for people: each with its line of source, a caret below it, and a suggestion. */
import type { Finding } from '../../../diagnostics/diagnostics.js';
import type { SourceFile } from '../../../diagnostics/source.js';

/** Longer lines are cut around the finding's column. */
const MAX_WIDTH = 160;

/** @param printable escapes what a terminal would act on */
export function findingsText(
  findings: readonly Finding[],
  files: readonly SourceFile[],
  printable: (text: string) => string,
): string {
  return findings.map((finding) => `${findingText(finding, files, printable)}\n`).join('');
}

function findingText(finding: Finding, files: readonly SourceFile[], printable: (text: string) => string): string {
  const { file, line, column, severity, rule, message, suggestion } = finding;
  const lines = [`${file}:${line}:${column}: ${severity} [${rule}] ${printable(message)}`];
  const source = files.find(({ name }) => name === file);
  const margin = ' '.repeat(String(line).length);
  if (source !== undefined && isSourcePrintable(source)) {
    const text = source.text.split('\n')[line - 1] ?? '';
    const from = Math.max(0, column - 1 - MAX_WIDTH / 2);
    const before = printable(text.slice(from, column - 1).replaceAll('\t', ' '));
    const after = printable(text.slice(column - 1, from + MAX_WIDTH).replaceAll('\t', ' '));
    lines.push(`  ${line} | ${before}${after}`.trimEnd(), `  ${margin} | ${' '.repeat(before.length)}^`);
  }
  if (suggestion !== undefined) lines.push(`  ${margin} = ${printable(suggestion)}`);
  return lines.join('\n');
}

/**
 * Whether lines of the file may get into a build log: only rules, by the ends of their names. A configuration may hold
 * secrets and a world personal data, and either may have any name.
 */
function isSourcePrintable({ name }: SourceFile): boolean {
  return /\.(cedar|cedarschema|zed)$/.test(name);
}

/** @returns a line such as `15 policies checked: 1 error, 2 warnings.` */
export function checkSummaryText({ policies, errors, warnings }: CheckSummary): string {
  const count = (n: number, singular: string, plural = `${singular}s`): string =>
    `${n === 0 ? 'no' : n} ${n === 1 ? singular : plural}`;
  return `${count(policies, 'policy', 'policies')} checked: ${count(errors, 'error')}, ${count(warnings, 'warning')}.`;
}

export interface CheckSummary {
  readonly policies: number;
  readonly errors: number;
  readonly warnings: number;
}

export function summarizeFindings(findings: readonly Finding[], policies: number): CheckSummary {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  return { policies, errors, warnings: findings.length - errors };
}
