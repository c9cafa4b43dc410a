/** A caveat's values are of the types that SpiceDB reads them as: what passes is stored, and what SpiceDB refuses is told before. */
import { beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedGraph } from '../../../src/graph/embedded/embedded.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { caveatContextProblem } from '../../../src/graph/schema/validate-relationship.js';
import { Journal } from '../../../src/store/journal.js';
import { ScratchDatabase } from '../../support/postgres/scratch-database.js';
import { migrateSchema } from '../../../src/store/migrations.js';

const TYPES = ['any', 'bool', 'string', 'int', 'uint', 'double', 'bytes', 'duration', 'timestamp', 'ipaddress', 'list<int>', 'map<list<string>>']; // prettier-ignore
const nameOf = (type: string): string => `c_${type.replaceAll(/\W/g, '_')}`;
const USED: Readonly<Record<string, string>> = { bool: 'v', any: 'v == 1' };
const schema = GraphSchema.parse(
  `${TYPES.map((type) => `caveat ${nameOf(type)}(v ${type}) { ${USED[type] ?? 'v == v'} }`).join('\n')}
definition user {}
definition doc {
  relation reader: ${TYPES.map((type) => `user with ${nameOf(type)}`).join(' | ')}
}`,
  'types.zed',
);
const VALUES: readonly unknown[] = [
  null, true, false, 0, 7, -7, 1.5, 2 ** 53, '', 'x', '7', '-7', '+7', '1.5', '1e3', '9223372036854775807', '9223372036854775808',
  'true', 'aGk=', 'aGk', '90s', '1h30m', '-1.5h', '1d', '0', '2030-01-01T00:00:00Z', '2030-01-01T00:00:00.123456789+02:00', '2030-01-01',
  '2030-13-01T00:00:00Z', '10.0.0.1', '::1', '10.0.0.1/8', [], [1], ['1'], ['x'], [[1]], {}, { a: [] }, { a: ['x'] }, { a: [1] }, { a: 'x' }, [1, 'x'],
]; // prettier-ignore
/** Taken by SpiceDB, and not as they are written or meant: cut to 64 bits, rounded, or forms that nothing here needs. */
const STRICTER: readonly (readonly [string, unknown])[] = [
  ['int', 2 ** 53], ['uint', 2 ** 53], ['int', '9223372036854775808'], ['uint', '9223372036854775808'], ['int', '1e3'], ['uint', '1e3'],
]; // prettier-ignore

let graph: EmbeddedGraph;
beforeAll(async () => {
  const database = new ScratchDatabase();
  await migrateSchema(database);
  graph = await EmbeddedGraph.start(schema, await Journal.open(database));
  return async () => {
    await graph.close();
    await database.close();
  };
});

describe.each(TYPES)('a value of %s', (type) => {
  it.each(VALUES.map((value) => [JSON.stringify(value), value] as const))('%s', async (_, value) => {
    const relationship = {
      ...parseRelationship('doc:d#reader@user:u'),
      caveat: { name: nameOf(type), context: { v: value } },
    };
    const refusal = caveatContextProblem(relationship, schema);
    const isTaken = await graph.write([{ operation: 'touch', relationship }], 'test').then(
      () => true,
      () => false,
    );
    if (refusal === undefined) expect(isTaken).toBe(true);
    else if (STRICTER.some(([of, one]) => of === type && one === value)) expect(isTaken).toBe(true);
    else expect([isTaken, refusal.message]).toEqual([false, expect.stringMatching(/not acceptable: v\S* must /)]);
  });
});

it('a name that the caveat has no parameter of is told with the one that was meant', () => {
  const relationship = { ...parseRelationship('doc:d#reader@user:u'), caveat: { name: 'c_int', context: { w: 1 } } };
  expect(caveatContextProblem(relationship, schema)?.message).toContain('w is no parameter of the caveat');
});
