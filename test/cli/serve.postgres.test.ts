/** Remit on PostgreSQL as an operator runs it: the built program, migrated, served, killed, and a second beside it. */
import { generateKeyPairSync } from 'node:crypto';
import { recordsIn } from '../support/record-values.js';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateKeyPair, exportJWK, SignJWT, type CryptoKey } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { SCHEMA_VERSION } from '../../src/store/migrations.js';
import { warnings } from '../faults/processes.js';
import { databaseUrl, NEEDS, SERVER } from '../support/postgres/databases.js';
import { clientNamed, codes, type Answer } from '../support/sample.js';
import { collectCleanups } from '../support/cleanups.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe.skipIf(SERVER === undefined)(NEEDS, () => {
  let directory: string;
  let file: string;
  let url: string;
  let key: CryptoKey;
  const running: ChildProcess[] = [];

  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'remit-replicas-'));
    onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
    onSuiteFinished(() => running.forEach((child) => child.kill('SIGKILL')));
    file = join(directory, 'remit.yaml');
    url = await databaseUrl(directory);
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    key = privateKey;
    const server = new URL(url);
    const password = decodeURIComponent(server.password);
    server.password = '';
    writeFileSync(join(directory, 'password'), password);
    const { privateKey: auditKey } = generateKeyPairSync('ed25519');
    writeFileSync(join(directory, 'audit.pem'), auditKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    writeFileSync(
      file,
      stringify({
        listen: { port: 0 },
        schema: { relationships: `${root}schema/acme.zed`, actions: `${root}schema/acme.cedarschema` },
        policies: `${root}policies`,
        world: `${root}fixtures/acme.yaml`,
        records: recordsIn(directory),
        audit: { key_file: 'audit.pem', origin: 'log.example' },
        database: { mode: 'postgres', url: server.href, ...(password === '' ? {} : { password_file: 'password' }) },
        issuers: [
          { issuer: 'urn:test', audience: 'api', primary: true, jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] } },
        ],
        clients: [clientNamed('api', 'api', 'evaluate', 'admin')],
      }),
    ); // prettier-ignore
  });

  const environment = (data: string): NodeJS.ProcessEnv => ({ ...process.env, REMIT_DATA: join(directory, data) });
  const remit = (args: readonly string[], data = 'one'): Promise<Ran> =>
    new Promise((resolve) => {
      const options = { cwd: root, env: environment(data) };
      execFile(process.execPath, [join(root, 'dist/main.js'), ...args, '--config', file], options, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err });
      });
    }); // prettier-ignore
  const serve = async (data: string): Promise<{ child: ChildProcess; url: string; log: () => string }> => {
    const child = spawn(process.execPath, [join(root, 'dist/main.js'), 'serve', '--json', '--config', file], {
      cwd: root,
      env: environment(data),
    });
    running.push(child);
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const at = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', (chunk: Buffer) => resolve((JSON.parse(chunk.toString()) as { url: string }).url));
      child.once('exit', () => reject(new Error(log)));
    });
    return { child, url: at, log: () => warnings(log) };
  };
  const ended = (child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> =>
    new Promise((resolve) => {
      child.once('exit', (code) => resolve(code));
      child.kill(signal);
    });
  const post = async (at: string, path: string, body: object): Promise<Response> =>
    fetch(`${at}${path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer api-key', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const ask = async (at: string): Promise<Answer> => {
    const token = await new SignJWT({ client_id: 'hr-assistant', scope: 'hr.employees.read', act: { sub: 'hr-assistant' } })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
      .setIssuer('urn:test').setAudience('api').setSubject('alice').setJti('j').setIssuedAt().setExpirationTime('5m')
      .sign(key); // prettier-ignore
    const answer = await post(at, '/access/v1/evaluation', {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: { token, supported_obligations: ['mask'] },
    });
    return (await answer.json()) as Answer;
  };
  const write = (at: string, operation: string): Promise<Response> =>
    post(at, '/v1/relationships', {
      updates: [{ operation, relationship: 'agent:hr-assistant#delegator@user:alice' }],
    });

  it('a start changes nothing, and says what would', async () => {
    const { code, err } = await remit(['serve']);
    expect([code, err]).toEqual([2, expect.stringMatching(/^remit: postgres:\/\/.*: the database has no tables of Remit: "remit migrate" makes them\n$/)]); // prettier-ignore
    expect((await remit(['migrate', '--check'])).code).toBe(1);
    expect((await remit(['serve'])).code).toBe(2);
  });

  it('remit migrate makes the tables, several at once too, and then has nothing to do', async () => {
    const ran = await Promise.all([remit(['migrate', '--json']), remit(['migrate', '--json'], 'two')]);
    expect(ran.map((r) => [r.code, r.err])).toEqual([[0, ''], [0, '']]); // prettier-ignore
    for (const { out } of ran) expect(JSON.parse(out)).toMatchObject({ database: { to: SCHEMA_VERSION } });
    expect(await remit(['migrate'])).toMatchObject({ code: 0, out: expect.stringContaining(`is of version ${SCHEMA_VERSION} already`) as string }); // prettier-ignore
    expect((await remit(['migrate', '--check'])).code).toBe(0);
  });

  it('serves; a second process with a graph of its own is refused, and begins when the first is gone', { timeout: 60_000 }, async () => {
    const first = await serve('one');
    expect((await ask(first.url)).decision).toBe(true);
    const second = await remit(['serve'], 'two');
    expect([second.code, second.err]).toEqual([
      2,
      expect.stringMatching(/^remit: postgres:\/\/[^@]*: the database is in use by "remit \d+ on .*"( at .*)?; an embedded SpiceDB holds the graph in the memory of its process, .*\n$/),
    ]);
    expect((await write(first.url, 'delete')).status).toBe(200);
    expect(codes(await ask(first.url))).toEqual(['delegation_missing']);
    await ended(first.child, 'SIGKILL');
    const third = await serve('two');
    expect(codes(await ask(third.url))).toEqual(['delegation_missing']);
    expect((await write(third.url, 'touch')).status).toBe(200);
    expect((await ask(third.url)).decision).toBe(true);
    expect(await ended(third.child, 'SIGTERM')).toBe(0);
    expect(first.log() + third.log()).toBe('');
  }); // prettier-ignore

  it('has no development issuer and no development client', async () => {
    const { code, err } = await remit(['token', '--user', 'alice', '--agent', 'hr-assistant']);
    expect([code, err]).toEqual([2, expect.stringContaining('the development issuer exists with embedded engines on loopback only')]); // prettier-ignore
  });
});
