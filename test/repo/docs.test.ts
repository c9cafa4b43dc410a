/** What the README and the docs show is run: their requests are asked, their answers held, their files loaded. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { loadRules } from '../../src/policy/load.js';
import { clientNamed, codes, start, startWith, type Running } from '../support/sample.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const api = readFileSync(join(root, 'docs/guide/api.md'), 'utf8');
const ownCompany = readFileSync(join(root, 'docs/guide/own-company.md'), 'utf8');
const configuration = readFileSync(join(root, 'docs/reference/configuration.md'), 'utf8');

/** The fenced blocks of a language, in order. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((m) => m[1] ?? '');
}

describe('README and docs/guide/api.md', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await start();
    return () => remit.stop();
  });

  it('shows requests that work, and their answers', async () => {
    const [ask] = blocks(readme, 'http');
    const [end = '', renew = ''] = blocks(api, 'http');
    const [answer] = blocks(readme, 'json');
    const token = await remit.mint({
      user: 'alice',
      agent: 'hr-assistant',
      scope: 'hr.employees.read hr.employees.write',
    });
    const body = (ask ?? '').slice((ask ?? '').indexOf('{')).replace("<the agent's token>", token);
    const response = await remit.post('/access/v1/evaluation', body);
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject(JSON.parse(answer ?? '') as object);

    expect((await remit.post('/v1/relationships', end.slice(end.indexOf('{')))).statusCode).toBe(200);
    expect(codes((await remit.post('/access/v1/evaluation', body)).json())).toEqual(['delegation_missing']);
    expect((await remit.post('/v1/relationships', renew.slice(renew.indexOf('{')))).statusCode).toBe(200);
    expect(codes((await remit.post('/access/v1/evaluation', body)).json())).toEqual([]);
  });

  it('shows a stream that is answered as it says', async () => {
    const [lines = '', answer = ''] = blocks(api, 'ndjson');
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
    const response = await remit.post('/v1/filter', lines.replace("<the agent's token>", token), {
      'content-type': 'application/x-ndjson',
    });
    const id = /"id":"([0-9a-f-]{36})"/.exec(answer)?.[1] ?? '';
    expect(response.body).toBe(answer.replace(id, String(response.headers['remit-decision-id'])));
  });

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const [, name] of `${readme}${api}${ownCompany}`.matchAll(/npm run (?:-s )?([a-z]+)/g))
      expect(Object.keys(scripts)).toContain(name);
  });
});

it('docs/guide/own-company.md shows commands that work in a fresh directory, one after the other', () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-docs-'));
  try {
    const commands = (blocks(ownCompany, 'sh')[0] ?? '').trim().split('\n');
    expect(commands.map((command) => /remit -- (\w+)/.exec(command)?.[1])).toEqual(['init', 'check', 'test', undefined, 'diff']);
    const outputs = commands.map((command) =>
      execFileSync('sh', ['-c', command.replace('npm run -s remit --', `"${process.execPath}" "${join(root, 'dist/main.js')}"`)], { cwd: directory, encoding: 'utf8' }),
    );
    expect(outputs.at(-1)).toContain('no decision differs');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 240_000); // prettier-ignore

describe('docs/reference/configuration.md', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'remit-docs-'));
    return () => {
      rmSync(directory, { recursive: true, force: true });
    };
  });

  it('shows a schema and a world that load with the configuration of docs/guide/own-company.md', async () => {
    const [schema] = blocks(configuration, 'cedarschema');
    const world = blocks(configuration, 'yaml').find((block) => block.startsWith('relationships:'));
    const [zed = ''] = blocks(configuration, 'zed');
    const [policy = ''] = blocks(configuration, 'cedar');
    loadRules({
      relationships: { name: 'z', text: zed },
      actions: [{ name: 'a', text: schema ?? '' }],
      policies: [{ name: 'p', text: policy }],
    });

    writeFileSync(join(directory, 'company.zed'), zed);
    writeFileSync(join(directory, 'company.cedarschema'), schema ?? '');
    writeFileSync(join(directory, 'p.cedar'), policy);
    writeFileSync(join(directory, 'world.yaml'), world ?? '');
    const [config] = blocks(ownCompany, 'yaml');
    const file = join(directory, 'remit.yaml');
    writeFileSync(file, (config ?? '').replace('policies: policies ', 'policies: . '));
    expect(loadConfig(file, {}).clients.map((c) => c.id)).toEqual(['docs-api']);
    const remit = await start(file);
    expect(
      (await remit.service.activePolicies.engine.read({ resourceType: 'document' }, 5, 'full')).relationships,
    ).toHaveLength(1);
    await remit.stop();
  });

  it('shows a SpiceDB server that is read', () => {
    const spicedb = blocks(configuration, 'yaml').find((block) => block.startsWith('spicedb:')) ?? '';
    const client = `clients: [{ id: a, key_sha256: ${'a'.repeat(64)} }]`;
    const file = join(directory, 'server.yaml');
    writeFileSync(file, `schema: { relationships: a, actions: b }\npolicies: .\n${spicedb}${client}\n`);
    writeFileSync(join(directory, 'spicedb.key'), 'the-key\n');
    writeFileSync(join(directory, 'ca.pem'), readFileSync(join(root, 'test/support/certificates/server.pem')));
    expect(loadConfig(file, {}).spicedb).toMatchObject({
      endpoint: 'spicedb.internal:50051',
      key: 'the-key',
      plaintext: false,
    });
  });
});

it('docs/reference/configuration.md shows a database that is read', () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-docs-'));
  const database = blocks(configuration, 'yaml').find((block) => block.startsWith('database:')) ?? '';
  const file = join(directory, 'remit.yaml');
  writeFileSync(join(directory, 'password'), 'p');
  writeFileSync(join(directory, 'database-ca.pem'), 'PEM');
  writeFileSync(
    file,
    `schema: { relationships: a, actions: b }\npolicies: .\nclients: [${JSON.stringify(clientNamed('api', 'remit', 'evaluate'))}]\n${database.replace('/run/secrets/remit-database', 'password')}`,
  );
  expect(loadConfig(file, {}).database).toMatchObject({ mode: 'postgres', host: 'db.example', tls: { ca: 'PEM' } });
  rmSync(directory, { recursive: true, force: true });
});

it('docs/reference/configuration.md shows listeners that are read', () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-docs-'));
  const listen = blocks(configuration, 'yaml').find((block) => block.startsWith('listen:')) ?? '';
  const file = join(directory, 'remit.yaml');
  for (const [name, from] of [['remit.pem', 'server.pem'], ['remit.key', 'server.key'], ['callers-ca.pem', 'holder.pem']] as const)
    writeFileSync(join(directory, name), readFileSync(join(root, 'test/support/certificates', from)));
  writeFileSync(file, `schema: { relationships: a, actions: b }\npolicies: .\nclients: [${JSON.stringify(clientNamed('api', 'remit', 'evaluate'))}]\n${listen}`);
  expect(loadConfig(file, {})).toMatchObject({ host: '0.0.0.0', tls: { clientCertificates: true }, admin: { port: 7481 } });
  rmSync(directory, { recursive: true, force: true });
}); // prettier-ignore

describe('docs/operate/keys.md', () => {
  const text = readFileSync(join(root, 'docs/operate/keys.md'), 'utf8');

  it('makes keys whose hashes are taken', () => {
    const [, make = ''] = blocks(text, 'sh');
    const hash = execFileSync('sh', ['-c', `set -e\n${make}`], { encoding: 'utf8' }).trim();
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('makes a new secret, after which page tokens of before are refused', async () => {
    const [sql = ''] = blocks(text, 'sql');
    const search = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee' }, context: { mode: 'human' } };
    const page = (remit: Running, token?: string) => remit.post('/access/v1/search/resource', { ...search, page: { limit: 1, token } });
    const before = await start();
    const { next_token } = (await page(before)).json<{ page: { next_token: string } }>().page;
    expect((await page(before, next_token)).statusCode).toBe(200);
    await before.service.database.run([{ sql }]);
    await before.stop({ keep: true });
    const after = await start(undefined, before.data);
    expect(after.service.secret).not.toBe(before.service.secret);
    expect([(await page(after, next_token)).statusCode, (await page(after)).statusCode]).toEqual([400, 200]);
    await after.stop();
  }, 120_000); // prettier-ignore
});

describe('docs/security/threat-model.md', () => {
  const text = readFileSync(join(root, 'docs/security/threat-model.md'), 'utf8');
  const attacks = text.slice(text.indexOf('## Attacks'), text.indexOf('## Not defended'));
  const rows = attacks.split('\n').filter((line) => /^\| (?!attack)[^-]/.test(line));
  const named = [...attacks.matchAll(/`(test\/[\w/.-]+)`: “([^”]+)”/g)].map((m) => [m[1] ?? '', m[2] ?? ''] as const);

  it.each(named)('names a test that there is: %s, %s', (file, title) => {
    const code = readFileSync(join(root, file), 'utf8');
    const forms = file.endsWith('.yaml') ? [`attack: ${title},`] : [`'${title}'`, `"${title}"`, `\`${title}\``];
    expect(forms.some((form) => code.includes(form))).toBe(true);
  });

  it('names a test for each attack that it says is defended', () => {
    expect(rows.length).toBeGreaterThan(30);
    for (const row of rows) expect(row).toMatch(/`test\/[\w/.-]+`: “[^”]+”/);
  });
});

describe('docs/reference/tokens.md', () => {
  const text = readFileSync(join(root, 'docs/reference/tokens.md'), 'utf8');

  it('shows issuers that are read, and a schema that is', () => {
    const directory = mkdtempSync(join(tmpdir(), 'remit-docs-'));
    const [issuers = ''] = blocks(text, 'yaml');
    const file = join(directory, 'remit.yaml');
    writeFileSync(file, `schema: { relationships: a, actions: b }\npolicies: .\n${issuers}`);
    expect(loadConfig(file, {}).issuers).toMatchObject([
      { preset: 'entra', shapes: ['client_id', 'agent'], tenants: [expect.any(String), expect.any(String)] },
      { preset: 'cognito', audience_from: 'resource' },
      { shapes: ['agent'], assumed_scopes: ['code.read'] },
    ]);
    rmSync(directory, { recursive: true, force: true });
    const [zed = ''] = blocks(text, 'zed');
    expect(readFileSync(join(root, 'schema/acme.zed'), 'utf8').replace(/^ *(\/\/|\/\*\*).*\n/gm, '')).toContain(zed);
  }); // prettier-ignore

  it('shows recipes that work', async () => {
    const [issuer = '', dpop = ''] = blocks(text, 'js');
    const run = async (code: string, answer: string): Promise<Record<string, unknown>> => {
      const file = join(root, 'node_modules', `.recipe-${randomUUID()}.mjs`);
      writeFileSync(file, `${code}\nexport const answer = ${answer};\n`);
      try {
        return ((await import(file)) as { answer: Record<string, unknown> }).answer;
      } finally {
        rmSync(file);
      }
    };
    const own = (await run(issuer, '{ issuers, token }')) as { issuers: object[]; token: string };
    const remit = await startWith({ issuers: own.issuers, clients: [clientNamed('api', 'remit', 'evaluate')] });
    remit.at(new Date());
    const question = (context: object): object => ({
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context,
    });
    const key = { authorization: 'Bearer api-key' };
    expect(codes((await remit.post('/access/v1/evaluation', question({ token: own.token, supported_obligations: ['mask'] }), key)).json())).toEqual([]);
    await remit.stop();

    const sample = await start();
    sample.at(new Date());
    const holder = (await run(dpop, '{ jkt, proofFor }')) as { jkt: string; proofFor: (...of: string[]) => Promise<string> };
    const token = await sample.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', jkt: holder.jkt });
    const url = 'https://hr.example/employees/erin';
    const proof = { jwt: await holder.proofFor(token, 'GET', url), method: 'GET', url };
    expect(codes(await sample.evaluate(question({ token, proof })))).toEqual([]);
    const own_ = await sample.mint({ user: 'alice' });
    const ended = await sample.app.inject({ method: 'DELETE', url: '/v1/sessions/s1', headers: { host: '127.0.0.1:7480', authorization: `Bearer ${own_}` } });
    expect(ended.statusCode).toBe(204);
    await sample.stop();
  }); // prettier-ignore

  it('shows a detail that covers what it says', async () => {
    const remit = await start();
    const [detail = ''] = blocks(text, 'json');
    const token = await remit.mint({
      user: 'alice',
      agent: 'hr-assistant',
      scope: 'hr.employees.write',
      details: [JSON.parse(detail) as Record<string, unknown>],
    });
    const ask = (amount: number) =>
      remit.evaluate({
        subject: { type: 'user', id: 'alice' },
        action: { name: 'update', properties: { amount } },
        resource: { type: 'employee', id: 'erin', properties: { status: 'active' } },
        context: { token, purpose: 'payroll' },
      });
    expect(codes(await ask(100))).toEqual([]);
    expect(codes(await ask(101))).toEqual(['authorization_details_mismatch']);
    await remit.stop();
  });
});
