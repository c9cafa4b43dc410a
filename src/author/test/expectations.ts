/** Reads the expectations of a test, and which of its combinations each is about. */
import type { Policy } from '../../policy/policies.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import type { ExpectedOutcome, Requester } from './case.js';
import type { OutcomeSpec, TestSpec } from './format.js';
import type { TestAction, TestResource } from './names.js';
import type { Path, SuiteFindings } from './suite-findings.js';

/** The requesters, actions and resources that a test combines. */
export interface TestMatrix {
  readonly requesters: readonly Requester[];
  readonly actions: readonly TestAction[];
  readonly resources: readonly TestResource[];
}

/** Looks up what is expected of a combination. */
export type ExpectationLookup = (requester: Requester, action: TestAction, resource: TestResource) => ExpectedOutcome;

export function resolveExpectations(
  { expect }: TestSpec,
  at: Path,
  matrix: TestMatrix,
  policies: ReadonlyMap<string, Policy>,
  findings: SuiteFindings,
): ExpectationLookup {
  const expectedByKey = new Map<string, ExpectedOutcome>();
  const listed = Array.isArray(expect);
  const outcomes: readonly OutcomeSpec[] = typeof expect === 'string' ? [{ decision: expect }] : [expect].flat();
  for (const [i, outcome] of outcomes.entries()) {
    const path = [...at, 'expect', ...(listed ? [i] : [])];
    const expected = parseExpectation(outcome, path, policies, findings);
    const requesters = selectByLabel(outcome.who, matrix.requesters, [...path, 'who'], findings);
    const actions = selectByLabel(outcome.actions, matrix.actions, [...path, 'actions'], findings);
    const resources = selectByLabel(outcome.resources, matrix.resources, [...path, 'resources'], findings);
    let duplicate: string | undefined;
    for (const requester of requesters)
      for (const action of actions)
        for (const resource of resources) {
          const key = combinationKey(requester, action, resource);
          if (expectedByKey.has(key)) duplicate ??= `${requester.label} ${action.label} ${resource.label}`;
          expectedByKey.set(key, expected);
        }
    if (duplicate !== undefined) findings.report(path, `this is the second expectation of "${duplicate}"`);
  }
  const fallback: ExpectedOutcome = { place: findings.locate(at), decision: 'deny' };
  return (...combination) => expectedByKey.get(combinationKey(...combination)) ?? fallback;
}

/** Resolves each name once, and reports one that is there twice. */
export function resolveNames<T>(
  names: string | readonly string[],
  at: Path,
  resolve: (text: string, path: Path) => T | undefined,
  findings: SuiteFindings,
): T[] {
  const seenNames = new Set<string>();
  return [names].flat().flatMap((text, i) => {
    const path = typeof names === 'string' ? at : [...at, i];
    if (seenNames.has(text)) findings.report(path, `"${text}" is there twice`);
    seenNames.add(text);
    return resolve(text, path) ?? [];
  });
}

/** Selects the named items of the test; all where no names are given. */
function selectByLabel<T extends { readonly label: string }>(
  names: string | readonly string[] | undefined,
  items: readonly T[],
  at: Path,
  findings: SuiteFindings,
): readonly T[] {
  if (names === undefined) return items;
  const labels = items.map(({ label }) => label);
  const findItem = (text: string, path: Path): T | undefined => {
    const item = items.find(({ label }) => label === text);
    if (item === undefined) findings.report(path, `"${text}" is not in this test`, suggestNearest(text, labels));
    return item;
  };
  return resolveNames(names, at, findItem, findings);
}

const REQUIRED_DECISION = { reasons: 'deny', remedies: 'deny', obligations: 'allow' } as const;

function parseExpectation(
  outcome: OutcomeSpec,
  path: Path,
  policies: ReadonlyMap<string, Policy>,
  findings: SuiteFindings,
): ExpectedOutcome {
  const { who: _w, actions: _a, resources: _r, ...expectation } = outcome;
  for (const key of ['reasons', 'remedies', 'obligations'] as const)
    if (expectation[key] !== undefined && expectation.decision !== REQUIRED_DECISION[key])
      findings.report([...path, key], `"${key}" belongs to "decision: ${REQUIRED_DECISION[key]}"`);
  for (const key of ['policies', 'duties'] as const)
    for (const [i, id] of (expectation[key] ?? []).entries()) {
      const policy = policies.get(id);
      const isDuty = policy?.duties !== undefined;
      if (policy === undefined)
        findings.report([...path, key, i], `there is no policy "${id}"`, suggestNearest(id, policies.keys()));
      else if (isDuty !== (key === 'duties'))
        findings.report(
          [...path, key, i],
          isDuty ? `"${id}" is a duty: it stands under "duties"` : `"${id}" is no duty: it stands under "policies"`,
        );
    }
  return { ...expectation, place: findings.locate(path) };
}

function combinationKey(requester: Requester, action: TestAction, resource: TestResource): string {
  return JSON.stringify([requester.label, action.label, resource.label]);
}
