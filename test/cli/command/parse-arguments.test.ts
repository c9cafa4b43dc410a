/** The arguments of a command by what it declares, without a process. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import { wholeNumber } from '../../../src/cli/command/option-values.js';
import { parseArguments, wantsHelp } from '../../../src/cli/command/parse-arguments.js';

const signature = {
  name: 'copy',
  positionals: [{ name: 'SOURCE', description: 'the source' }],
  rest: { name: 'TARGETS', description: 'the targets' },
  options: {
    config: { value: 'FILE', description: '' },
    action: { value: 'NAME', description: '', required: true },
    limit: { value: 'N', description: '', default: '7', parse: wholeNumber(1, 9) },
    detail: { value: 'JSON', description: '', multiple: true },
    'dry-run': { description: '' },
  },
} as const;
const parse = (...args: readonly string[]) => parseArguments(signature, args);

describe('arguments', () => {
  it('have the types that the declaration gives them', () => {
    const { positionals, rest, options } = parse('a', '--action', 'read');
    expectTypeOf(positionals).toEqualTypeOf<readonly [string]>();
    expectTypeOf(rest).toEqualTypeOf<readonly string[]>();
    expectTypeOf(options.config).toEqualTypeOf<string | undefined>();
    expectTypeOf(options.action).toEqualTypeOf<string>();
    expectTypeOf(options.limit).toEqualTypeOf<number>();
    expectTypeOf(options.detail).toEqualTypeOf<readonly string[]>();
    expectTypeOf(options['dry-run']).toEqualTypeOf<boolean>();
    expect({ positionals, rest, options }).toEqual({
      positionals: ['a'],
      rest: [],
      options: { config: undefined, action: 'read', limit: 7, detail: [], 'dry-run': false },
    });
  });

  it('may stand in any order, and options before "--" only', () => {
    const args = [
      '--dry-run',
      'a',
      '--detail=x',
      'b',
      '--action',
      'read',
      '--detail',
      'y',
      '--limit',
      '3',
      '--',
      '--c',
    ];
    expect(parse(...args)).toEqual({
      positionals: ['a'],
      rest: ['b', '--c'],
      options: { config: undefined, action: 'read', limit: 3, detail: ['x', 'y'], 'dry-run': true },
    });
  });

  it('"-" is an argument and a value; a value may begin with a dash after "="', () => {
    const { positionals, options } = parse('-', '--config', '-', '--action=--read');
    expect([positionals, options.config, options.action]).toEqual([['-'], '-', '--read']);
  });

  it('of an option that is repeated, the last counts', () => {
    expect(parse('a', '--action', 'read', '--action', 'write').options.action).toBe('write');
  });

  it.each([
    ['nothing', [], 'remit copy needs SOURCE, the source'],
    ['an empty argument', ['', '--action', 'read'], 'remit copy needs SOURCE'],
    ['no required option', ['a'], '--action NAME is required'],
    ['a slip', ['a', '--dry-rnu'], 'there is no option --dry-rnu (did you mean "--dry-run"?)'],
    ['a short option', ['a', '-x'], 'there is no option -x;'],
    ['a name of every object', ['a', '--constructor'], 'there is no option --constructor'],
    ['an option at the end without its value', ['a', '--action'], '--action needs a value, NAME'],
    ['an option in place of a value', ['a', '--config', '--dry-run'], '--config needs a value, FILE'],
    ['a flag with a value', ['a', '--dry-run=no'], '--dry-run takes no value'],
    [
      'a value that does not parse',
      ['a', '--action', 'x', '--limit', '0'],
      '--limit must be a whole number from 1 to 9',
    ],
  ])('%s is refused', (_what, args, message) => {
    expect(() => parse(...args)).toThrow(message);
    expect(() => parse(...args)).toThrow(/; see remit copy --help$/);
  });

  it('more than the command takes are refused', () => {
    const { name, positionals } = signature;
    const strict = { name, positionals, options: {} };
    expect(() => parseArguments(strict, ['a', 'b'])).toThrow('there is one argument too many: remit copy takes SOURCE');
    // It may be part of a token or a key.
    expect(() => parseArguments(strict, ['a', 'SECRET'])).not.toThrow('SECRET');
    expect(() => parseArguments({ name, options: {} }, ['a'])).toThrow('remit copy takes options only');
  });
});

it.each([
  [['--help'], true],
  [['a', '-h', '--nonsense'], true],
  [['a', '--', '--help'], false],
  [['help'], false],
  [['--config', '--help'], false],
  [['--config=x', '--help'], true],
  [['--dry-run', '--help'], true],
])('%j asks for help: %s', (args, expected) => {
  expect(wantsHelp(args, signature.options)).toBe(expected);
});

it('an empty argument is refused, but where the command judges it itself', () => {
  const { name } = signature;
  expect(() => parse('', '--action', 'read')).toThrow('remit copy needs SOURCE');
  expect(() => parse('a', '', '--action', 'read')).toThrow('an argument of remit copy is empty');
  const positionals = [{ name: 'TOKEN', description: '', allowsEmpty: true }] as const;
  expect(parseArguments({ name, positionals, options: {} }, ['']).positionals).toEqual(['']);
});
