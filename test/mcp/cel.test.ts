/** Expressions of mappings: values of JSON from a call and a token, by nothing that a hostile server could make expensive. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CelError, compileCel } from '../../src/mcp/cel.js';

const inputs = {
  params: { name: 'refund', arguments: { id: 'x', n: 5, f: 1.5, big: 'a'.repeat(1000), list: ['a', 'b'], none: null, o: { a: 1 } } },
  token: { sub: 'ann', aud: ['a', 'b'], client_id: 'helper' },
}; // prettier-ignore
const evaluate = (text: string): unknown => compileCel(text).evaluate(inputs);

describe('a value', () => {
  it.each<[string, unknown]>([
    ['token.sub', 'ann'],
    ['token.?client_id', 'helper'],
    ['token.?nothing', undefined],
    ['params.arguments.id + "/" + params.name', 'x/refund'],
    ['params.arguments["id"]', 'x'],
    ['params.arguments.n', 5],
    ['params.arguments.n > 3 ? "high" : "low"', 'high'],
    ['params.?arguments.?missing.orValue("d")', 'd'],
    ['has(params.arguments.missing)', false],
    ['size(params.arguments.list)', 2],
    ['string(params.arguments.n)', '5'],
    ['"a" in params.arguments.list', true],
    ['params.arguments.none', null],
    ['params.arguments.o', { a: 1 }],
    ['{"a": [params.arguments.id, 1]}', { a: ['x', 1] }],
    ['params.arguments.id.split("-")[0]', 'x'],
  ])('%s', (text, value) => {
    expect(evaluate(text)).toEqual(value);
  });

  it.each([
    'params.arguments.missing', 'params.constructor', 'params.__proto__', 'params["constructor"]', 'token.toString',
    'params.arguments.id.length', 'params.arguments.n + "x"', '1 / 0', '1.0 / 0.0', '9223372036854775807', '1u',
    '[token.?nothing]', '{"a": token.?nothing}',
  ])('is none of %s', (text) => {
    expect(() => evaluate(text)).toThrow(CelError);
  }); // prettier-ignore

  it('is of JSON, whatever the arguments are', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // Strict JSON has none of this name.
        fc.pre(!JSON.stringify(value).includes('__proto__'));
        const result = compileCel('params.arguments').evaluate({ params: { arguments: value }, token: {} });
        expect(JSON.stringify(result)).toBe(JSON.stringify(value));
      }),
    );
  });
});

describe('refused is', () => {
  it.each([
    'params.arguments.id.matches("(a+)+$")', 'params.arguments.list.map(x, x)', 'params.arguments.list.exists(x, true)',
    'params.arguments.list.all(x, true)', 'params.arguments.list.filter(x, true)', 'cel.bind(x, 1, x)',
    'params.arguments.list.join(params.arguments.big)', 'bytes("x")', 'timestamp("2030-01-01T00:00:00Z")', 'type(1)',
  ])('%s: it calls what it may not', (text) => {
    expect(() => compileCel(text)).toThrow(/calls \w+\(\), which a mapping may not/);
  }); // prettier-ignore

  it.each(['process', 'arguments.id', 'globalThis', 'this'])('%s: there is no such variable', (text) => {
    expect(() => compileCel(text)).toThrow(CelError);
  });

  it.each(['', '1 +', 'params.', '"', '}', '('.repeat(100)])('%j: it is no expression', (text) => {
    expect(() => compileCel(text)).toThrow("can't be parsed");
  });

  it('an expression that is long, deep or wide', () => {
    expect(() => compileCel(`"${'x'.repeat(2000)}"`)).toThrow('longer than 2000');
    expect(() => compileCel(Array(100).fill('params').join('+'))).toThrow("can't be parsed");
    expect(() => compileCel(`${'['.repeat(30)}1${']'.repeat(30)}`)).toThrow(CelError);
    expect(() => compileCel(`[${Array(40).fill('1').join(',')}]`)).toThrow(CelError);
  });

  it('whatever else a server writes: it is an expression, or a CelError', () => {
    const word = fc.constantFrom('params', 'token', '.', '.?', '[', ']', '(', ')', 'a', '"b"', '1', '+', '?', ':', 'has', 'map', '__proto__', '!', 'in'); // prettier-ignore
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(word).map((words) => words.join(' ')),
          fc.string(),
        ),
        (text) => {
          try {
            compileCel(text).evaluate(inputs);
          } catch (error) {
            expect(error).toBeInstanceOf(CelError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

it.each<[string, string[][]]>([
  ['params.arguments.id', [['params', 'arguments', 'id']]],
  ['params.arguments["id"].?b', [['params', 'arguments', 'id', 'b']]],
  ['params.name + token.sub', [['params', 'name'], ['token', 'sub']]],
  ['has(params.arguments.a) ? "x" : string(params.arguments.b)', [['params', 'arguments', 'a'], ['params', 'arguments', 'b']]],
  ['params.arguments[params.arguments.key]', [['params', 'arguments'], ['params', 'arguments', 'key']]],
  ['"literal"', []],
])('%s reads %j', (text, reads) => {
  expect(compileCel(text).reads).toEqual(reads);
}); // prettier-ignore
