/** Findings for people: each with its line, a caret below it, and what would mend it. */
import type { Finding } from '../../../diagnostics/diagnostics.js';
import type { SourceFile } from '../../../diagnostics/source.js';

/** Longer lines are cut around what the finding is about. */
const MAX_WIDTH = 160;

/** @param printable makes a text harmless to a terminal */
export function reportText(
  findings: readonly Finding[],
  files: readonly SourceFile[],
  printable: (text: string) => string,
): string {
  return findings.map((finding) => `${textOf(finding, files, printable)}\n`).join('');
}

function textOf(finding: Finding, files: readonly SourceFile[], printable: (text: string) => string): string {
  const { file, line, column, severity, rule, message, suggestion } = finding;
  const lines = [`${file}:${line}:${column}: ${severity} [${rule}] ${printable(message)}`];
  const source = files.find(({ name }) => name === file);
  const margin = ' '.repeat(String(line).length);
  if (source !== undefined && isShown(source)) {
    const text = source.text.split('\n')[line - 1] ?? '';
    const from = Math.max(0, column - 1 - MAX_WIDTH / 2);
    const before = printable(text.slice(from, column - 1).replaceAll('\t', ' '));
    const after = printable(text.slice(column - 1, from + MAX_WIDTH).replaceAll('\t', ' '));
    lines.push(`  ${line} | ${before}${after}`.trimEnd(), `  ${margin} | ${' '.repeat(before.length)}^`);
  }
  if (suggestion !== undefined) lines.push(`  ${margin} = ${printable(suggestion)}`);
  return lines.join('\n');
}

/** A configuration may hold secrets, and a world what is told of people: neither belongs into a log. */
function isShown({ name }: SourceFile): boolean {
  return !/\.ya?ml$/.test(name);
}

/** `15 policies checked: 1 error, 2 warnings.` */
export function summaryText({ policies, errors, warnings }: Summary): string {
  const count = (n: number, one: string, many = `${one}s`): string => `${n === 0 ? 'no' : n} ${n === 1 ? one : many}`;
  return `${count(policies, 'policy', 'policies')} checked: ${count(errors, 'error')}, ${count(warnings, 'warning')}.`;
}

export interface Summary {
  readonly policies: number;
  readonly errors: number;
  readonly warnings: number;
}

export function summaryOf(findings: readonly Finding[], policies: number): Summary {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  return { policies, errors, warnings: findings.length - errors };
}
