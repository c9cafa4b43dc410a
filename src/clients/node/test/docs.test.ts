/** What the docs show runs: the examples, the parts of them in the guide, and the READMEs' lines in an empty project. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';

const { url, key, tokens } = inject('service');
const clients = fileURLToPath(new URL('../..', import.meta.url));
const examples = join(clients, 'examples');
const execute = promisify(execFile);
const env = {
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  REMIT_URL: url,
  REMIT_KEY: key,
  AGENT_TOKEN: tokens.reader,
  PORT: '0',
};
const read = (path: string): string => readFileSync(join(clients, path), 'utf8');
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, block = '']) => block);

/** Runs a program until it has printed its address. */
async function startApi(file: string): Promise<{ readonly api: ChildProcess; readonly address: string }> {
  const api = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: api.stdout }))
    if (line.startsWith('http')) return { api, address: line };
  throw new Error(`${file} printed no address`);
}
async function expectGuarded(file: string, record: object): Promise<void> {
  const { api, address } = await startApi(file);
  try {
    const ask = (path: string, init: RequestInit = {}): Promise<Response> => fetch(address + path, init);
    const headers = { authorization: `Bearer ${tokens.reader}` };
    expect(await (await ask('/employees/erin', { headers })).json()).toEqual(record);
    expect((await ask('/employees/erin')).status).toBe(401);
    expect((await ask('/employees/erin', { method: 'DELETE', headers })).status).not.toBe(204);
    expect(await (await ask('/health')).json()).toEqual({ ok: true });
  } finally {
    api.kill();
  }
}

describe('examples', () => {
  it('client.mjs prints what may be seen', async () => {
    const { stdout } = await execute(process.execPath, [join(examples, 'client.mjs')], { env });
    expect(stdout).toMatch(/^\{ name: 'Erin' \}\nfalse policy_forbid\n(\S+\n)*erin\n/);
  });

  it.each(['fastify', 'express', 'hono'])('%s.mjs is guarded, and masks', async (name) => {
    await expectGuarded(join(examples, `${name}.mjs`), { id: 'erin', name: 'Erin' });
  });

  it('approvals.mjs lists what may be seen, and merges once an owner has approved', async () => {
    const { api, address } = await startApi(join(examples, 'approvals.mjs'));
    const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
    const list = async (headers: Record<string, string>): Promise<Response> =>
      fetch(`${address}/employees`, { headers });
    const merge = async (branch: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${address}/repositories/payments-api/merge`, {
        method: 'POST',
        headers: { ...bearer(tokens.coder), ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ branch }),
      });
    try {
      expect(await (await list(bearer(tokens.reader))).json()).toEqual([{ id: 'erin', name: 'Erin' }]);
      const statuses = [{}, bearer('a.b.c'), bearer(`${tokens.reader.slice(0, -9)}AAAAAAAAA`), bearer(tokens.unscoped)];
      expect(await Promise.all(statuses.map(async (headers) => (await list(headers)).status))).toEqual([
        401, 401, 401, 403,
      ]);

      const denied = await merge('main');
      expect(denied.status).toBe(403);
      const { decision } = (await denied.json()) as { decision: string };
      const retry = { 'denied-decision': decision };
      const waiting = async (): Promise<readonly { id: string }[]> => {
        const answer = await fetch(`${url}/v1/approvals?state=pending`, { headers: bearer(tokens.owner) });
        return ((await answer.json()) as { results: { id: string }[] }).results;
      };
      await vi.waitFor(async () => expect(await waiting()).toHaveLength(1));
      expect((await merge('main', retry)).status).toBe(403);
      for (const { id } of await waiting()) {
        const answer = await fetch(`${url}/v1/approvals/${id}/decision`, {
          method: 'POST',
          headers: { ...bearer(tokens.owner), 'content-type': 'application/json' },
          body: '{"decision":"approve"}',
        });
        expect(answer.status).toBe(200);
      }
      expect((await merge('main')).status).toBe(403);
      // The API may hear of its task a moment after the owner sees it.
      const merged = await vi.waitFor(async () => {
        const answer = await merge('main', retry);
        expect(answer.status).toBe(200);
        return answer.json();
      });
      expect(merged).toEqual({ merged: 'payments-api' });
      expect((await merge('main', retry)).status).toBe(403);
    } finally {
      api.kill();
    }
  });
});

const guide = read('../../docs/guide/guard-an-api.md');

describe('the guide', () => {
  it('shows parts of the examples', () => {
    const sources = readdirSync(examples)
      .filter((file) => file.endsWith('.mjs'))
      .map((file) => read(`examples/${file}`));
    const shown = blocks(guide, 'js');
    expect(shown.length).toBeGreaterThan(3);
    expect(shown.filter((block) => !sources.some((source) => source.includes(block)))).toEqual([]);
  });
});

describe('the packages in an empty project', () => {
  const project = mkdtempSync(join(tmpdir(), 'remit-packed-'));
  beforeAll(async () => {
    const pack = ['pack', '-w', 'remit-client', '-w', 'remit-node', '--pack-destination', project];
    await execute('npm', pack, { cwd: clients });
    writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }');
    const archives = readdirSync(project).filter((file) => file.endsWith('.tgz'));
    expect(archives.sort()).toEqual(['remit-client-0.1.0.tgz', 'remit-node-0.1.0.tgz']);
    const install = [
      'install',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--prefer-offline',
      ...archives.map((file) => `./${file}`),
    ];
    await execute('npm', [...install, 'fastify@5.12.8'], { cwd: project });
  });
  afterAll(() => {
    rmSync(project, { recursive: true, force: true });
  });

  it.each(['client', 'node'])('%s holds what it is made of, and no more', (name) => {
    const files = readdirSync(join(project, 'node_modules', `remit-${name}`), { recursive: true, encoding: 'utf8' });
    const unexpected = files.filter((file) => !/^(dist|dist\/[\w-]+\.(js|d\.ts)|package\.json|README\.md)$/.test(file));
    expect(unexpected).toEqual([]);
    expect(files).toContain('dist/index.d.ts');
  });

  it('the client has no dependency', () => {
    const { dependencies } = JSON.parse(read('client/package.json')) as { dependencies?: object };
    expect(dependencies).toBeUndefined();
  });

  it('run the lines of their READMEs', async () => {
    const [lines = ''] = blocks(read('client/README.md'), 'js');
    writeFileSync(join(project, 'client.js'), lines);
    const { stdout } = await execute(process.execPath, ['client.js'], { cwd: project, env });
    expect(stdout).toBe("{ name: 'Erin' }\n");
    const [api = ''] = blocks(read('node/README.md'), 'js');
    writeFileSync(join(project, 'api.js'), api);
    await expectGuarded(join(project, 'api.js'), { name: 'Erin' });
  });

  it('have types that check in a strict project', async () => {
    writeFileSync(
      join(project, 'typed.ts'),
      `import Fastify, { type FastifyRequest } from 'fastify';
import { createClient, type Evaluation } from 'remit-client';
import { tokenSubject } from 'remit-node';
import remit from 'remit-node/fastify';
const client = createClient({ url: 'https://pdp.example', key: 'k' });
export const answer: Promise<Evaluation> = client.can({ subject: { type: 'user', id: 'a' }, action: 'read', resource: { type: 't', id: 'b' } });
const app = Fastify();
await app.register(remit, { client, subject: tokenSubject((r: FastifyRequest, name) => [r.headers[name]].flat()[0]) });
app.get('/x', { config: { remit: { action: 'read', resource: (r) => ({ type: 't', id: r.url }) } } }, (r) => r.remit?.id);
// @ts-expect-error a question has a resource
app.get('/y', { config: { remit: { action: 'read' } } }, () => 'y');
`,
    );
    const shown = blocks(guide, 'ts');
    expect(shown.length).toBeGreaterThan(1);
    const files = shown.map((code, i) => ({ name: `guide-${i}.ts`, code }));
    for (const { name, code } of files) writeFileSync(join(project, name), code);
    const compiler = join(clients, 'node_modules/typescript/bin/tsc');
    const types = join(clients, 'node_modules/@types');
    const options = [
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--module',
      'nodenext',
      '--skipLibCheck',
      '--typeRoots',
      types,
      '--types',
      'node',
    ];
    const result = await execute(
      process.execPath,
      [compiler, ...options, 'typed.ts', ...files.map(({ name }) => name)],
      { cwd: project },
    ).catch((error: unknown) => error);
    expect((result as { stdout: string }).stdout).toBe('');
  });
});
