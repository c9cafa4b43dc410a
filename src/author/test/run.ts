/** Runs test cases by the steps of a decision, those of one scene together. */
import { OBLIGATION_TYPES } from '../../model/obligations.js';
import { decide, type DecisionDeps } from '../../decide/decide.js';
import type { Decision, DecisionRecord } from '../../model/decision.js';
import type { TokenReading } from '../../model/credential.js';
import { BadRequest, Fault } from '../../model/faults.js';
import {
  getSupportedObligations,
  NO_ACCOUNT,
  omitNulls,
  type Caller,
  type Client,
  type ClientPermission,
  type Question,
} from '../../model/question.js';
import type { Rules } from '../../policy/load.js';
import type { LoadedWorld } from '../../config/world.js';
import type { TestCase, Scene } from './case.js';
import { compareOutcome, type OutcomeDifference } from './compare.js';
import type { TestEnvironment } from './environment.js';

export interface CaseResult {
  readonly case: TestCase;
  /** Missing where the case couldn't be asked. */
  readonly decision?: Decision;
  /** The reason why the case couldn't be asked or decided. */
  readonly error?: string;
  /** The answers of people that a service would have refused, each with why. */
  readonly refusedAnswers?: readonly string[];
  readonly differences: readonly OutcomeDifference[];
}

export function hasPassed({ error, differences }: CaseResult): boolean {
  return error === undefined && differences.length === 0;
}

/** Cases that are decided at one time: enough for two bulk checks. */
const DECISIONS_AT_ONCE = 250;

/**
 * @param keepRecord is given each decision as a service would record it
 * @returns one result for each case, in order
 */
export async function runCases(
  cases: readonly TestCase[],
  rules: Rules,
  environment: TestEnvironment,
  keepRecord?: (record: DecisionRecord) => void,
): Promise<readonly CaseResult[]> {
  const results = new Map<TestCase, CaseResult>();
  const deps = environment.decisionDeps(rules, keepRecord);
  for (const group of groupByScene(cases)) {
    const worldProblem = await environment.applyScene(group.scene).catch(problemMessage);
    for (let from = 0; from < group.cases.length; from += DECISIONS_AT_ONCE) {
      const batch = group.cases.slice(from, from + DECISIONS_AT_ONCE);
      const answers =
        worldProblem === undefined
          ? await Promise.all(batch.map((testCase) => runCase(testCase, deps, environment, rules)))
          : batch.map((testCase) => undecidedCase(testCase, `the world: ${worldProblem}`));
      for (const answer of answers) results.set(answer.case, answer);
    }
  }
  return cases.flatMap((testCase) => results.get(testCase) ?? []);
}

/** Groups cases by their scene, so that each scene is put in place once. */
function groupByScene(cases: readonly TestCase[]): { readonly scene: Scene; readonly cases: readonly TestCase[] }[] {
  const worlds = new Map<LoadedWorld, Map<string, { scene: Scene; cases: TestCase[] }>>();
  for (const testCase of cases) {
    const { scene } = testCase;
    const sceneGroups = worlds.get(scene.world) ?? new Map<string, { scene: Scene; cases: TestCase[] }>();
    worlds.set(scene.world, sceneGroups);
    const key = JSON.stringify([scene.changes, scene.now]);
    const group = sceneGroups.get(key) ?? { scene, cases: [] };
    sceneGroups.set(key, group);
    group.cases.push(testCase);
  }
  return [...worlds.values()].flatMap((sceneGroups) => [...sceneGroups.values()]);
}

async function runCase(
  testCase: TestCase,
  deps: DecisionDeps,
  environment: TestEnvironment,
  rules: Rules,
): Promise<CaseResult> {
  try {
    const token =
      testCase.requester.token === undefined ? undefined : await environment.requestToken(testCase.requester.token);
    const question = caseQuestion(testCase, token);
    const asked = await decide(question, deps);
    const isAnswered = testCase.approvals.length > 0 && !asked.decision && asked.fault === undefined;
    const { approval, refused } = isAnswered
      ? await environment.approve(asked, testCase.approvals, rules)
      : { approval: undefined, refused: [] };
    const decision = approval === undefined ? asked : await decide({ ...question, approval }, deps);
    const differences = compareOutcome(testCase.expected, decision);
    return {
      ...{ case: testCase, decision, differences, refusedAnswers: refused },
      ...(decision.fault === undefined ? {} : { error: decision.reason_admin }),
    };
  } catch (error) {
    return undecidedCase(testCase, problemMessage(error));
  }
}

function undecidedCase(testCase: TestCase, error: string): CaseResult {
  return { case: testCase, error, differences: [] };
}

/** The message of an invalid question or a failed engine. Any other error is a bug, and is thrown again. */
function problemMessage(error: unknown): string {
  if (error instanceof BadRequest) return error.at === '' ? error.message : `${error.at}: ${error.message}`;
  if (error instanceof Fault) return `${error.message} ${error.detail ?? ''}`.trim();
  throw error;
}

function caseQuestion(
  { requester, action, resource, context, supportedObligations, expected }: TestCase,
  token: TokenReading | undefined,
): Question {
  const { subject } = requester;
  const caller: Caller = { kind: 'client', client: requester.asserts ? ASSERTING_CLIENT : VOUCHING_CLIENT };
  return {
    caller,
    account: NO_ACCOUNT,
    subject: { ...subject, properties: omitNulls(subject.properties) },
    action: { name: action.name, properties: omitNulls(action.properties) },
    resource: { type: resource.type, id: resource.id, properties: omitNulls(resource.properties) },
    context: omitNulls(context),
    token,
    proof: {},
    usedProofs: new Map(),
    statedAgent: undefined,
    statedMode: token === undefined && requester.agent === undefined ? 'human' : undefined,
    assertedAgent: requester.agent,
    supportedObligations: supportedObligations ?? getSupportedObligations(caller),
    consistency: 'full',
    dryRun: false,
    explain: expected.path !== undefined,
    requestId: undefined,
    idempotencyKey: undefined,
    tokenRequired: false,
  };
}

/** The client that vouches for people, and the one that may assert their attributes as well. */
const VOUCHING_CLIENT = testClient('evaluate', 'asserts_subject', 'asserts_confirmation');
const ASSERTING_CLIENT = testClient('evaluate', 'asserts_subject', 'asserts_confirmation', 'asserts_attributes');

function testClient(...may: readonly ClientPermission[]): Client {
  return {
    id: 'remit-test',
    may: new Set(may),
    audience: undefined,
    resources: undefined,
    defaultMode: undefined,
    answers: 'full',
    supportedObligations: OBLIGATION_TYPES,
    rate: Infinity,
  };
}
