/** YAML files are read in one way only, and what is wrong is said in Remit's own words at its place. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { idText } from '../../src/config/schema-types.js';
import { worldFormat } from '../../src/config/world.js';
import { readYaml } from '../../src/config/yaml.js';
import { testFileFormat } from '../../src/author/test/format.js';

const anything = z.unknown();

function read(text: string, schema: z.ZodType = anything): { readonly value: unknown; readonly problems: string[] } {
  const { value, findings } = readYaml({ name: 'a.yaml', text }, schema, { rule: 'config-invalid', point: 'value' });
  return { value, problems: findings.map(({ line, column, message }) => `${line}:${column} ${message}`) };
}

const INEXACT =
  'is a number that reading would change: write it as a text, in quotes, or as a whole number within ±(2^53 − 1), which a Long is';
const ODD_NUMBER = 'must be a number as JSON writes it, in decimal digits without leading zeros, or a text in quotes';
const OTHER_READERS = 'is a number, a date or a boolean for some readers of YAML: write it in quotes';

describe('numbers', () => {
  it.each(['1234567890123456789', '0.1000000000000000055', '1e400', '-1e-400'])(
    '%s is refused at its place',
    (number) => {
      expect(read(`a:\n  - b: ${number}\n`).problems).toEqual([`2:8 a[0].b: ${INEXACT}`]);
    },
  );

  it.each(['007', '0x1F', '0o17', '.5', '5.', '+5', '.inf', '-.Inf', '.nan', '!!float "0x1"'])(
    '%s has another spelling in JSON',
    (number) => {
      expect(read(`a: ${number}\n`).problems).toEqual([expect.stringMatching(/^1:\d+ /)]);
    },
  );

  it('0x1F is refused with the cure', () => expect(read('a: 0x1F').problems).toEqual([`1:4 a: ${ODD_NUMBER}`]));

  it.each(['0.1', '1.0', '1e3', '100.50', '-9007199254740991'])('%s is taken', (number) => {
    expect(read(`a: ${number}\n`)).toEqual({ value: { a: Number(number) }, problems: [] });
  });

  it('through an alias are refused where they are used as well', () => {
    expect(read('a: &n 007\nb: *n\n').problems).toHaveLength(2);
  });

  it('are read as JSON.parse reads them, or refused', () => {
    const literal = fc.oneof(
      fc.double({ noNaN: true }).map(String),
      fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map(String),
      fc.string({ unit: fc.constantFrom(...Array.from('0123456789.eE+-xo_:')), minLength: 1, maxLength: 12 }),
    );
    fc.assert(
      fc.property(literal, (text) => {
        const { value, problems } = read(`a: ${text}\n`);
        if (problems.length > 0) return;
        const { a } = value as { a: unknown };
        if (typeof a === 'number') expect(a).toBe(JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('ids', () => {
  const schema = z.strictObject({ id: idText.describe('an id'), more: z.array(idText).optional() });

  it.each([
    ['007', ODD_NUMBER],
    ['0x1F', ODD_NUMBER],
    ['0o17', ODD_NUMBER],
    ['1234567890123456789', INEXACT],
    ['1e3', 'must be of type string, not number: write it in quotes'],
    ['12', 'must be of type string, not number: write it in quotes'],
    ['true', 'must be of type string, not boolean: write it in quotes'],
    ['null', 'must be of type string, not null: write it in quotes'],
    ['~', 'must be of type string, not null: write it in quotes'],
    ['1_000', OTHER_READERS],
    ['2030-01-01', OTHER_READERS],
    ['2030-01-01T00:00:00Z', OTHER_READERS],
    ['12:30:45', OTHER_READERS],
    ['no', OTHER_READERS],
    ['0b11', OTHER_READERS],
  ])('%s unquoted is refused', (id, message) =>
    expect(read(`id: ${id}`, schema).problems).toEqual([`1:5 id: ${message}`]),
  );

  it.each(['"007"', "'1_000'", '!!str 2030-01-01', '|-\n  12', 'ann', 'a1e3', '1.2.3', '0199e1b0-7c1e'])(
    '%s is taken as it is',
    (id) => {
      expect(read(`id: ${id}`, schema).problems).toEqual([]);
    },
  );

  it('within a list and by an alias', () => {
    expect(read('id: &x "yes"\nmore: [*x, yes]', schema).problems).toEqual([`2:12 more[1]: ${OTHER_READERS}`]);
  });

  it.each([
    ['world', worldFormat, 'entities: [{ type: user, id: 1e3 }]', 'entities[0].id'],
    [
      'a parent',
      worldFormat,
      'entities: [{ type: user, id: a, parents: [{ type: team, id: 1_0 }] }]',
      'entities[0].parents[0].id',
    ],
    [
      'a token',
      testFileFormat,
      'now: "2030-03-04T10:00:00Z"\ntokens: { t: { user: off, agent: a } }\ntests: [{ name: a, who: t, actions: x, resources: "y:z", expect: deny }]',
      'tokens.t.user',
    ],
  ])('of a file: %s', (_what, format, text, path) => {
    expect(read(text, format).problems).toEqual([expect.stringContaining(`${path}: `)]);
  });

  it('that are keys are the text as it stands', () => {
    expect(read('007: a\n1e3: b\nyes: c\n')).toEqual({ value: { '007': 'a', '1e3': 'b', yes: 'c' }, problems: [] });
  });
});

describe('what is wrong with YAML', () => {
  it.each([
    ['a: b: c', '1:4 the line has a second key: begin a new line, or write a text that holds ": " in quotes'],
    ['a: 1\na: 2', '2:1 the key is given twice'],
    ['a: "b', '1:6 a quote, bracket, comma, colon, dash or space is missing'],
    ['a: !!timestamp 2030-01-01', '1:4 the tag (!) is not known, or does not fit the value: leave it out'],
    [
      'a: *b',
      "1:1 its aliases (*) can't be followed: each needs an anchor (&) above that it is no part of, and there can be at most 100",
    ],
    [
      'a: &b [*b]',
      "1:1 its aliases (*) can't be followed: each needs an anchor (&) above that it is no part of, and there can be at most 100",
    ],
    ['a: 1\n---\nb: 2', '2:1 the file must be one document, and "---" begins another'],
    ['{}: 1\n? [a]\n: 2', '1:1 a key must be a text, not a list, a mapping or an alias'],
    [`a:\n${' '.repeat(200_000)}b: 1`, '2:1 the values are nested too deep'],
    ['- '.repeat(200_000), '1:1 the values are nested too deep'],
    ['['.repeat(5000), 'the values are nested too deep'],
  ])('%#: is said in our words', (text, expected) => {
    expect(read(text).problems).toContainEqual(expect.stringContaining(expected));
  });

  it('is never said in the words of the library', () => {
    const pieces = fc.constantFrom(
      'a',
      'b: ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '\n',
      '\n  ',
      '\t',
      '&x ',
      '*x',
      '!!int ',
      '!y ',
      '%A',
      '|',
      '>',
      '? ',
      ': ',
      ',',
      '#',
      '@',
      '`',
      '---\n',
      '\\q',
      '1',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 14 }), (parts) => {
        const text = parts.join('');
        const document = parseDocument(text, { prettyErrors: false, stringKeys: true });
        const theirs = [...document.errors, ...document.warnings].map(({ message }) => message);
        const ours = read(text).problems;
        if (theirs.length > 0) expect(ours).not.toEqual([]);
        for (const problem of ours) for (const message of theirs) expect(problem).not.toContain(message);
      }),
      { numRuns: 1000 },
    );
  });
});

it('A missing value is required, also where it may be of several types', () => {
  const schema = z.object({ a: z.string(), b: z.union([z.string(), z.array(z.string())]) });
  expect(read('{}', schema).problems).toEqual([
    expect.stringContaining('a: is required'),
    expect.stringContaining('b: is required'),
  ]);
});
