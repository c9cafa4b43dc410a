/** Prints a test report for people, and as JSON. */
import { isDeepStrictEqual } from 'node:util';
import { formatProblem, type Finding } from '../../diagnostics/diagnostics.js';
import type { OutcomeDifference } from './compare.js';
import { isCovered, type TestCoverage, type PolicyCoverage } from './coverage.js';
import type { TestResult } from './result.js';
import type { TestReport } from './session.js';

/** The most policies that are all listed. With more, only those that aren't covered are. */
const MAX_POLICIES_LISTED = 50;

export interface TestSummary {
  readonly cases: number;
  readonly passed: number;
  readonly failed: number;
  /** Cases that couldn't be asked or decided. */
  readonly errors: number;
}

export function summarizeResults(results: readonly TestResult[]): TestSummary {
  const count = (outcome: TestResult['outcome']): number => results.filter((r) => r.outcome === outcome).length;
  return { cases: results.length, passed: count('passed'), failed: count('failed'), errors: count('error') };
}

export function allResults({ files }: TestReport): readonly TestResult[] {
  return files.flatMap(({ results }) => results);
}

/** @param safe escapes what a terminal would act on */
export function testReportText(report: TestReport, safe: (text: string) => string): string {
  const lines: string[] = [];
  for (const { results } of report.files)
    for (const result of results) if (result.outcome !== 'passed') lines.push(...failureText(result), '');
  for (const { file, results } of report.files) lines.push(`${file}: ${testSummaryText(summarizeResults(results))}`);
  if (report.warnings.length > 0) lines.push('', ...report.warnings.map(warningText));
  if (report.coverage !== undefined) lines.push('', ...coverageText(report.coverage));
  const summary = summarizeResults(allResults(report));
  lines.push('', `${testSummaryText(summary)} in ${(report.milliseconds / 1000).toFixed(2)} s`);
  return `${lines.map(safe).join('\n')}\n`;
}

function warningText(warning: Finding): string {
  const { file, line, column, rule } = warning;
  return `${file}:${line}:${column}: warning [${rule}] ${formatProblem(warning)}`;
}

/** The lines about a case that didn't pass: its place and name, each difference, and the explanation. */
export function failureText({ place, test, name, outcome, differences, because }: TestResult): string[] {
  return [
    `${place.file}:${place.line}:${place.column}: ${outcome}: ${test} › ${name}`,
    ...differences.map((difference) => `  ${differenceText(difference)}`),
    ...because.map((line) => `  ${line}`),
  ];
}

export function differenceText({ what: aspect, expected, actual }: OutcomeDifference): string {
  return `${aspect}: expected ${differenceValueText(expected)}, got ${differenceValueText(actual)}`;
}

function differenceValueText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((v) => typeof v === 'string'))
    return value.length === 0 ? 'none' : value.join(', ');
  return isDeepStrictEqual(value, {}) ? 'none' : JSON.stringify(value);
}

function testSummaryText({ passed, failed, errors }: TestSummary): string {
  return [
    `${passed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(errors > 0 ? [`${errors} with errors`] : []),
  ].join(', ');
}

function coverageText({ percent, points, policies }: TestCoverage): string[] {
  const listed = policies.length > MAX_POLICIES_LISTED ? policies.filter((p) => !isCovered(p)) : policies;
  const width = Math.max(0, ...listed.map((p) => p.id.length));
  return [
    `coverage ${percent} % (${points.reached} of ${points.all})`,
    ...listed.map((p) => `  ${p.id.padEnd(width)}  ${p.effect.padEnd(6)}  ${countsText(p)}`),
  ];
}

function countsText(policy: PolicyCoverage): string {
  const { decided, notApplied, conditional, source } = policy;
  const counts = conditional ? `decided ${decided}, not applied ${notApplied}` : `decided ${decided}`;
  return isCovered(policy) ? counts : `${counts}  <- ${source}`;
}

/** The object that `--json` prints. */
export function testReportJson(report: TestReport): object {
  return {
    summary: { ...summarizeResults(allResults(report)), milliseconds: Math.round(report.milliseconds) },
    files: report.files.map(({ file, results }) => ({
      file,
      results: results.map(({ place: { line, column }, ...result }) => ({ line, column, ...result })),
    })),
    coverage: report.coverage,
    warnings: report.warnings.map((warning) => {
      const { file, line, column, rule } = warning;
      return { file, line, column, rule, message: formatProblem(warning) };
    }),
  };
}
