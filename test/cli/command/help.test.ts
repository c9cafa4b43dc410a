/** Help is made from what a command declares. */
import { expect, it } from 'vitest';
import { commandHelp, groupHelp, table } from '../../../src/cli/command/help.js';

const copy = {
  name: 'copy',
  description: `
    Copies the source
    to the target.

    The target is overwritten.`,
  positionals: [{ name: 'SOURCE', description: 'the source' }],
  rest: { name: 'TARGETS', description: 'the targets' },
  options: {
    action: { value: 'NAME', description: 'the action', required: true },
    limit: { value: 'N', description: 'the most', default: '7' },
    detail: { value: 'JSON', description: 'a detail', multiple: true },
    'dry-run': { description: 'copies nothing' },
  },
  exitCodes: { 1: 'the target was there' },
  examples: ['remit copy a b --action read'],
} as const;

it('says what the command accepts, does and ends with', () => {
  expect(commandHelp(copy)).toBe(`Usage: remit copy SOURCE [TARGETS…] --action NAME [options]

Copies the source to the target.

The target is overwritten.

Arguments:
  SOURCE   the source
  TARGETS  the targets

Options:
  --action NAME  the action (required)
  --limit N      the most (default: 7)
  --detail JSON  a detail (may be repeated)
  --dry-run      copies nothing
  -h, --help     prints this

Exit codes:
  0  it is done
  1  the target was there
  2  the command line, or something that it names, can't be used

Examples:
  remit copy a b --action read
`);
});

it('of a group lists its commands, and the options of the one that can be left out', () => {
  const { examples: _examples, exitCodes: _exitCodes, ...signature } = copy;
  const plain = { name: 'files list', options: { json: { description: 'prints data' } } };
  expect(groupHelp('files', 'Handles files.', { copy: 'copies', list: 'lists' }, [signature, plain], plain))
    .toBe(`Usage: remit copy SOURCE [TARGETS…] --action NAME [options]
       remit files list [options]

Handles files.

Commands:
  copy  copies
  list  lists

Options of remit files list:
  --json  prints data

remit files COMMAND --help describes each.
`);
});

it('breaks long meanings between words, and gives long terms a line of their own', () => {
  const lines = table('Terms', [
    ['a', 'word '.repeat(40)],
    ['a-term-that-is-longer-than-its-column', 'meaning'],
  ]).split('\n');
  expect(lines.every((line) => line.length <= 100)).toBe(true);
  expect(lines.slice(0, 2)).toEqual(['Terms:', expect.stringMatching(/^ {2}a {27}word/)]);
  expect(lines.slice(-2)).toEqual(['  a-term-that-is-longer-than-its-column', `${' '.repeat(30)}meaning`]);
  expect(lines.join(' ').match(/word/g)).toHaveLength(40);
});
