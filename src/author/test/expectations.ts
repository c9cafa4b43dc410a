/** What a test expects, of which of its combinations. */
import type { Policy } from '../../policy/policies.js';
import { didYouMean } from '../../diagnostics/suggest.js';
import type { Expected, Who } from './case.js';
import type { Outcome, Test } from './format.js';
import type { Action, Resource } from './names.js';
import type { Path, Problems } from './problems.js';

/** What a test asks about. */
export interface Matrix {
  readonly who: readonly Who[];
  readonly actions: readonly Action[];
  readonly resources: readonly Resource[];
}

/** Says what is expected of a combination. */
export type Expectations = (who: Who, action: Action, resource: Resource) => Expected;

export function expectationsOf(
  { expect }: Test,
  at: Path,
  all: Matrix,
  policies: ReadonlyMap<string, Policy>,
  problems: Problems,
): Expectations {
  const said = new Map<string, Expected>();
  const listed = Array.isArray(expect);
  const outcomes: readonly Outcome[] = typeof expect === 'string' ? [{ decision: expect }] : [expect].flat();
  for (const [i, outcome] of outcomes.entries()) {
    const path = [...at, 'expect', ...(listed ? [i] : [])];
    const expected = expectedOf(outcome, path, policies, problems);
    const who = selected(outcome.who, all.who, [...path, 'who'], problems);
    const actions = selected(outcome.actions, all.actions, [...path, 'actions'], problems);
    const resources = selected(outcome.resources, all.resources, [...path, 'resources'], problems);
    let twice: string | undefined;
    for (const one of who)
      for (const action of actions)
        for (const resource of resources) {
          const key = keyOf(one, action, resource);
          if (said.has(key)) twice ??= `${one.label} ${action.label} ${resource.label}`;
          said.set(key, expected);
        }
    if (twice !== undefined) problems.say(path, `says once more what is expected of "${twice}"`);
  }
  const otherwise: Expected = { place: problems.placeOf(at), decision: 'deny' };
  return (...of) => said.get(keyOf(...of)) ?? otherwise;
}

/** Each that is named once, as `find` finds it. */
export function named<T>(
  given: string | readonly string[],
  at: Path,
  find: (text: string, path: Path) => T | undefined,
  problems: Problems,
): T[] {
  const seen = new Set<string>();
  return [given].flat().flatMap((text, i) => {
    const path = typeof given === 'string' ? at : [...at, i];
    if (seen.has(text)) problems.say(path, `"${text}" is there twice`);
    seen.add(text);
    return find(text, path) ?? [];
  });
}

/** Which of the test's are meant; all where nothing is said. */
function selected<T extends { readonly label: string }>(
  given: string | readonly string[] | undefined,
  among: readonly T[],
  at: Path,
  problems: Problems,
): readonly T[] {
  if (given === undefined) return among;
  const labels = among.map(({ label }) => label);
  const find = (text: string, path: Path): T | undefined => {
    const found = among.find(({ label }) => label === text);
    if (found === undefined) problems.say(path, `"${text}" is not in this test${didYouMean(text, labels)}`);
    return found;
  };
  return named(given, at, find, problems);
}

const BELONGS = { reasons: 'deny', remedies: 'deny', obligations: 'allow' } as const;

function expectedOf(outcome: Outcome, path: Path, policies: ReadonlyMap<string, Policy>, problems: Problems): Expected {
  const { who: _w, actions: _a, resources: _r, ...said } = outcome;
  for (const key of ['reasons', 'remedies', 'obligations'] as const)
    if (said[key] !== undefined && said.decision !== BELONGS[key])
      problems.say([...path, key], `${key}: belongs to "decision: ${BELONGS[key]}"`);
  for (const key of ['policies', 'duties'] as const)
    for (const [i, id] of (said[key] ?? []).entries()) {
      const policy = policies.get(id);
      const isDuty = policy?.duties !== undefined;
      if (policy === undefined)
        problems.say([...path, key, i], `there is no policy "${id}"${didYouMean(id, policies.keys())}`);
      else if (isDuty !== (key === 'duties'))
        problems.say(
          [...path, key, i],
          isDuty ? `"${id}" is a duty: it stands under "duties"` : `"${id}" is no duty: it stands under "policies"`,
        );
    }
  return { ...said, place: problems.placeOf(path) };
}

function keyOf(who: Who, action: Action, resource: Resource): string {
  return JSON.stringify([who.label, action.label, resource.label]);
}
