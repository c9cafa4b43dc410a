/**
 * Findings: what is wrong with what the operator wrote. Reading collects all of them, so that an author sees them at
 * once; a service that is to run by what was read refuses it where one of them is an error.
 */
import { ConfigError } from '../model/faults.js';
import type { ErrorRule } from './error-rules.js';
import { findNearestWord } from './suggest.js';

export type Severity = 'error' | 'warning';

export interface SourceLocation {
  /** As messages name it: relative to where the operator stands. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column: number;
}

export interface Finding extends SourceLocation {
  /** The stable name of the rule that found it. */
  readonly rule: string;
  readonly severity: Severity;
  readonly message: string;
  /** What would mend it, where that can be guessed: `did you mean "view"?`. */
  readonly suggestion?: string;
}

/** What doesn't fit, before its place is known. */
export interface Problem {
  readonly message: string;
  readonly suggestion?: string | undefined;
}

/** Where errors are put down while something is read. */
export class FindingCollector {
  private readonly findings: Finding[] = [];

  get all(): readonly Finding[] {
    return this.findings;
  }

  error(rule: ErrorRule, { file, line, column }: SourceLocation, message: string, suggestion?: string): void {
    // Two actions that share a declaration share what is wrong with it.
    const isSame = (f: Finding): boolean =>
      f.rule === rule && f.file === file && f.line === line && f.column === column && f.message === message;
    if (this.findings.some(isSame)) return;
    this.findings.push({ rule, severity: 'error', file, line, column, message, ...(suggestion && { suggestion }) });
  }
}

export function isError({ severity }: Finding): boolean {
  return severity === 'error';
}

/** @throws ConfigError naming the first error and how many more there are, if there is one */
export function assertNoErrors(findings: readonly Finding[]): void {
  const [first, ...others] = findings.filter(isError);
  if (first === undefined) return;
  const { file, line } = first;
  const suffix = others.length === 0 ? '' : ` [and ${others.length} more: remit check]`;
  throw new ConfigError(`${formatProblem(first)}${suffix}`, `${file}:${line}`);
}

/** What is wrong, and what would mend it, in a line. */
export function formatProblem({ message, suggestion }: Problem): string {
  return suggestion === undefined ? message : `${message} (${suggestion})`;
}

/** The suggestion for a word that is near one of the known. */
export function suggestNearest(word: string, candidates: Iterable<string>, prefix = ''): string | undefined {
  const nearestWord = findNearestWord(word, candidates);
  return nearestWord === undefined ? undefined : `did you mean "${prefix}${nearestWord}"?`;
}
