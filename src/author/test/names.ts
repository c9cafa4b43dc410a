/** Resolves the names in a test file: those of its own tokens, principals, actions and resources, and those of the schema. */
import type { Rules } from '../../policy/load.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { parseDescribedRef } from '../../model/ids.js';
import { listKnownScopes } from '../../policy/known-scopes.js';
import { splitWords } from '../../tokens/word-lists.js';
import type { TestCase, Requester } from './case.js';
import type { TestFile, TokenSpec } from './format.js';
import { StatedProperties } from './stated-properties.js';
import type { Path, SuiteFindings } from './suite-findings.js';

export type TestAction = TestCase['action'];
export type TestResource = TestCase['resource'];

export class TestNames {
  private readonly requesters = new Map<string, Requester>();
  private readonly actions = new Map<string, TestAction>();
  private readonly resources = new Map<string, TestResource>();
  /** Names that the schema has, and scopes that policies name as well. */
  private readonly schemaNames: Record<'actions' | 'scopes' | 'people' | 'types', ReadonlySet<string>>;

  constructor(
    file: TestFile,
    private readonly rules: Rules,
    private readonly findings: SuiteFindings,
  ) {
    const stated = new StatedProperties(file, rules, findings);
    const { vocabulary } = rules;
    this.schemaNames = {
      actions: new Set(vocabulary.actions.map((a) => a.name)),
      scopes: listKnownScopes(rules),
      people: new Set(vocabulary.actions.flatMap((a) => a.principalTypes.map((t) => t.object))),
      types: new Set(vocabulary.actions.flatMap((a) => a.resourceTypes.map((t) => t.object))),
    };
    for (const [label, token] of Object.entries(file.tokens ?? {})) this.addToken(label, token);
    this.addPrincipals(file, stated);
    for (const [label, { type, id, properties = {} }] of Object.entries(file.resources ?? {})) {
      this.checkResourceType(['resources', label, 'type'], type);
      findings.checkId(['resources', label, 'id'], id);
      stated.checkEntity(['resources', label, 'properties'], type, properties);
      this.resources.set(label, { label, type, id, properties });
    }
    for (const [label, { name = label, properties = {} }] of Object.entries(file.actions ?? {})) {
      if (!this.schemaNames.actions.has(name))
        findings.report(
          ['actions', label],
          `there is no action "${name}"`,
          suggestNearest(name, this.schemaNames.actions),
        );
      stated.checkAction(['actions', label, 'properties'], name, properties);
      this.actions.set(label, { label, name, properties });
    }
  }

  /** @param text the name of a token or principal, or a person such as `user:ann` */
  resolveRequester(text: string, path: Path): Requester | undefined {
    const requester = this.requesters.get(text);
    if (requester !== undefined) return requester;
    const ref = parseDescribedRef(text);
    if (ref === undefined) {
      this.findings.report(
        path,
        `there is no token or principal "${text}"`,
        suggestNearest(text, this.requesters.keys()),
      );
      return undefined;
    }
    this.checkPerson(path, ref.type);
    this.findings.checkId(path, ref.id);
    return { label: text, subject: { ...ref, properties: {} }, asserts: false };
  }

  /** @param text the name of an action of the file or of the schema */
  resolveAction(text: string, path: Path): TestAction | undefined {
    const action = this.actions.get(text);
    if (action !== undefined) return action;
    if (this.schemaNames.actions.has(text)) return { label: text, name: text, properties: {} };
    const suggestion = suggestNearest(text, [...this.actions.keys(), ...this.schemaNames.actions]);
    this.findings.report(path, `there is no action "${text}"`, suggestion);
    return undefined;
  }

  /** @param text the name of a resource of the file, or any such as `document:plan` */
  resolveResource(text: string, path: Path): TestResource | undefined {
    const resource = this.resources.get(text);
    if (resource !== undefined) return resource;
    const ref = parseDescribedRef(text);
    if (ref === undefined) {
      const suggestion = suggestNearest(text, this.resources.keys());
      const message = `there is no resource "${text}"; a resource without a name is written TYPE:ID`;
      this.findings.report(path, message, suggestion);
      return undefined;
    }
    this.checkResourceType(path, ref.type);
    this.findings.checkId(path, ref.id);
    return { label: text, ...ref, properties: {} };
  }

  private addToken(label: string, token: TokenSpec): void {
    const path = ['tokens', label];
    const { user, agent, chain = [] } = token;
    const { userObject, agentObject } = this.rules.vocabulary;
    if (user !== undefined) this.findings.checkId([...path, 'user'], user);
    this.findings.checkId([...path, 'agent'], agent);
    for (const [i, id] of chain.entries()) this.findings.checkId([...path, 'chain', i], id);
    if (chain.length > 0 && user === undefined)
      this.findings.report([...path, 'chain'], 'a chain needs a user: an agent that acts for itself has none');
    for (const scope of splitScopes(token.scope).filter((s) => !this.schemaNames.scopes.has(s)))
      this.findings.report(
        [...path, 'scope'],
        `no action has the scope "${scope}", and no policy names it`,
        suggestNearest(scope, this.schemaNames.scopes),
      );
    const type = user === undefined ? agentObject : userObject;
    if (agentObject === undefined || type === undefined)
      this.findings.report(path, 'the schema has no agents, or no users');
    const subject = { type: type ?? '', id: user ?? agent, properties: {} };
    this.requesters.set(label, { label, subject, token, asserts: false });
  }

  private addPrincipals({ principals = {} }: TestFile, stated: StatedProperties): void {
    for (const [label, { type, id, agent, properties }] of Object.entries(principals)) {
      const path = ['principals', label];
      if (this.requesters.has(label)) this.findings.report(path, `"${label}" is the name of a token, too`);
      this.checkPerson([...path, 'type'], type);
      this.findings.checkId([...path, 'id'], id);
      if (agent !== undefined) this.findings.checkId([...path, 'agent'], agent);
      stated.checkEntity([...path, 'properties'], type, properties ?? {});
      const subject = { type, id, properties: properties ?? {} };
      this.requesters.set(label, { label, subject, agent, asserts: properties !== undefined });
    }
  }

  private checkPerson(path: Path, type: string): void {
    const { people } = this.schemaNames;
    if (type === this.rules.vocabulary.agentObject)
      this.findings.report(path, 'an agent needs a token: name it under "tokens"');
    else if (!people.has(type))
      this.findings.report(path, `no action has the principal "${type}"`, suggestNearest(type, people));
  }

  private checkResourceType(path: Path, type: string): void {
    const { types } = this.schemaNames;
    if (!types.has(type)) this.findings.report(path, `no action applies to "${type}"`, suggestNearest(type, types));
  }
}

export function splitScopes(scope: string | readonly string[] | undefined): string[] {
  return [scope ?? []].flat().flatMap(splitWords);
}
