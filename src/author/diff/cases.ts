/** Runs test cases by both sets of rules and compares the answers. What a test expects doesn't matter here. */
import type { Rules } from '../../policy/load.js';
import { combinationText, type TestCase } from '../test/case.js';
import { TestEnvironment } from '../test/environment.js';
import { runCases, type CaseResult } from '../test/run.js';
import type { DecisionRecord } from '../../model/decision.js';
import { answerRecord, type RecordAnswer } from '../../records/redecide.js';
import { readAnswerValues, type RequestAnswer } from './answer.js';
import type { ComparisonCounts, ComparedQuestion, Differences, ReadValues } from './differences.js';

/** Cases whose answers are kept in memory at one time. */
const CASES_AT_ONCE = 2000;

/** @throws Fault where SpiceDB doesn't start */
export async function compareCases(
  cases: readonly TestCase[],
  before: Rules,
  after: Rules,
  differences: Differences,
): Promise<ComparisonCounts> {
  const counts = { asked: 0, differing: 0, inconclusive: 0 };
  if (cases.length === 0) return counts;
  const environments: TestEnvironment[] = [];
  try {
    const start = async ({ graph }: Rules): Promise<TestEnvironment> => {
      const environment = await TestEnvironment.start(graph);
      environments.push(environment);
      return environment;
    };
    const [beforeEnvironment, afterEnvironment] = [await start(before), await start(after)];
    for (let from = 0; from < cases.length; from += CASES_AT_ONCE) {
      const batch = cases.slice(from, from + CASES_AT_ONCE);
      const [was, is] = [
        await runCases(batch, before, beforeEnvironment),
        await runCases(batch, after, afterEnvironment),
      ];
      for (const [i, testCase] of batch.entries()) {
        const [a, b] = [answerFromResult(was[i]), answerFromResult(is[i])];
        counts.asked += 1;
        if (a.kind === 'inconclusive' || b.kind === 'inconclusive') counts.inconclusive += 1;
        const allowsAlone = (): Promise<boolean> => allowsUserAlone(testCase, after, afterEnvironment);
        const readValues = async (policyIds: ReadonlySet<string>): Promise<ReadValues> =>
          readAnswerValues(
            [
              ...(await decideOnRecord(testCase, before, beforeEnvironment)),
              ...(await decideOnRecord(testCase, after, afterEnvironment)),
            ],
            policyIds,
            after,
          );
        const question = { ...describeCase(testCase), readValues };
        if (await differences.add(question, a, b, actsForUser(testCase) ? allowsAlone : undefined))
          counts.differing += 1;
      }
    }
    return counts;
  } finally {
    await Promise.all(environments.map((environment) => environment.close()));
  }
}

function answerFromResult(result: CaseResult | undefined): RequestAnswer {
  if (result?.decision !== undefined && result.error === undefined)
    return { kind: 'decided', decision: result.decision };
  return { kind: 'inconclusive' };
}

function describeCase(testCase: TestCase): Omit<ComparedQuestion, 'readValues'> {
  const { file, line, column } = testCase.expected.place;
  return {
    origin: 'case',
    text: combinationText(testCase),
    action: testCase.action.name,
    resource: testCase.resource.type,
    where: [`${file}:${line}:${column}: ${testCase.test}`],
  };
}

/** The decision of the case with what it rests on; none where it couldn't be asked. */
async function decideOnRecord(testCase: TestCase, rules: Rules, environment: TestEnvironment): Promise<RecordAnswer[]> {
  const records: DecisionRecord[] = [];
  await runCases([testCase], rules, environment, (record) => records.push(record));
  return records.flatMap((record) =>
    record.facts === undefined ? [] : [answerRecord({ ...record, facts: record.facts }, rules)],
  );
}

/** Whether an agent asks for a user. */
function actsForUser({ requester: { agent, token } }: TestCase): boolean {
  return agent !== undefined || token?.user !== undefined;
}

async function allowsUserAlone(testCase: TestCase, rules: Rules, environment: TestEnvironment): Promise<boolean> {
  const { subject, label } = testCase.requester;
  const [result] = await runCases(
    [{ ...testCase, requester: { label, subject, asserts: testCase.requester.asserts } }],
    rules,
    environment,
  );
  return result?.decision === undefined || result.decision.decision;
}
