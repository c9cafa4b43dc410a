/**
 * Findings: what is wrong with what the operator wrote, each at its place. Everything that reads the operator's files
 * collects them, so that an author sees all at once; a service that is to run by those files refuses the first error.
 */
import { ConfigError } from '../model/faults.js';
import type { ErrorRule } from './error-rules.js';

export type Severity = 'error' | 'warning';

export interface SourceLocation {
  /** Relative to the working directory, as messages name it. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column: number;
}

/** A misfit whose place isn't known yet. */
export interface Problem {
  readonly message: string;
  /** The cure, where it can be guessed: `did you mean "view"?`. */
  readonly suggestion?: string | undefined;
}

export interface Finding extends SourceLocation {
  /** The stable name of the rule that found it. */
  readonly rule: string;
  readonly severity: Severity;
  readonly message: string;
  /** The cure of the {@link Problem}, where it can be guessed. */
  readonly suggestion?: string;
}

/** The finding of an error: a service that is to run by the file refuses it. */
export function errorAt(rule: ErrorRule, location: SourceLocation, problem: Problem): Finding {
  return findingAt(rule, 'error', location, problem);
}

/** The finding of a warning: valid, but hardly what its author meant. */
export function warningAt(rule: string, location: SourceLocation, problem: Problem): Finding {
  return findingAt(rule, 'warning', location, problem);
}

function findingAt(
  rule: string,
  severity: Severity,
  { file, line, column }: SourceLocation,
  { message, suggestion }: Problem,
): Finding {
  return { rule, severity, file, line, column, message, ...(suggestion === undefined ? {} : { suggestion }) };
}

/** Collects the errors of one reading. */
export class FindingCollector {
  private readonly findings: Finding[] = [];

  get all(): readonly Finding[] {
    return this.findings;
  }

  /** Adds an error, once: two actions that share a declaration share what is wrong with it. */
  error(rule: ErrorRule, location: SourceLocation, message: string, suggestion?: string): void {
    const finding = errorAt(rule, location, { message, suggestion });
    const isSame = ({ rule: name, file, line, column, message: text }: Finding): boolean =>
      name === rule && file === finding.file && line === finding.line && column === finding.column && text === message;
    if (!this.findings.some(isSame)) this.findings.push(finding);
  }
}

/** Files that can't be used, with everything that is wrong with them. */
export class FindingsError extends Error {
  override readonly name = 'FindingsError';

  constructor(readonly findings: readonly Finding[]) {
    super(findings.map(formatFinding).join('\n'));
  }
}

export function isError({ severity }: Finding): boolean {
  return severity === 'error';
}

/** @throws ConfigError of {@link summarizeErrors}, where there is an error */
export function assertNoErrors(findings: readonly Finding[]): void {
  const error = summarizeErrors(findings);
  if (error !== undefined) throw error;
}

/** The first error and how many more there are, for a line of the log; undefined where there is none. */
export function summarizeErrors(findings: readonly Finding[]): ConfigError | undefined {
  const [first, ...others] = findings.filter(isError);
  if (first === undefined) return undefined;
  return new ConfigError(`${formatProblem(first)}${countOthers(others)}`, {
    file: first.file,
    line: first.line,
  });
}

/** The end of a message that names the first problem of several; empty where it is the only one. */
export function countOthers(others: readonly unknown[]): string {
  return others.length === 0 ? '' : ` [and ${others.length} more: remit check]`;
}

/** `policies/hr.cedar:31:5: …`, with the suggestion. */
export function formatFinding(finding: Finding): string {
  return `${finding.file}:${finding.line}:${finding.column}: ${formatProblem(finding)}`;
}

/** The message and its suggestion in a line. */
export function formatProblem({ message, suggestion }: Problem): string {
  return suggestion === undefined ? message : `${message} (${suggestion})`;
}
