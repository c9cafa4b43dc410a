/** Reports: for people with the line and a caret, for code hosts as SARIF; never with a secret. */
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { toSarif } from '../../../../src/author/check/report/sarif.js';
import { findingsText, summarizeFindings, checkSummaryText } from '../../../../src/author/check/report/text.js';
import { CHECK_RULES } from '../../../../src/author/check/check-rules.js';
import { checkCommand } from '../../../../src/cli/check.js';
import { escapeForTerminal } from '../../../../src/cli/print/terminal.js';
import type { Finding } from '../../../../src/diagnostics/diagnostics.js';
import { company } from '../company.js';

// SpiceDB is loaded, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

const finding = (over: Partial<Finding> = {}): Finding => ({
  rule: 'policy-invalid',
  severity: 'error',
  file: 'policies/a b.cedar',
  line: 2,
  column: 8,
  message: 'unrecognized entity type `Usr`',
  suggestion: 'did you mean `User`?',
  ...over,
});

describe('for people', () => {
  const show = (f: Finding, text: string): string => findingsText([f], [{ name: f.file, text }], escapeForTerminal);

  it('shows the line, a caret and the cure', () => {
    expect(show(finding(), '// x\npermit(Usr);\n')).toBe(
      [
        'policies/a b.cedar:2:8: error [policy-invalid] unrecognized entity type `Usr`',
        '  2 | permit(Usr);',
        '    |        ^',
        '    = did you mean `User`?',
        '',
      ].join('\n'),
    );
  });

  it('puts the caret right behind tabs and in lines of any length, and lets nothing command the terminal', () => {
    const caretUnder = (text: string): string | undefined => {
      const [, line = '', caret = ''] = text.split('\n');
      return line[caret.indexOf('^')];
    };
    expect(caretUnder(show(finding({ line: 1, column: 4 }), '\t\t\tX'))).toBe('X');
    const long = show(finding({ line: 1, column: 5001 }), `${'a'.repeat(5000)}X${'b'.repeat(5000)}`);
    expect(caretUnder(long)).toBe('X');
    expect(long.split('\n')[1]?.length).toBeLessThan(200);
    const hostile = show(finding({ line: 1, column: 2, message: '\u001b[31m' }), '\u001b[2JX\u202e');
    expect(hostile).not.toMatch(/[\u001b\u202e]/); // eslint-disable-line no-control-regex
  });

  it('shows lines of rules only, since a configuration may hold secrets and have any name', () => {
    const isShown = (file: string): boolean => show(finding({ file, line: 1 }), 'token: s3cr3t').includes('s3cr3t');
    const ends = ['', '.yaml', '.yml', '.YAML', '.json', '.conf', '.cedar.bak', '.zed~', '.cedarschema.yaml', '.txt', 'cedar', '.env']; // prettier-ignore
    expect(ends.map((end) => `remit${end}`).filter(isShown)).toEqual([]);
    expect(['a.cedar', 'b/c.cedarschema', 'schema.zed'].filter((file) => !isShown(file))).toEqual([]);
    fc.assert(
      fc.property(
        fc.string().filter((name) => !/\.(?:cedar|cedarschema|zed)$/.test(name)),
        (name) => !isShown(name),
      ),
    );
  });

  it('counts', () => {
    const summary = summarizeFindings([finding(), finding({ severity: 'warning' })], 1);
    expect(summary).toEqual({ policies: 1, errors: 1, warnings: 1 });
    expect(checkSummaryText(summary)).toBe('1 policy checked: 1 error, 1 warning.');
    expect(checkSummaryText(summarizeFindings([], 15))).toBe('15 policies checked: no errors, no warnings.');
  });
});

describe('as SARIF 2.1.0', () => {
  // The type checks the structure. The standard demands this in addition.
  it('names each rule once, and each result by it, with a place that a code host finds', () => {
    const log = toSarif([finding(), finding({ file: '/tmp/ü.cedar', severity: 'warning', rule: 'ignore-unused' })], CHECK_RULES);
    const [run] = log.runs;
    const rules = run?.tool.driver.rules ?? [];
    expect(log.version).toBe('2.1.0');
    expect(rules.map(({ id }) => id)).toEqual([...CHECK_RULES.keys()]);
    expect(run?.results?.map(({ ruleIndex = -1 }) => rules[ruleIndex]?.id)).toEqual(['policy-invalid', 'ignore-unused']);
    expect(run?.results?.map(({ level }) => level)).toEqual(['error', 'warning']);
    expect(run?.results?.map(({ message }) => message.text)[0]).toBe(
      'unrecognized entity type `Usr` (did you mean `User`?)',
    );
    expect(run?.results?.map(({ locations }) => locations?.[0]?.physicalLocation)).toEqual([
      { artifactLocation: { uri: 'policies/a%20b.cedar' }, region: { startLine: 2, startColumn: 8 } },
      { artifactLocation: { uri: 'file:///tmp/%C3%BC.cedar' }, region: { startLine: 2, startColumn: 8 } },
    ]);
  }); // prettier-ignore
});

/** Runs the command in this process, since starting another takes seconds on a busy machine. */
async function run(...args: string[]): Promise<{ code: number; out: string }> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    const code = await checkCommand.run(args);
    return { code, out: write.mock.calls.map(([text]) => String(text)).join('') };
  } finally {
    write.mockRestore();
  }
}

describe('remit check', () => {
  it('passes, warns and fails by its exit code, in all three forms', async () => {
    const c = company();
    expect(await run('--config', c.config)).toEqual({
      code: 0,
      out: '7 policies checked: no errors, no warnings.\n',
    });
    c.change('schema.zed', 'permission edit = editor\n', 'permission edit = editor\n  permission unused = editor\n');
    const warned = await run('--config', c.config);
    expect([warned.code, warned.out]).toEqual([0, expect.stringContaining('warning [unused-permission]')]);
    expect((await run('--config', c.config, '--strict')).code).toBe(1);
    c.change('policies/agents.cedar', 'principal.suspended', 'principal.suspnded');
    const json = await run('--config', c.config, '--json');
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toEqual({
      findings: [
        {
          rule: 'policy-invalid',
          severity: 'error',
          file: join(c.directory, 'policies/agents.cedar'),
          line: 11,
          column: 8,
          message: 'attribute `suspnded` on entity type `Agent` not found',
          suggestion: 'did you mean `suspended`?',
        },
      ],
      summary: { policies: 0, errors: 1, warnings: 0 },
    });
    const log = JSON.parse((await run('--config', c.config, '--sarif')).out) as ReturnType<typeof toSarif>;
    expect(log.runs[0]?.results?.map(({ ruleId }) => ruleId)).toEqual(['policy-invalid']);
  });

  it.each(['remit.yaml', 'remit.conf', 'remit', 'remit.yaml.new'])(
    'says no secret of a configuration %s, right or wrong',
    async (name) => {
      const c = company();
      const config = join(c.directory, name);
      c.write(name, `${c.read('remit.yaml')}spicedb: { mode: servr, token: s3cr3t-a, tokn: s3cr3t-b }\ndatabase: { url: "postgres://u:s3cr3t-c@h/d" }\nclients: [{ id: a, key_sha256: s3cr3t-d }]\n`); // prettier-ignore
      for (const form of [[], ['--json'], ['--sarif']]) {
        const { code, out } = await run('--config', config, ...form);
        expect(code).toBe(1);
        expect(out).not.toContain('s3cr3t');
      }
    },
  );

  it.each([
    [['--config', '/nowhere.yaml'], '/nowhere.yaml: there is no such file'],
    [['--json', '--sarif'], '--json and --sarif exclude each other'],
    [['now'], 'there is one argument too many: remit check takes options only'],
    [['--stric'], 'there is no option --stric (did you mean "--strict"?)'],
  ])('%j is not understood', async (args, text) => {
    await expect(run(...args)).rejects.toThrow(text);
  });
});
