/** From a test file to its cases: every combination of each test, or every problem that keeps the file from being run. */
import { dirname, resolve } from 'node:path';
import { ConfigError } from '../../model/faults.js';
import type { Rules } from '../../policy/load.js';
import { worldOf, type World } from '../../config/world.js';
import type { Case, Suite } from './case.js';
import { expectationsOf, named, type Matrix } from './expectations.js';
import { MAX_CASES, testFile, type Test, type TestFile } from './format.js';
import { Names } from './names.js';
import { readLocated, type Problem } from './places.js';
import { Problems, type Path } from './problems.js';
import { Scenes } from './scenes.js';

/** What test files are held against. */
export interface Against {
  readonly rules: Rules;
  /** The world file of that path, or the configuration's: the same object each time. @throws ConfigError */
  readonly world: (path: string | undefined) => World;
}

/** @throws ConfigError where the file can't be read */
export function readSuite(
  path: string,
  against: Against,
): { readonly suite: Suite } | { readonly problems: readonly Problem[] } {
  const read = readLocated(path, testFile);
  if ('problems' in read) return read;
  const { value, file } = read.located;
  const problems = new Problems(read.located);
  const names = new Names(value, against.rules, problems);
  const world = readWorld(value, path, against, problems);
  const cases = world === undefined ? [] : casesOf(value, names, world, against.rules, problems);
  return problems.all.length > 0 ? { problems: problems.all } : { suite: { file, cases } };
}

function readWorld({ world }: TestFile, path: string, against: Against, problems: Problems): World | undefined {
  const { file, line } = problems.placeOf(['world']);
  try {
    if (typeof world === 'object') return worldOf(world, against.rules, `${file}:${line}`);
    return against.world(world === undefined ? undefined : resolve(dirname(path), world));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.say(['world'], error.message);
    return undefined;
  }
}

function casesOf(file: TestFile, names: Names, world: World, rules: Rules, problems: Problems): Case[] {
  const scenes = new Scenes(world, file.now, rules, problems);
  const cases: Case[] = [];
  const seen = new Set<string>();
  for (const [i, test] of file.tests.entries()) {
    const at = ['tests', i];
    if (seen.has(test.name)) problems.say([...at, 'name'], `"${test.name}" is the name of another test`);
    seen.add(test.name);
    if (cases.length + sizeOf(test) > MAX_CASES) {
      problems.say(at, `there must be at most ${MAX_CASES} combinations`);
      break;
    }
    const scene = scenes.of(test, at);
    const all = matrixOf(test, at, names, rules, problems);
    const expected = expectationsOf(test, at, all, rules.policies, problems);
    for (const who of all.who)
      for (const action of all.actions)
        for (const resource of all.resources)
          cases.push({
            test: test.name,
            who,
            action,
            resource,
            context: test.context ?? {},
            supportedObligations: test.supported_obligations,
            scene,
            expected: expected(who, action, resource),
          });
  }
  return cases;
}

function matrixOf(test: Test, at: Path, names: Names, { vocabulary }: Rules, problems: Problems): Matrix {
  const who = named(test.who, [...at, 'who'], (text, path) => names.who(text, path), problems);
  const actions = named(test.actions, [...at, 'actions'], (text, path) => names.action(text, path), problems);
  const resources = named(test.resources, [...at, 'resources'], (text, path) => names.resource(text, path), problems);
  for (const { name } of actions)
    for (const type of new Set(resources.map((r) => r.type)))
      if (vocabulary.byObject.has(type) && vocabulary.find(name, type) === undefined)
        problems.say([...at, 'actions'], `no action "${name}" applies to "${type}"`);
  return { who, actions, resources };
}

function sizeOf({ who, actions, resources }: Test): number {
  return [who].flat().length * [actions].flat().length * [resources].flat().length;
}
