/** Small rule sources for tests: one file of each kind, and a mark that says where an error is expected. */
import { ConfigError } from '../../src/model/faults.js';
import { loadRules, type Rules } from '../../src/policy/load.js';
import type { Vocabulary } from '../../src/policy/schema/vocabulary.js';

/** What the schema below may ask of. */
export const ZED = `definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation owner: user
  permission view = owner
  permission edit = owner
}
definition folder {
  relation owner: user
  permission view = owner
}
`;

export const SCHEMA = `entity User;
entity Agent;
entity Doc { @class("pii") ssn?: String, status?: String };
action "view" appliesTo { principal: [User, Agent], resource: [Doc] };
`;

export const POLICY = '@id("all")\npermit (principal, action, resource);\n';

export interface Texts {
  readonly zed?: string;
  readonly schema?: string | readonly string[];
  readonly policies?: string | readonly string[];
}

/** Files are called `graph.zed`, `schema.cedarschema` and `policies.cedar`; several of a kind are numbered from 1. */
export function rulesOf({ zed = ZED, schema = SCHEMA, policies = POLICY }: Texts): Rules {
  const files = (texts: string | readonly string[], name: string, ending: string): { name: string; text: string }[] =>
    typeof texts === 'string'
      ? [{ name: `${name}.${ending}`, text: texts }]
      : texts.map((text, i) => ({ name: `${name}${i + 1}.${ending}`, text }));
  return loadRules({
    relationships: { name: 'graph.zed', text: zed },
    actions: files(schema, 'schema', 'cedarschema'),
    policies: files(policies, 'policies', 'cedar'),
  });
}

export function vocabularyOf(schema: string, zed = ZED): Vocabulary {
  return rulesOf({ schema, zed, policies: [] }).vocabulary;
}

/** What the ConfigError says that `load` throws. */
export function refusal(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('loaded without an error');
}

const MARK = '‹here›';

/** The text without its mark, and the line that the mark is on. */
export function marked(text: string): { readonly text: string; readonly line: number } {
  const at = text.indexOf(MARK);
  if (at === -1 || text.includes(MARK, at + 1)) throw new TypeError(`exactly one ${MARK} is wanted`);
  return { text: text.slice(0, at) + text.slice(at + MARK.length), line: text.slice(0, at).split('\n').length };
}
