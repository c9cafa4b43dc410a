/** Entities fit the Cedar schema before they are stored: what no policy could read is a mistake, and said with its place. */
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../src/diagnostics/diagnostics.js';
import type { StoredEntity } from '../../src/model/entities.js';
import { findEntityProblem } from '../../src/policy/entity-validation.js';
import { refusal, rulesOf, ZED } from './sources.js';

const schema = `
entity User { suspended?: Bool };
entity Level enum ["low", "high"];
entity Team;
@open entity Agent { kind?: String };
entity Doc in [Folder, Level] {
  status?: String, level?: Level, levels?: Set<Level>, owner?: User,
  address?: { street: String, "zip code"?: String }, notes?: Set<{ by: String }>
};
entity Folder in [Team];
@object("page") entity Web { url?: String };
@object("page") entity Print { copies?: Long };
action "view" appliesTo { principal: [User, Agent], resource: [Doc] };`;
const zed = `${ZED}definition level {}\ndefinition team {}\ndefinition page {}\ndefinition bare {}\n`;
const rules = rulesOf({ schema, zed });

function problemOf(over: Partial<StoredEntity>): { at: string | undefined; says: string } | undefined {
  const problem = findEntityProblem({ type: 'doc', id: 'a', attributes: {}, parents: [], ...over }, rules);
  return problem === undefined ? undefined : { at: problem.path, says: formatProblem(problem) };
}
const undeclared = (path: string, type: string): string =>
  `${path} is not declared by the Cedar schema; a type that may have more than it declares is marked @open (${type})`;

describe('an entity is refused', () => {
  it.each([
    [
      'for a slip in a name',
      { type: 'user', attributes: { suspened: true } },
      'attributes.suspened',
      `${undeclared('attributes.suspened', 'user')} (did you mean "suspended"?)`,
    ],
    [
      'for an attribute in other letters',
      { type: 'user', attributes: { Suspended: true } },
      'attributes.Suspended',
      `${undeclared('attributes.Suspended', 'user')} (did you mean "suspended"?)`,
    ],
    [
      'for what every object has',
      { attributes: { constructor: 1 } },
      'attributes.constructor',
      undeclared('attributes.constructor', 'doc'),
    ],
    [
      'for a slip within a record',
      { attributes: { address: { street: 'a', 'zip cod': 'b' } } },
      'attributes.address.zip cod',
      `${undeclared('attributes.address.zip cod', 'doc')} (did you mean "zip code"?)`,
    ],
    [
      'for a slip within a record of a list',
      { attributes: { notes: [{ by: 'a' }, { by: 'b', at: 'c' }] } },
      'attributes.notes[1].at',
      undeclared('attributes.notes[1].at', 'doc'),
    ],
    [
      'for an attribute of a type without any',
      { type: 'team', attributes: { size: 1 } },
      'attributes.size',
      undeclared('attributes.size', 'team'),
    ],
    [
      'for an attribute of a definition that no entity type stands for',
      { type: 'bare', attributes: { a: 1 } },
      'attributes.a',
      undeclared('attributes.a', 'bare'),
    ],
    [
      'for an attribute that neither of two types has',
      { type: 'page', attributes: { size: 1 } },
      'attributes.size',
      undeclared('attributes.size', 'page'),
    ],
    [
      'for an id outside its enum',
      { type: 'level', id: 'hihg' },
      'id',
      '"hihg" is no "level" that the Cedar schema has (did you mean "high"?)',
    ],
    [
      'for a reference outside an enum',
      { attributes: { level: 'medium' } },
      'attributes.level',
      'attributes.level must be one of low, high',
    ],
    [
      'for such a reference in a list',
      { attributes: { levels: ['low', { type: 'level', id: 'x' }] } },
      'attributes.levels[1]',
      'attributes.levels[1] must be one of low, high',
    ],
    [
      'for a parent outside an enum',
      {
        parents: [
          { type: 'folder', id: 'f' },
          { type: 'level', id: 'lo' },
        ],
      },
      'parents[1].id',
      'parents[1]: "lo" is no "level" that the Cedar schema has (did you mean "low"?)',
    ],
    [
      'for a parent of a wrong type',
      { parents: [{ type: 'user', id: 'u' }] },
      'parents[0].type',
      'parents[0]: a "user" is no parent that the Cedar schema allows a "doc", which may have folder, level, team',
    ],
    [
      'for a slip in the type of a parent',
      {
        parents: [
          { type: 'folder', id: 'f' },
          { type: 'foldr', id: 'g' },
        ],
      },
      'parents[1].type',
      'parents[1]: a "foldr" is no parent that the Cedar schema allows a "doc", which may have folder, level, team (did you mean "folder"?)',
    ],
    ['for a slip in its type', { type: 'dok' }, 'type', 'no schema has a type "dok" (did you mean "doc"?)'],
    [
      'for a slip in a reference to an enum',
      { attributes: { level: 'hihg' } },
      'attributes.level',
      'attributes.level must be one of low, high (did you mean "high"?)',
    ],
    [
      'for a parent of its child',
      { type: 'folder', parents: [{ type: 'doc', id: 'd' }] },
      'parents[0].type',
      'parents[0]: a "doc" is no parent that the Cedar schema allows a "folder", which may have team',
    ],
    [
      'for a parent where there can be none',
      { type: 'user', parents: [{ type: 'team', id: 't' }] },
      'parents[0].type',
      'parents[0]: a "team" is no parent that the Cedar schema allows a "user", which may have none',
    ],
    [
      'for a wrong type of value, open or not',
      { type: 'agent', attributes: { kind: 1, more: 2 } },
      'attributes.kind',
      'attributes.kind must be a string',
    ],
  ])('%s', (_why, over, at, says) => expect(problemOf(over)).toEqual({ at, says }));
});

describe('an entity is taken', () => {
  it.each([
    [
      'with what is declared',
      {
        attributes: {
          status: 'x',
          level: 'high',
          levels: [{ type: 'Level', id: 'low' }],
          owner: { type: 'user', id: 'u' },
          address: { street: 'a' },
        },
      },
    ],
    ['with more, where the type is @open', { type: 'agent', attributes: { kind: 'x', more: { than: ['that'] } } }],
    ['with what one of its two types has', { type: 'page', attributes: { url: 'x' } }],
    ['of an enum', { type: 'level', id: 'low' }],
    [
      'with parents, near and far',
      {
        parents: [
          { type: 'folder', id: 'f' },
          { type: 'team', id: 't' },
          { type: 'level', id: 'low' },
        ],
      },
    ],
    ['that is only an id', { type: 'bare' }],
  ])('%s', (_why, over) => expect(problemOf(over)).toBeUndefined());
});

it('@open has no value', () => {
  expect(refusal(() => rulesOf({ schema: schema.replace('@open', '@open("yes")'), zed }))).toBe(
    'schema.cedarschema:5: @open has no value: it is written @open',
  );
});
