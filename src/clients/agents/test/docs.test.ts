/** What the docs show runs: the examples, and the README's lines in an empty project. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

const { url, key, tokens } = inject('service');
const clients = fileURLToPath(new URL('../..', import.meta.url));
const execute = promisify(execFile);
const env = {
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  REMIT_URL: url,
  REMIT_KEY: key,
  AGENT_TOKEN: tokens.reader,
};

it.each(['ai', 'langchain', 'openai', 'mcp'])('the example %s.mjs is guarded, and masks', async (name) => {
  const { stdout } = await execute(process.execPath, [join(clients, 'examples', `${name}.mjs`)], { env });
  const [shown, erin = '', grace = ''] = stdout.split('\n');
  expect([shown, JSON.parse(erin), JSON.parse(grace)]).toEqual([
    'shown read_employee',
    { id: 'erin', name: 'Erin' },
    expect.objectContaining({ refused: true, code: 'denied' }),
  ]);
});

it.each(['ai', 'langchain', 'openai', 'mcp'])('the example %s.mjs says what is wrong with its token', async (name) => {
  const { AGENT_TOKEN: _token, ...bare } = env;
  const run = (more: Record<string, string>): Promise<unknown> =>
    execute(process.execPath, [join(clients, 'examples', `${name}.mjs`)], { env: { ...bare, ...more } });
  const say = (text: string): object => ({ code: 1, stdout: '', stderr: expect.stringContaining(text) as string });
  await expect(run({ AGENT_TOKEN: 'x' })).rejects.toMatchObject(say('RemitDenied: denied: token_malformed'));
  await expect(run({ AGENT_TOKEN: '' })).rejects.toMatchObject(say('TypeError: remit: the token is a text'));
  await expect(run({})).rejects.toMatchObject(say('RemitSetupError: the client is wrongly set up: there is no token'));
});

describe('the package in an empty project', () => {
  const project = mkdtempSync(join(tmpdir(), 'remit-agents-'));
  beforeAll(async () => {
    const pack = ['pack', '-w', 'remit-client', '-w', 'remit-agents', '--pack-destination', project];
    await execute('npm', pack, { cwd: clients });
    writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }');
    const archives = ['remit-agents-0.1.0.tgz', 'remit-client-0.1.0.tgz'];
    expect(readdirSync(project).filter((file) => file.endsWith('.tgz'))).toEqual(archives);
    const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
    const packages = [...archives.map((file) => `./${file}`), 'ai@6.0.325', 'zod@4.6.7'];
    await execute('npm', ['install', ...options, ...packages], { cwd: project });
  });
  afterAll(() => {
    rmSync(project, { recursive: true, force: true });
  });

  it('holds what it is made of, and no more', () => {
    const files = readdirSync(join(project, 'node_modules/remit-agents'), { recursive: true, encoding: 'utf8' });
    const unexpected = files.filter((file) => !/^(dist|dist\/[\w-]+\.(js|d\.ts)|package\.json|README\.md)$/.test(file));
    expect(unexpected).toEqual([]);
    for (const name of ['index', 'ai', 'langchain', 'openai', 'mcp']) expect(files).toContain(`dist/${name}.d.ts`);
  });

  it('brings no framework, and asks for none that is not used', () => {
    const installed = readdirSync(join(project, 'node_modules'));
    expect(installed).toContain('ai');
    for (const name of ['langchain', '@langchain', '@openai', '@modelcontextprotocol'])
      expect(installed).not.toContain(name);
  });

  it('runs the lines of its README', async () => {
    const readme = readFileSync(join(clients, 'agents/README.md'), 'utf8');
    const [, lines = ''] = /^```js\n([\s\S]*?)^```/m.exec(readme) ?? [];
    writeFileSync(join(project, 'agent.js'), lines);
    writeFileSync(
      join(project, 'your-agent.js'),
      `import { jsonSchema } from 'ai';
const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const say = (content, unified) => ({ content, finishReason: { unified, raw: unified }, usage, warnings: [] });
export const model = {
  specificationVersion: 'v3', provider: 'test', modelId: 'test', supportedUrls: {},
  doGenerate: async ({ prompt }) => {
    const read = prompt.findLast(({ role }) => role === 'tool');
    return read === undefined
      ? say([{ type: 'tool-call', toolCallId: '1', toolName: 'read_employee', input: '{"id":"erin"}' }], 'tool-calls')
      : say([{ type: 'text', text: JSON.stringify(read.content[0].output.value) }], 'stop');
  },
};
export const tools = { read_employee: { inputSchema: jsonSchema({ type: 'object' }), execute: () => ({ name: 'Erin', salary: 125000 }) } };
`,
    );
    const { stdout } = await execute(process.execPath, ['agent.js'], { cwd: project, env });
    expect(stdout).toBe('{"name":"Erin"}\n');
  });
});
