/** The types of arguments: Cedar's where it has one for every value that the schema allows, and otherwise none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readArguments, sampleArguments, type ArgumentType } from '../../../src/author/mcp/argument-types.js';
import { ToolRefused } from '../../../src/author/mcp/tool-refused.js';
import { isObject } from '../../../src/policy/schema/types.js';
import { hostileTool } from '../../mcp/hostile-tools.js';

function format(type: ArgumentType): string {
  if (type.kind === 'Set') return `Set<${format(type.element)}>`;
  if (type.kind !== 'Record') return type.kind;
  return `{${type.members.map((m) => `${m.name}${m.required ? '' : '?'}: ${format(m.type)}`).join(', ')}}`;
}
/** The type of one argument, "a". */
const typeOf = (schema: unknown, root: object = {}): string =>
  format({ kind: 'Record', members: readArguments({ properties: { a: schema }, required: ['a'], ...root }) });

describe('an argument', () => {
  it.each<[unknown, string]>([
    [{ type: 'string', enum: ['x'] }, '{a: String}'],
    [{ enum: ['x', 'y'] }, '{a: String}'],
    [{ const: 3 }, '{a: Long}'],
    [{ const: 1.5 }, '{a: decimal}'],
    [{ type: 'integer' }, '{a: Long}'],
    [{ type: 'number' }, '{a: decimal}'],
    [{ type: 'boolean' }, '{a: Bool}'],
    [{ type: 'array', items: { type: 'string' } }, '{a: Set<String>}'],
    [{ type: 'object', properties: { b: { type: 'string' }, c: {} }, required: ['b'] }, '{a: {b: String}}'],
    [{ type: ['string', 'null'] }, '{a?: String}'],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, '{a?: String}'],
    [{ oneOf: [{ type: 'integer' }] }, '{a: Long}'],
    [{ enum: ['x', null] }, '{a?: String}'],
  ])('%j: %s', (schema, expected) => {
    expect(typeOf(schema)).toBe(expected);
  });

  it.each([
    {}, true, null, 'string', { type: 'null' }, { type: ['string', 'integer'] }, { enum: ['x', 3] }, { type: 'array' },
    { type: 'array', items: { type: ['string', 'null'] } }, { type: 'object' }, { type: 'object', additionalProperties: true },
    { anyOf: [{ type: 'string' }, { type: 'integer' }] }, { $ref: 'https://elsewhere.example/s' }, { $ref: '#/$defs/none' },
    { $ref: 7 }, { type: 'strange' },
  ])('%j has no type', (schema) => {
    expect(typeOf(schema)).toBe('{}');
  }); // prettier-ignore

  it('that is not required is optional', () => {
    expect(typeOf({ type: 'string' }, { required: ['b', 7] })).toBe('{a?: String}');
    expect(typeOf({ type: 'string' }, { required: 'a' })).toBe('{a?: String}');
  });

  it('follows references, and none that leads back to itself', () => {
    const $defs = {
      text: { type: 'string' },
      tree: { type: 'object', properties: { name: { $ref: '#/$defs/text' }, below: { $ref: '#/$defs/tree' } } },
    };
    expect(typeOf({ $ref: '#/$defs/text' }, { $defs })).toBe('{a: String}');
    expect(typeOf({ $ref: '#/$defs/tree' }, { $defs })).toBe('{a: {name?: String}}');
    expect(typeOf({ $ref: '#/$defs/toString' }, { $defs })).toBe('{}');
  });

  it('is declared to a depth', () => {
    let schema: unknown = { type: 'string' };
    for (let i = 0; i < 6; i += 1) schema = { type: 'object', properties: { b: { type: 'string' }, c: schema } };
    expect(typeOf(schema).match(/\{/g)).toHaveLength(5);
  });
});

it.each(['__entity', '__extn', '__expr', 'mcp_arguments', 'a\nb', '', 'x'.repeat(200)])(
  'an argument %j is refused',
  (name) => {
    const properties = { b: { type: 'object', properties: { [name]: {} } } };
    expect(() => readArguments({ properties })).toThrow(ToolRefused);
  },
);

it('references that multiply are refused before they take long', () => {
  const level = (next: string): object => ({ type: 'object', properties: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`p${i}`, { $ref: `#/$defs/${next}` }])) }); // prettier-ignore
  const $defs = { a: level('b'), b: level('c'), c: level('d'), d: { type: 'string' } };
  expect(() => readArguments({ ...level('a'), $defs })).toThrow('more than 200 arguments');
});

it('samples have what is required, and values of the type', () => {
  const fits = (type: ArgumentType, value: unknown): boolean => {
    switch (type.kind) {
      case 'String':
        return typeof value === 'string';
      case 'Bool':
        return typeof value === 'boolean';
      case 'Long':
        return Number.isSafeInteger(value);
      case 'decimal':
        return typeof value === 'number';
      case 'Set':
        return Array.isArray(value) && value.every((element) => fits(type.element, element));
      case 'Record':
        return isObject(value) && type.members.every((m) => (m.required ? fits(m.type, value[m.name]) : !Object.hasOwn(value, m.name))); // prettier-ignore
    }
  };
  fc.assert(
    fc.property(hostileTool, ({ inputSchema }) => {
      if (!isObject(inputSchema)) return;
      try {
        const members = readArguments(inputSchema);
        expect(fits({ kind: 'Record', members }, sampleArguments(members))).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(ToolRefused);
      }
    }),
  );
});
