/** Formatting writes the policies that it read, with their comments and annotations. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Formatter } from '../../../src/author/check/format.js';
import { fmtCommand } from '../../../src/cli/fmt.js';
import { refusal } from '../../policy/sources.js';

const formatter = new Formatter();
const format = (text: string): string => formatter.format({ name: 'p.cedar', text });

describe('a file', () => {
  it('keeps every comment where it belongs, and what its author set apart', () => {
    const text =
      '\n\n// The file; "and\n// what it is for\n\n\n// About a\n@id("a") // why\npermit(principal,action,resource) // scope\nwhen { true || // or\n false }; // behind\r\n@id("b") forbid(principal,action,resource);@id("c")permit(principal,action,resource);\n\n\n// the end';
    expect(format(text)).toBe(
      [
        '// The file; "and',
        '// what it is for',
        '',
        '// About a',
        '@id("a") // why',
        'permit (principal, action, resource) // scope',
        'when',
        '{',
        '  true || // or',
        '  false',
        '}; // behind',
        '',
        '@id("b")',
        'forbid (principal, action, resource);',
        '',
        '@id("c")',
        'permit (principal, action, resource);',
        '',
        '// the end',
        '',
      ].join('\n'),
    );
  });

  it.each([
    ['nothing', '', ''],
    ['blanks', ' \n\n', ''],
    ['comments alone', '// a\n\n\n// b', '// a\n\n// b\n'],
    [
      "Windows' ends of line",
      '// a\r\n@id("a") permit (principal, action, resource);\r\n',
      '// a\n@id("a")\npermit (principal, action, resource);\n',
    ],
    [
      'a comment that a carriage return ends',
      '// a\r@id("a") permit (principal, action, resource);',
      '// a\n@id("a")\npermit (principal, action, resource);\n',
    ],
  ])('may hold %s', (_, text, formatted) => expect(format(text)).toBe(formatted));

  it.each([
    ['a mistake in the grammar', '@id("a")\npermit (principal, action);', /^p\.cedar:2:\d+: /],
    ['a policy that is not ended', '// x\npermit (principal, action, resource)', /^p\.cedar:\d+:\d+: /],
  ])('is refused for %s', (_, text, message) => {
    expect(refusal(() => format(text))).toMatch(message);
  });

  it('means the same after it, has the same comments, and stays as it is the second time', () => {
    const comment = fc.constantFrom('', ' ', '\n', '\n\n\n', ' // c; "x\n', '\n// d\n', '\r\n', '\n  // remit-ignore: x — y\n');
    const annotation = fc.constantFrom('', '@title("a;b // \\"c\\"")', '@duty("mask:pii")', '@own ', '@own("é🙂")');
    const condition = fc.constantFrom('', 'when { context.a }', 'unless { context.a == "// no" || context.b.contains(1) }', 'when { if context.a then [1, 2].contains(context.b) else {a: 1} == context.c }');
    const scope = fc.constantFrom('principal', 'principal is User', 'principal in Group::"a b"', 'principal == User::"\\u{1f600}"');
    const policy = fc.tuple(comment, annotation, comment, scope, comment, condition, comment).map(
      ([a, note, b, who, c, when, d]) => `${a}@id("x")${b}${note}${a}forbid${d}(${who},${c}action, resource${b})${d}${when}${c};`,
    );
    fc.assert(
      fc.property(fc.array(policy, { minLength: 1, maxLength: 4 }), comment, (policies, end) => {
        const text = policies.join('') + end;
        const once = format(text); // It throws where anything but blanks differs.
        expect(format(once)).toBe(once);
        expect(once.match(/\/\/ (c|d|remit)/g)).toEqual(text.match(/\/\/ (c|d|remit)/g));
      }),
      { numRuns: 60 },
    );
  }); // prettier-ignore
});

describe('remit fmt', () => {
  const ugly = '@id("a") permit(principal,action,resource);';
  const pretty = '@id("a")\npermit (principal, action, resource);\n';
  const run = async (...args: string[]): Promise<{ code: number; out: string }> => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      const code = await fmtCommand.run(args);
      return { code, out: write.mock.calls.map(([text]) => String(text)).join('') };
    } finally {
      write.mockRestore();
    }
  };
  const directory = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'remit-fmt-'));
    onTestFinished(() => {
      rmSync(made, { recursive: true, force: true });
    });
    return made;
  };

  it('writes what differs, with its mode, through links, and nothing else', async () => {
    const at = directory();
    writeFileSync(join(at, 'a.cedar'), ugly);
    chmodSync(join(at, 'a.cedar'), 0o600);
    symlinkSync(join(at, 'a.cedar'), join(at, 'link.cedar'));
    writeFileSync(join(at, 'b.cedar'), pretty);
    const before = statSync(join(at, 'b.cedar'));
    expect(await run('--check', at)).toEqual({ code: 1, out: `${join(at, 'a.cedar')}\n${join(at, 'link.cedar')}\n` });
    expect(readFileSync(join(at, 'a.cedar'), 'utf8')).toBe(ugly);
    expect((await run(join(at, 'link.cedar'), join(at, 'b.cedar'))).code).toBe(0);
    expect(readFileSync(join(at, 'a.cedar'), 'utf8')).toBe(pretty);
    expect(statSync(join(at, 'a.cedar')).mode & 0o777).toBe(0o600);
    expect(statSync(join(at, 'b.cedar')).ino).toBe(before.ino);
    expect(await run('--check', '--json', at)).toEqual({
      code: 0,
      out: `${JSON.stringify({ files: ['a', 'b', 'link'].map((name) => ({ file: join(at, `${name}.cedar`), changed: false })) })}\n`,
    });
  });

  it('writes none of several where one can not be read', async () => {
    const at = directory();
    writeFileSync(join(at, 'a.cedar'), ugly);
    writeFileSync(join(at, 'b.cedar'), 'permit (');
    await expect(run(at)).rejects.toThrow(/b\.cedar:1:\d+: /);
    expect(readFileSync(join(at, 'a.cedar'), 'utf8')).toBe(ugly);
  });

  it('formats the policies of the sample as they are', async () => {
    expect(await run('--check')).toEqual({ code: 0, out: '' });
  });

  it.each([
    [['/nowhere.cedar'], 'there is no such file or directory'],
    [['package.json'], '"package.json" is not a *.cedar file'],
    [['--config', 'x', 'y'], '--config and FILES exclude each other'],
  ])('refuses %j', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });
});
