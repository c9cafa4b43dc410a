/** From a test file to its cases: names are looked up, combinations are made, and whatever isn't known is said. */
import { dirname, resolve } from 'node:path';
import { ConfigError } from '../model/faults.js';
import { idProblem } from '../model/ids.js';
import { parseRelationship, relationshipKey } from '../model/relationships.js';
import { storable } from '../rules/entities.js';
import type { Rules } from '../rules/load.js';
import { didYouMean } from '../rules/suggest.js';
import { scopesOf } from '../rules/vocabulary.js';
import { worldOf, type World } from '../world.js';
import type { Case, Changes, Expected, Scene, Suite, Who } from './case.js';
import { changed, find } from './entities.js';
import { MAX_CASES, testFile, type Outcome, type Test, type TestFile } from './format.js';
import { readLocated, type Located, type Problem } from './places.js';

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
  const reader = new SuiteReader(path, read.located, against);
  const cases = reader.read();
  return reader.problems.length > 0 ? { problems: reader.problems } : { suite: { file: read.located.file, cases } };
}

type Path = readonly PropertyKey[];
type Action = Case['action'];
type Resource = Case['resource'];

class SuiteReader {
  readonly problems: Problem[] = [];
  private readonly who = new Map<string, Who>();
  private readonly resources = new Map<string, Resource>();
  private readonly file: TestFile;

  constructor(
    private readonly path: string,
    private readonly located: Located<TestFile>,
    private readonly against: Against,
  ) {
    this.file = located.value;
  }

  read(): Case[] {
    this.readNames();
    const world = this.readWorld();
    if (world === undefined) return [];
    const calm: Scene = { world, changes: { with: [], without: [], entities: [] }, now: new Date(this.file.now) };
    const cases: Case[] = [];
    const names = new Set<string>();
    for (const [i, test] of this.file.tests.entries()) {
      const at = ['tests', i];
      if (names.has(test.name)) this.problem([...at, 'name'], `"${test.name}" is the name of another test`);
      names.add(test.name);
      if (cases.length + sizeOf(test) > MAX_CASES) {
        this.problem(at, `there must be at most ${MAX_CASES} combinations`);
        break;
      }
      cases.push(...this.casesOf(test, at, this.sceneOf(test, at, calm)));
    }
    return cases;
  }

  private problem(path: Path, message: string): void {
    this.problems.push({ ...this.located.at(path), message });
  }

  private id(path: Path, id: string): void {
    const why = idProblem(id);
    if (why !== undefined) this.problem(path, `the id ${why}`);
  }

  /** Tokens, principals and resources, each by its name. */
  private readNames(): void {
    const { tokens = {}, principals = {}, resources = {}, actions = {} } = this.file;
    const { vocabulary } = this.against.rules;
    const { userObject, agentObject } = vocabulary;
    const scopes = new Set(scopesOf(vocabulary).map(({ scope }) => scope));
    for (const [label, token] of Object.entries(tokens)) {
      const at = ['tokens', label];
      for (const key of ['user', 'agent'] as const) if (token[key] !== undefined) this.id([...at, key], token[key]);
      for (const [i, id] of (token.chain ?? []).entries()) this.id([...at, 'chain', i], id);
      if (token.chain !== undefined && token.user === undefined)
        this.problem([...at, 'chain'], 'needs a user: an agent that acts for itself has no chain');
      for (const scope of scopesIn(token.scope))
        if (!scopes.has(scope))
          this.problem([...at, 'scope'], `no action has the scope "${scope}"${didYouMean(scope, scopes)}`);
      const type = token.user === undefined ? agentObject : userObject;
      if (agentObject === undefined || type === undefined) this.problem(at, 'the schema has no agents, or no users');
      const subject = { type: type ?? '', id: token.user ?? token.agent, properties: {} };
      this.who.set(label, { label, subject, token, asserts: false });
    }
    for (const [label, { type, id, agent, properties }] of Object.entries(principals)) {
      const at = ['principals', label];
      if (this.who.has(label)) this.problem(at, `"${label}" is the name of a token, too`);
      this.person([...at, 'type'], type);
      this.id([...at, 'id'], id);
      if (agent !== undefined) this.id([...at, 'agent'], agent);
      const subject = { type, id, properties: properties ?? {} };
      this.who.set(label, { label, subject, agent, asserts: properties !== undefined });
    }
    for (const [label, { type, id, properties = {} }] of Object.entries(resources)) {
      this.kind(['resources', label, 'type'], type);
      this.id(['resources', label, 'id'], id);
      this.resources.set(label, { label, type, id, properties });
    }
    for (const [label, { name = label }] of Object.entries(actions)) {
      if (!vocabulary.actions.some((a) => a.name === name))
        this.problem(['actions', label], `there is no action "${name}"${this.actionHint(name)}`);
    }
  }

  private person(path: Path, type: string): void {
    const { actions, agentObject } = this.against.rules.vocabulary;
    const known = new Set(actions.flatMap((a) => a.principalTypes.map((t) => t.object)));
    if (type === agentObject) this.problem(path, 'an agent asks on a token: name it under "tokens"');
    else if (!known.has(type)) this.problem(path, `no action has the principal "${type}"${didYouMean(type, known)}`);
  }

  private kind(path: Path, type: string): void {
    const known = new Set(this.against.rules.vocabulary.actions.flatMap((a) => a.resourceTypes.map((t) => t.object)));
    if (!known.has(type)) this.problem(path, `no action applies to "${type}"${didYouMean(type, known)}`);
  }

  private actionHint(name: string): string {
    const { actions } = this.against.rules.vocabulary;
    return didYouMean(name, [...Object.keys(this.file.actions ?? {}), ...actions.map((a) => a.name)]);
  }

  private readWorld(): World | undefined {
    const { world } = this.file;
    const { file, line } = this.located.at(['world']);
    try {
      if (typeof world === 'object') return worldOf(world, this.against.rules, `${file}:${line}`);
      return this.against.world(world === undefined ? undefined : resolve(dirname(this.path), world));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.problem(['world'], error.message);
      return undefined;
    }
  }

  /** Tests that change nothing share their file's scene. */
  private sceneOf(test: Test, at: Path, calm: Scene): Scene {
    const changes: Changes = {
      with: test.with ?? [],
      without: test.without ?? [],
      entities: test.entities ?? [],
    };
    const none = changes.with.length + changes.without.length + changes.entities.length === 0;
    if (none && test.now === undefined) return calm;
    this.checkChanges(changes, at, calm.world);
    return { world: calm.world, changes: none ? calm.changes : changes, now: new Date(test.now ?? this.file.now) };
  }

  private checkChanges(changes: Changes, at: Path, world: World): void {
    const read = (path: Path, text: string): string | undefined => {
      try {
        return relationshipKey(parseRelationship(text));
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        this.problem(path, `"${text}" ${error.message}`);
        return undefined;
      }
    };
    const known = changes.without.length === 0 ? new Set<string>() : new Set(world.relationships.map(relationshipKey));
    for (const [i, text] of changes.with.entries()) read([...at, 'with', i], text);
    for (const [i, text] of changes.without.entries()) {
      const key = read([...at, 'without', i], text);
      if (key !== undefined && !known.has(key))
        this.problem([...at, 'without', i], `the world has no such relationship${didYouMean(key, known)}`);
    }
    for (const [i, change] of changes.entities.entries()) {
      const entity = changed(find(world, change), change);
      const why = entity === undefined ? undefined : storable(entity, this.against.rules);
      if (why !== undefined) this.problem([...at, 'entities', i], why);
      this.id([...at, 'entities', i, 'id'], change.id);
    }
  }

  private casesOf(test: Test, at: Path, scene: Scene): Case[] {
    const who = this.named(test.who, [...at, 'who'], (text, path) => this.whoOf(text, path));
    const actions = this.named(test.actions, [...at, 'actions'], (text, path) => this.actionOf(text, path));
    const resources = this.named(test.resources, [...at, 'resources'], (text, path) => this.resourceOf(text, path));
    const { vocabulary } = this.against.rules;
    for (const action of actions)
      for (const type of new Set(resources.map((r) => r.type)))
        if (vocabulary.byObject.has(type) && vocabulary.find(action.name, type) === undefined)
          this.problem([...at, 'actions'], `no action "${action.name}" applies to "${type}"`);
    const expectations = this.expectationsOf(test, at, { who, actions, resources });
    const otherwise: Expected = { place: this.located.at(at), decision: 'deny' };
    return who.flatMap((one) =>
      actions.flatMap((action) =>
        resources.map((resource) => ({
          test: test.name,
          who: one,
          action,
          resource,
          context: test.context ?? {},
          supportedObligations: test.supported_obligations,
          scene,
          expected: expectations.get(keyOf(one, action, resource)) ?? otherwise,
        })),
      ),
    );
  }

  /** Each once, as `of` finds it. */
  private named<T>(given: string | readonly string[], at: Path, of: (text: string, path: Path) => T | undefined): T[] {
    const texts = [given].flat();
    const seen = new Set<string>();
    return texts.flatMap((text, i) => {
      const path = typeof given === 'string' ? at : [...at, i];
      if (seen.has(text)) this.problem(path, `"${text}" is there twice`);
      seen.add(text);
      return of(text, path) ?? [];
    });
  }

  private whoOf(text: string, path: Path): Who | undefined {
    const named = this.who.get(text);
    if (named !== undefined) return named;
    const ref = reference(text);
    if (ref === undefined) {
      this.problem(path, `there is no token or principal "${text}"${didYouMean(text, this.who.keys())}`);
      return undefined;
    }
    this.person(path, ref.type);
    this.id(path, ref.id);
    return { label: text, subject: { ...ref, properties: {} }, asserts: false };
  }

  private actionOf(text: string, path: Path): Action | undefined {
    const named = this.file.actions?.[text];
    if (named !== undefined) return { label: text, name: named.name ?? text, properties: named.properties ?? {} };
    if (this.against.rules.vocabulary.actions.some((a) => a.name === text))
      return { label: text, name: text, properties: {} };
    this.problem(path, `there is no action "${text}"${this.actionHint(text)}`);
    return undefined;
  }

  private resourceOf(text: string, path: Path): Resource | undefined {
    const named = this.resources.get(text);
    if (named !== undefined) return named;
    const ref = reference(text);
    if (ref === undefined) {
      this.problem(
        path,
        `there is no resource "${text}"${didYouMean(text, this.resources.keys())}; others are TYPE:ID`,
      );
      return undefined;
    }
    this.kind(path, ref.type);
    this.id(path, ref.id);
    return { label: text, ...ref, properties: {} };
  }

  /** What is expected of each combination of which something is said. */
  private expectationsOf(
    { expect }: Test,
    at: Path,
    all: { readonly who: readonly Who[]; readonly actions: readonly Action[]; readonly resources: readonly Resource[] },
  ): Map<string, Expected> {
    const said = new Map<string, Expected>();
    const listed = Array.isArray(expect);
    const outcomes: readonly Outcome[] = typeof expect === 'string' ? [{ decision: expect }] : [expect].flat();
    for (const [i, outcome] of outcomes.entries()) {
      const path = [...at, 'expect', ...(listed ? [i] : [])];
      const expected = this.expectedOf(outcome, path);
      const who = this.selected(outcome.who, all.who, [...path, 'who']);
      const actions = this.selected(outcome.actions, all.actions, [...path, 'actions']);
      const resources = this.selected(outcome.resources, all.resources, [...path, 'resources']);
      let twice: string | undefined;
      for (const one of who)
        for (const action of actions)
          for (const resource of resources) {
            const key = keyOf(one, action, resource);
            if (said.has(key)) twice ??= `${one.label} ${action.label} ${resource.label}`;
            said.set(key, expected);
          }
      if (twice !== undefined) this.problem(path, `says once more what is expected of "${twice}"`);
    }
    return said;
  }

  private selected<T extends { readonly label: string }>(
    given: string | readonly string[] | undefined,
    among: readonly T[],
    at: Path,
  ): readonly T[] {
    if (given === undefined) return among;
    return this.named(given, at, (text, path) => {
      const found = among.find(({ label }) => label === text);
      if (found === undefined)
        this.problem(
          path,
          `"${text}" is not in this test${didYouMean(
            text,
            among.map(({ label }) => label),
          )}`,
        );
      return found;
    });
  }

  private expectedOf(outcome: Outcome, path: Path): Expected {
    const { who: _w, actions: _a, resources: _r, ...said } = outcome;
    const belongs = { reasons: 'deny', remedies: 'deny', obligations: 'allow' } as const;
    for (const key of ['reasons', 'remedies', 'obligations'] as const)
      if (said[key] !== undefined && said.decision !== belongs[key])
        this.problem([...path, key], `${key}: belongs to "decision: ${belongs[key]}"`);
    this.policies(said.policies, false, [...path, 'policies']);
    this.policies(said.duties, true, [...path, 'duties']);
    return { ...said, place: this.located.at(path) };
  }

  /** Ids of policies that decide, or of duties. */
  private policies(ids: readonly string[] = [], duties: boolean, path: Path): void {
    const { policies } = this.against.rules;
    for (const [i, id] of ids.entries()) {
      const policy = policies.get(id);
      if (policy === undefined)
        this.problem([...path, i], `there is no policy "${id}"${didYouMean(id, policies.keys())}`);
      else if ((policy.duties !== undefined) !== duties)
        this.problem(
          [...path, i],
          `"${id}" ${duties ? 'is no duty: it stands' : 'is a duty: it stands'} under "${duties ? 'policies' : 'duties'}"`,
        );
    }
  }
}

function keyOf(who: Who, action: Action, resource: Resource): string {
  return JSON.stringify([who.label, action.label, resource.label]);
}

function sizeOf({ who, actions, resources }: Test): number {
  return [who].flat().length * [actions].flat().length * [resources].flat().length;
}

export function scopesIn(scope: string | readonly string[] | undefined): string[] {
  return [scope ?? []].flat().flatMap((text) => text.split(' ').filter((word) => word !== ''));
}

/** `employee:erin`: the id is raw, and may have colons itself. */
function reference(text: string): { readonly type: string; readonly id: string } | undefined {
  const cut = text.indexOf(':');
  return cut < 1 || cut === text.length - 1 ? undefined : { type: text.slice(0, cut), id: text.slice(cut + 1) };
}
