/** What a test file calls its tokens, principals, actions and resources, and what can be named without being called. */
import type { Rules } from '../../policy/load.js';
import { didYouMean } from '../../diagnostics/suggest.js';
import { scopesOf } from '../../policy/schema/vocabulary.js';
import type { Case, Who } from './case.js';
import type { TestFile, TokenSpec } from './format.js';
import type { Path, Problems } from './problems.js';

export type Action = Case['action'];
export type Resource = Case['resource'];

export class Names {
  private readonly whos = new Map<string, Who>();
  private readonly actions = new Map<string, Action>();
  private readonly resources = new Map<string, Resource>();
  /** By their own names, what the schema has. */
  private readonly known: Record<'actions' | 'scopes' | 'people' | 'types', ReadonlySet<string>>;

  constructor(
    file: TestFile,
    private readonly rules: Rules,
    private readonly problems: Problems,
  ) {
    const { vocabulary } = rules;
    this.known = {
      actions: new Set(vocabulary.actions.map((a) => a.name)),
      scopes: new Set(scopesOf(vocabulary).map(({ scope }) => scope)),
      people: new Set(vocabulary.actions.flatMap((a) => a.principalTypes.map((t) => t.object))),
      types: new Set(vocabulary.actions.flatMap((a) => a.resourceTypes.map((t) => t.object))),
    };
    for (const [label, token] of Object.entries(file.tokens ?? {})) this.addToken(label, token);
    this.addPrincipals(file);
    for (const [label, { type, id, properties = {} }] of Object.entries(file.resources ?? {})) {
      this.isType(['resources', label, 'type'], type);
      problems.id(['resources', label, 'id'], id);
      this.resources.set(label, { label, type, id, properties });
    }
    for (const [label, { name = label, properties = {} }] of Object.entries(file.actions ?? {})) {
      if (!this.known.actions.has(name))
        problems.say(['actions', label], `there is no action "${name}"${didYouMean(name, this.known.actions)}`);
      this.actions.set(label, { label, name, properties });
    }
  }

  /** A token or a principal by name, or a person as `user:ann`. */
  who(text: string, path: Path): Who | undefined {
    const named = this.whos.get(text);
    if (named !== undefined) return named;
    const ref = reference(text);
    if (ref === undefined) {
      this.problems.say(path, `there is no token or principal "${text}"${didYouMean(text, this.whos.keys())}`);
      return undefined;
    }
    this.isPerson(path, ref.type);
    this.problems.id(path, ref.id);
    return { label: text, subject: { ...ref, properties: {} }, asserts: false };
  }

  /** One of the file's, or of the schema's. */
  action(text: string, path: Path): Action | undefined {
    const named = this.actions.get(text);
    if (named !== undefined) return named;
    if (this.known.actions.has(text)) return { label: text, name: text, properties: {} };
    const hint = didYouMean(text, [...this.actions.keys(), ...this.known.actions]);
    this.problems.say(path, `there is no action "${text}"${hint}`);
    return undefined;
  }

  /** One of the file's, or any as `document:plan`. */
  resource(text: string, path: Path): Resource | undefined {
    const named = this.resources.get(text);
    if (named !== undefined) return named;
    const ref = reference(text);
    if (ref === undefined) {
      const hint = didYouMean(text, this.resources.keys());
      this.problems.say(path, `there is no resource "${text}"${hint}; others are TYPE:ID`);
      return undefined;
    }
    this.isType(path, ref.type);
    this.problems.id(path, ref.id);
    return { label: text, ...ref, properties: {} };
  }

  private addToken(label: string, token: TokenSpec): void {
    const at = ['tokens', label];
    const { user, agent, chain = [] } = token;
    const { userObject, agentObject } = this.rules.vocabulary;
    if (user !== undefined) this.problems.id([...at, 'user'], user);
    this.problems.id([...at, 'agent'], agent);
    for (const [i, id] of chain.entries()) this.problems.id([...at, 'chain', i], id);
    if (chain.length > 0 && user === undefined)
      this.problems.say([...at, 'chain'], 'needs a user: an agent that acts for itself has no chain');
    for (const scope of scopesIn(token.scope).filter((s) => !this.known.scopes.has(s)))
      this.problems.say([...at, 'scope'], `no action has the scope "${scope}"${didYouMean(scope, this.known.scopes)}`);
    const type = user === undefined ? agentObject : userObject;
    if (agentObject === undefined || type === undefined) this.problems.say(at, 'the schema has no agents, or no users');
    const subject = { type: type ?? '', id: user ?? agent, properties: {} };
    this.whos.set(label, { label, subject, token, asserts: false });
  }

  private addPrincipals({ principals = {} }: TestFile): void {
    for (const [label, { type, id, agent, properties }] of Object.entries(principals)) {
      const at = ['principals', label];
      if (this.whos.has(label)) this.problems.say(at, `"${label}" is the name of a token, too`);
      this.isPerson([...at, 'type'], type);
      this.problems.id([...at, 'id'], id);
      if (agent !== undefined) this.problems.id([...at, 'agent'], agent);
      const subject = { type, id, properties: properties ?? {} };
      this.whos.set(label, { label, subject, agent, asserts: properties !== undefined });
    }
  }

  private isPerson(path: Path, type: string): void {
    const { people } = this.known;
    if (type === this.rules.vocabulary.agentObject)
      this.problems.say(path, 'an agent asks on a token: name it under "tokens"');
    else if (!people.has(type))
      this.problems.say(path, `no action has the principal "${type}"${didYouMean(type, people)}`);
  }

  private isType(path: Path, type: string): void {
    const { types } = this.known;
    if (!types.has(type)) this.problems.say(path, `no action applies to "${type}"${didYouMean(type, types)}`);
  }
}

export function scopesIn(scope: string | readonly string[] | undefined): string[] {
  return [scope ?? []].flat().flatMap((text) => text.split(' ').filter((word) => word !== ''));
}

/** `employee:erin`: the id is raw, and may have colons itself. */
function reference(text: string): { readonly type: string; readonly id: string } | undefined {
  const cut = text.indexOf(':');
  return cut < 1 || cut === text.length - 1 ? undefined : { type: text.slice(0, cut), id: text.slice(cut + 1) };
}
