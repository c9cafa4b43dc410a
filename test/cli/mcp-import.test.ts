/** `remit mcp import`: what it reads, what it prints, and its exit codes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { mcpCommand } from '../../src/cli/mcp.js';

const TOOLS = [
  { name: 'read_note', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } },
  { name: 'write_note', inputSchema: { type: 'object' }, annotations: { destructiveHint: false } },
];

function scratch(): string {
  const made = mkdtempSync(join(tmpdir(), 'remit-mcp-cli-'));
  onTestFinished(() => {
    rmSync(made, { recursive: true, force: true });
  });
  return made;
}

interface Ran {
  readonly code: number;
  readonly output: string;
}

/** Runs the command in this process. */
async function run(...args: string[]): Promise<Ran> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    const code = await mcpCommand.run(['import', ...args]);
    return { code, output: write.mock.calls.map(([text]) => String(text)).join('') };
  } finally {
    write.mockRestore();
  }
}

function writeTools(value: unknown, name = 'notes.json'): { file: string; out: string } {
  const directory = scratch();
  const file = join(directory, name);
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  return { file, out: join(directory, 'company') };
}

it.each([
  ['the result', { tools: TOOLS }],
  ['the answer', { jsonrpc: '2.0', id: 1, result: { tools: TOOLS } }],
  ['the list', TOOLS],
])('%s is imported, under the name of the file', async (_, value) => {
  const { file, out } = writeTools(value);
  const { code, output } = await run(file, '--out', out, '--json');
  expect(code).toBe(0);
  expect(JSON.parse(output)).toMatchObject({ server: 'notes', tools: ['read_note', 'write_note'], refused: [], kept: [] });
  expect(readFileSync(join(out, 'schema/mcp-notes.cedarschema'), 'utf8')).toContain('@scope("mcp.notes.read")');
}); // prettier-ignore

it('says what it made, what it left, and what it refused', async () => {
  const { file, out } = writeTools({ tools: [...TOOLS, { name: '\u001b[2Jx', inputSchema: {} }] });
  const first = await run(file, '--out', out, '--server', 'my-notes');
  expect(first.code).toBe(1);
  expect(first.output).toContain('made       policies/mcp-my-notes.cedar');
  expect(first.output).toContain('refused    \\u001b[2Jx: has a name that has a character that is not seen');
  expect(first.output).not.toContain('\u001b');
  writeFileSync(join(out, 'remit.yaml'), '# Mine.');
  const second = await run(file, '--out', out, '--server', 'my-notes');
  expect(second.output).toContain('nothing has changed');
  expect(second.output).toContain('kept       remit.yaml, which its author has changed');
  expect((await run(file, '--out', out, '--server', 'my-notes', '--replace')).output).toContain(
    'updated    remit.yaml',
  );
});

it('a second server gets none of the names of the first, and is imported again as it was', async () => {
  const { file, out } = writeTools(TOOLS);
  await run(file, '--out', out);
  const second = [...TOOLS, { name: 'find', inputSchema: {} }];
  const { file: other } = writeTools(second, 'other.json');
  for (const _ of [1, 2]) {
    const { code, output } = await run(other, '--out', out, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(output)).toMatchObject({
      tools: ['find'],
      refused: TOOLS.map(({ name }) => ({ tool: name, problem: 'has the name of a tool of the server "notes"' })),
    });
  }
  expect((await run(file, '--out', out)).code).toBe(0);
});

it.each<[string, unknown, string]>([
  ['other JSON', { tool: [] }, 'is no answer to tools/list'],
  ['no list', { tools: {} }, 'is no answer to tools/list'],
  ['no tools', { tools: [] }, 'has no tools'],
  ['one page of several', { tools: TOOLS, nextCursor: 'x' }, 'is one page of a list that goes on'],
  ['a member given twice', '{"tools":[{"name":"a","name":"b"}]}', 'is given twice'],
  ['no tool that can be imported', { tools: [{ name: '' }] }, 'has no tool that can be imported'],
  ['too many tools', { tools: Array.from({ length: 401 }, (_, i) => ({ name: `t${i}`, inputSchema: {} })) }, 'more than 400'],
])('refuses %s', async (_, value, message) => {
  const { file, out } = writeTools(value);
  await expect(run(file, '--out', out)).rejects.toThrow(message);
}); // prettier-ignore

it.each<[string[], string]>([
  [['Tools.json'], 'must be lower-case letters'],
  [['notes.json', '--server', '../up'], 'must be lower-case letters'],
  [['https://mcp.example.com/'], '--server NAME is needed'],
  [['notes.json', '--credential', 'token.txt'], '--credential is for a URL'],
  [['http://mcp.example.com/', '--server', 'x'], 'must be an https URL'],
])('refuses %j', async (args, message) => {
  await expect(run(...args)).rejects.toThrow(message);
});

it('a credential that is none is refused before anything is sent, and not repeated', async () => {
  const { file } = writeTools('two words', 'token.txt');
  const failure = await run('https://127.0.0.1:1/', '--server', 'x', '--credential', file).catch((error: unknown) => String(error)); // prettier-ignore
  expect(failure).toContain('the file must have one token');
  expect(failure).not.toContain('words');
});
