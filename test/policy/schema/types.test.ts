/** Cedar's types read from a schema, and callers' JSON made into Cedar values: whatever is let through, Cedar takes. */
import { inspect } from 'node:util';
import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CedarEngine } from '../../../src/policy/cedar.js';
import {
  toCedarRecord,
  toCedarValue,
  InvalidValueError,
  type CedarType,
  type RecordMembers,
} from '../../../src/policy/schema/types.js';
import { refusal, vocabularyOf } from '../sources.js';

const engine = new CedarEngine();
const objectOf = (name: string): string => name.toLowerCase();

const STRING: CedarType = { kind: 'String' };
const LONG: CedarType = { kind: 'Long' };
const BOOL: CedarType = { kind: 'Bool' };
const USER: CedarType = { kind: 'Entity', name: 'User' };
const extension = (name: 'datetime' | 'duration' | 'decimal' | 'ipaddr'): CedarType => ({ kind: 'Extension', name });
const setOf = (element: CedarType): CedarType => ({ kind: 'Set', element });
const member = (type: CedarType, required = true): RecordMembers[string] => ({ type, required, annotations: {} });
const record = (members: RecordMembers): CedarType => ({ kind: 'Record', members });

/** Whether Cedar finds `condition` true of `context.v`; the message where it can't tell. */
function holds(value: CedarValueJson, condition: string): boolean | string {
  engine.define('holds', { p: `permit (principal, action, resource) when { ${condition} };` });
  const answer = engine.authorize('holds', {
    principal: { type: 'User', id: 'a' },
    action: { type: 'Action', id: 'a' },
    resource: { type: 'Doc', id: 'a' },
    context: { v: value },
    entities: [],
  });
  return answer.errors[0]?.message ?? answer.decision === 'allow';
}

function problemOf(type: CedarType, value: unknown): { message: string; at: string; missing: boolean } {
  try {
    toCedarValue(type, value, 'context.v', objectOf);
  } catch (error) {
    if (error instanceof InvalidValueError) return { message: error.message, at: error.path, missing: error.missing };
    throw error;
  }
  throw new Error(`accepted: ${inspect(value)}`);
}

describe('TypeReader', () => {
  it('reads every kind of type that a schema can declare', () => {
    const { entityTypes } = vocabularyOf(`
      namespace Acme {
        type Name = { first: String, last?: String };
        type Names = Set<Name>;
        entity Color enum ["red", "green"];
        entity Doc {
          string: String, long: Long, bool: Bool,
          at: datetime, took: duration, price: decimal, from: ipaddr,
          owner: User, color?: Color, names: Names, nested: { deep: { tags: Set<String> } },
          @title("How it is told") told?: __cedar::Long,
        };
      }
      entity User;
      action "view" appliesTo { principal: [User], resource: [Acme::Doc] };
    `);
    expect(entityTypes.get('Acme::Doc')?.attributes).toEqual({
      string: member(STRING),
      long: member(LONG),
      bool: member(BOOL),
      at: member(extension('datetime')),
      took: member(extension('duration')),
      price: member(extension('decimal')),
      from: member(extension('ipaddr')),
      owner: member(USER),
      color: member({ kind: 'Entity', name: 'Acme::Color', ids: ['red', 'green'] }, false),
      names: member(setOf(record({ first: member(STRING), last: member(STRING, false) }))),
      nested: member(record({ deep: member(record({ tags: member(setOf(STRING)) })) })),
      told: { type: LONG, required: false, annotations: { title: 'How it is told' } },
    });
    expect(entityTypes.get('User')?.attributes).toEqual({});
  });

  it.each(['__entity', '__extn', '__expr'])("refuses a member that is called %s, which is Cedar's escape", (name) => {
    const schema = `entity User;\nentity Doc {\n  x: { ${name}: String } };
      action "view" appliesTo { principal: [User], resource: [Doc] };`;
    expect(refusal(() => vocabularyOf(schema))).toMatch(
      new RegExp(`^schema\\.cedarschema:3: "${name}" can't be a member's name$`),
    );
  });

  it('refuses tags, which are never supplied: a policy that asks for one would always find none', () => {
    const schema = `entity User;\nentity Doc tags String;\naction "view" appliesTo { principal: [User], resource: [Doc] };`;
    expect(refusal(() => vocabularyOf(schema))).toMatch(/^schema\.cedarschema:2: .*tags/);
  });
});

describe('toCedar', () => {
  it.each<[string, CedarType, unknown, string]>([
    ['a string', STRING, 'it\'s "x"\u0000\u{1f642}', 'context.v == "it\'s \\"x\\"\\0\u{1f642}"'],
    ['the largest whole number', LONG, 2 ** 53 - 1, 'context.v == 9007199254740991'],
    ['the smallest', LONG, -(2 ** 53 - 1), 'context.v == -9007199254740991'],
    ['a negative zero', LONG, -0, 'context.v == 0'],
    ['a whole number written with a point', LONG, 2.0, 'context.v == 2'],
    ['a boolean', BOOL, false, '!context.v'],
    ['a list', setOf(LONG), [3, 1, 3], 'context.v == [1, 3]'],
    ['an empty list', setOf(STRING), [], 'context.v.isEmpty()'],
    ['an entity by its id', USER, 'b', 'context.v == User::"b"'],
    ["an entity by Cedar's type", USER, { type: 'User', id: 'b' }, 'context.v == User::"b"'],
    ['an entity by its definition', USER, { type: 'user', id: 'b' }, 'context.v == User::"b"'],
    ['an instant', extension('datetime'), '2030-01-01T10:00:00Z', 'context.v == datetime("2030-01-01T10:00:00Z")'],
    [
      'one with an offset',
      extension('datetime'),
      '2030-01-01T10:00:00.5+02:00',
      'context.v == datetime("2030-01-01T08:00:00.500Z")',
    ],
    ['a day', extension('datetime'), '2030-01-01', 'context.v == datetime("2030-01-01")'],
    ['a duration', extension('duration'), '-1d2h3m4s5ms', 'context.v == duration("-1d2h3m4s5ms")'],
    ['a decimal', extension('decimal'), '-12.5000', 'context.v == decimal("-12.5")'],
    ['a decimal as a number', extension('decimal'), 12.25, 'context.v == decimal("12.25")'],
    ['a decimal as a whole number', extension('decimal'), 3, 'context.v == decimal("3.0")'],
    ['an address', extension('ipaddr'), '10.1.2.3', 'context.v.isInRange(ip("10.0.0.0/8"))'],
    ['an IPv4 address within IPv6', extension('ipaddr'), '::ffff:a01:203', 'context.v.isInRange(ip("10.0.0.0/8"))'],
    ['the same in dotted form', extension('ipaddr'), '::FFFF:10.1.2.3', 'context.v == ip("10.1.2.3")'],
    ['a range of such', extension('ipaddr'), '::ffff:a00:0/104', 'context.v == ip("10.0.0.0/8")'],
    ['a range', extension('ipaddr'), '2001:DB8::/32', 'context.v == ip("2001:db8::/32")'],
    [
      'a record, without what is not declared',
      record({ a: member(LONG), b: member(record({ c: member(STRING, false) }), false) }),
      { a: 1, b: { c: 'x', d: 2 }, e: 3 },
      'context.v == {a: 1, b: {c: "x"}}',
    ],
    ['a record without its optional members', record({ a: member(LONG, false) }), {}, 'context.v == {}'],
  ])('makes %s that Cedar reads as meant', (_, type, value, condition) => {
    expect(holds(toCedarValue(type, value, 'context.v', objectOf), condition)).toBe(true);
  });

  const LIST = 'must be a list';
  const OBJECT = 'must be an object';
  const WHOLE = 'must be a whole number within ±(2^53 − 1)';
  const INSTANT = 'must be an instant such as "2030-01-01T00:00:00Z", to the millisecond at most';
  const DURATION = 'must be a duration such as "1h30m"';
  const DECIMAL = 'must be a decimal with one to four digits after the point, such as "12.50"';
  const ADDRESS = 'must be an IP address or range such as "10.0.0.0/8"';
  const ENTITY = 'must be the id of a user, or {"type": "user", "id": …}';
  const refused: [CedarType, unknown[], string][] = [
    [STRING, [1, null, undefined, true, ['x'], { __entity: { type: 'User', id: 'a' } }], 'must be a string'],
    [STRING, ['\ud800', 'a\udc00'], 'must be well-formed Unicode'],
    [BOOL, ['true', 0, null], 'must be true or false'],
    [LONG, [1.5, 2 ** 53, -(2 ** 53), NaN, Infinity, '1', 1n, null], WHOLE],
    [setOf(LONG), ['1', { 0: 1 }, null], LIST],
    [record({}), [[], 'x', null, 1], OBJECT],
    [USER, [1, null, {}, ['a'], { id: 'a' }, { type: 'agent', id: 'a' }, { type: 'user', id: { id: 'a' } }], ENTITY],
    [USER, ['', { type: 'user', id: '' }], 'must not be empty'],
    [USER, ['a\n'], 'must not contain control characters'],
    [
      extension('datetime'),
      ['', 'now', 0, '2030', '2030-1-1', '2030-13-01', '2030-01-01T', '2030-01-01T25:00:00Z', '01/02/2030', {}],
      INSTANT,
    ],
    [extension('datetime'), ['2030-01-01T10:00:00.0001Z', '2030-01-01T10:00:00.999999+01:00'], INSTANT],
    // Without a zone it would be read by the clock on this host's wall.
    [extension('datetime'), ['2030-01-01T10:00:00', '2030-01-01T10:00'], INSTANT],
    // There is no such day; it must not become another.
    [extension('datetime'), ['2030-02-30', '2030-02-30T00:00:00Z', '2029-02-29', '2030-01-01T24:00:00Z'], INSTANT],
    // In UTC these are in years that Cedar does not know.
    [extension('datetime'), ['0000-01-01T00:00:00+10:00', '9999-12-31T23:59:59-01:00'], INSTANT],
    [
      extension('duration'),
      ['', '-', '5', '1h30', '1s1m', '1h 30m', '+1h', 'P1D', 3600, '1.5h', `${'9'.repeat(20)}d`],
      DURATION,
    ],
    [
      extension('decimal'),
      ['', '1', '.5', '1.', '1.00000', '+1.0', '1e2', 1e21, 0.1 + 0.2, NaN, '123456789012345.0', true],
      DECIMAL,
    ],
    [
      extension('ipaddr'),
      ['', 'localhost', '10.0.0', '10.0.0.256', '010.0.0.1', '10.0.0.0/', '10.0.0.0/33', '::/129', '::/x', 167772160],
      ADDRESS,
    ],
    [
      extension('ipaddr'),
      ['10.0.0.0/08', '::/064', '10.0.0.0/8/9', '::ffff:10.0.0.1/95', '::10.0.0.1', 'fe80::1%eth0'],
      ADDRESS,
    ],
  ];
  const cases = refused.flatMap(([type, values, message]) =>
    values.map((value) => ({
      name: 'name' in type ? type.name : type.kind,
      shown: typeof value === 'string' ? value : inspect(value),
      type,
      value,
      message,
    })),
  );
  it.each(cases)('refuses as $name: $shown', ({ type, value, message }) => {
    expect(problemOf(type, value)).toEqual({ message, at: 'context.v', missing: false });
  });

  it('names the place within', () => {
    const type = record({ list: member(setOf(record({ a: member(LONG), b: member(STRING, false) }))) });
    expect(problemOf(type, { list: [{ a: 1 }, { a: 'x' }] })).toEqual({
      message: 'must be a whole number within ±(2^53 − 1)',
      at: 'context.v.list[1].a',
      missing: false,
    });
    expect(problemOf(type, { list: [{ a: 1 }, { b: 'x' }] })).toEqual({
      message: 'is required',
      at: 'context.v.list[1].a',
      missing: true,
    });
  });

  it('takes lists of a thousand elements and no more', () => {
    const list = Array.from({ length: 1000 }, (_, i) => i);
    expect(toCedarValue(setOf(LONG), list, 'context.v', objectOf)).toEqual(list);
    expect(problemOf(setOf(LONG), [...list, 1])).toEqual({
      message: 'must have at most 1000 elements',
      at: 'context.v',
      missing: false,
    });
  });

  it.each([
    ['an unknown value', { __extn: { fn: 'unknown', arg: 'x' } }],
    ['an entity', { __entity: { type: 'User', id: 'root' } }],
    ['an expression', { __expr: 'User::"root"' }],
  ])("passes none of Cedar's escapes on: %s", (_, escape) => {
    const type = record({ a: member(STRING, false), b: member(record({}), false) });
    expect(toCedarValue(type, { ...escape, b: escape, c: escape }, 'context.v', objectOf)).toEqual({ b: {} });
    expect(problemOf(type, { a: escape }).message).toBe('must be a string');
    expect(problemOf(USER, escape).message).toBe(ENTITY);
    expect(problemOf(setOf(USER), [escape]).at).toBe('context.v[0]');
  });

  it('does not take inherited members for given ones', () => {
    const type = record({ toString: member(STRING), constructor: member(STRING, false) });
    expect(problemOf(type, {})).toEqual({ message: 'is required', at: 'context.v.toString', missing: true });
    expect(toCedarValue(type, { toString: 'x' }, 'context.v', objectOf)).toEqual({ toString: 'x' });
  });

  it('lets nothing through that Cedar would stumble over', () => {
    const digits = fc.string({ unit: fc.constantFrom(...Array.from('0123456789:./-+TZdhms% ')), maxLength: 25 });
    const number = fc.nat({ max: 130 }).map((n) => String(n).padStart(1 + (n % 3), '0'));
    const date = fc
      .tuple(
        fc.nat({ max: 9999 }),
        fc.nat({ max: 13 }),
        fc.nat({ max: 32 }),
        fc.nat({ max: 24 }),
        fc.constantFrom('Z', '', '+10:00', '-10:00'),
      )
      .map(
        ([y, m, d, h, zone]) =>
          `${String(y).padStart(4, '0')}-${String(m).padStart(2, '0')}-${String(d).padStart(2, '0')}T${String(h).padStart(2, '0')}:00:00${zone}`,
      );
    const value = fc.oneof(
      digits,
      date,
      fc
        .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.option(number))
        .map(([a, bits]) => (bits === null ? a : `${a}/${bits}`)),
      fc.tuple(number, fc.constantFrom('d', 'h', 'm', 's', 'ms')).map((p) => p.join('')),
      fc.double(),
      fc.integer(),
      fc.string({ unit: 'binary' }),
      fc.jsonValue(),
    );
    const type = fc.constantFrom(
      STRING,
      LONG,
      BOOL,
      USER,
      setOf(STRING),
      setOf(LONG),
      extension('datetime'),
      extension('duration'),
      extension('decimal'),
      extension('ipaddr'),
    );
    fc.assert(
      fc.property(type, value, (t, v) => {
        let cedar: CedarValueJson;
        try {
          cedar = toCedarValue(t, v, 'context.v', objectOf);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidValueError);
          return;
        }
        expect(holds(cedar, 'context.v == context.v')).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});

it('rules about an address agree on both of its spellings', () => {
  const condition = fc
    .tuple(fc.ipV4(), fc.nat({ max: 32 }))
    .chain(([address, bits]) =>
      fc.constantFrom(
        `context.v.isInRange(ip("${address}/${bits}"))`,
        `context.v == ip("${address}")`,
        'context.v.isLoopback()',
        'context.v.isMulticast()',
        'context.v.isIpv4()',
      ),
    );
  const address = fc.oneof(fc.ipV4(), fc.constantFrom('127.0.0.1', '10.0.0.1', '224.0.0.1'));
  fc.assert(
    fc.property(address, condition, (text, rule) => {
      const answers = [text, `::ffff:${text}`, new URL(`http://[::ffff:${text}]`).hostname.slice(1, -1)].map(
        (spelled) => holds(toCedarValue(extension('ipaddr'), spelled, 'context.v', objectOf), rule),
      );
      expect(new Set(answers).size).toBe(1);
    }),
    { numRuns: 300 },
  );
});

describe('membersToCedar', () => {
  it('writes places from the top', () => {
    const members = { a: member(LONG), b: member(BOOL, false) };
    expect(toCedarRecord(members, { a: 1, b: true, c: 1 }, '', objectOf)).toEqual({ a: 1, b: true });
    expect(() => toCedarRecord(members, { b: true }, '', objectOf)).toThrow(
      new InvalidValueError('is required', 'a', true),
    );
    expect(() => toCedarRecord(members, { a: '1' }, 'x', objectOf)).toThrow(
      new InvalidValueError('must be a whole number within ±(2^53 − 1)', 'x.a'),
    );
  });
});
