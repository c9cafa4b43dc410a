/** The result of a case as it is reported, for test files and SpiceDB validation files alike. */
import type { Rules } from '../../policy/load.js';
import { combinationText } from './case.js';
import { explainDecision, type OutcomeDifference } from './compare.js';
import type { SourceLocation } from '../../diagnostics/diagnostics.js';
import { hasPassed, type CaseResult } from './run.js';

export interface TestResult {
  readonly place: SourceLocation;
  readonly test: string;
  /** The combination, such as `assistant delete employee:erin`. */
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'error';
  readonly differences: readonly OutcomeDifference[];
  /** Lines that explain the decision, or the error. */
  readonly because: readonly string[];
}

export function toTestResult(caseResult: CaseResult, rules: Rules): TestResult {
  const { case: testCase, decision, error, differences, refusedAnswers = [] } = caseResult;
  const outcome = hasPassed(caseResult) ? 'passed' : error === undefined ? 'failed' : 'error';
  const explanation = outcome === 'failed' && decision !== undefined ? [...explainDecision(decision, rules), ...refusedAnswers.map((text) => `approvals: ${text}`)] : []; // prettier-ignore
  return {
    place: testCase.expected.place,
    test: testCase.test,
    name: combinationText(testCase),
    outcome,
    differences,
    because: error === undefined ? explanation : [error],
  };
}
