/**
 * Approvals on two replicas as they are run, on one SpiceDB server and one PostgreSQL: equal requests are one task, of many
 * answers one counts, an approval for one use allows once; also where one of the two is killed among them. Nor is a right lost that was
 * approved, or a webhook, where the replica is killed that has just stored it or sent it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { openService } from '../../src/service/service.js';
import { PostgresDatabase } from '../../src/store/database/postgres.js';
import { APPROVAL_FILES, QUESTION } from '../support/approval-world.js';
import { collectCleanups } from '../support/cleanups.js';
import { dropDatabase, migratedUrl, NEEDS, postgresConfig, SERVER } from '../support/postgres/databases.js';
import { clientNamed, codes, type Answer } from '../support/sample.js';
import { BINARY, named, startSpiceDb } from '../support/spicedb.js';
import { serve, type Remit } from './processes.js';
import { loadWorldIn, writeReplicaFiles } from './replica-files.js';

const ISSUER = 'https://login.example';
/** Repositories that rita may read, and may be given the right to push to. */
const READ_BY_RITA = Array.from({ length: 12 }, (_, i) => `r${i}`);
const FILES: Readonly<Record<string, string>> = {
  ...APPROVAL_FILES,
  'schema.zed': (APPROVAL_FILES['schema.zed'] ?? '')
    .replace('relation oncall: user', 'relation oncall: user\n  relation reader: user')
    .replace('permission read = push', 'permission read = push + reader'),
  'world.yaml': (APPROVAL_FILES['world.yaml'] ?? '').replace(
    'entities:',
    [
      'agent:coder#delegator@user:rita',
      ...READ_BY_RITA.flatMap((id) => [`repository:${id}#owner@user:olga`, `repository:${id}#reader@user:rita`]),
    ]
      .map((line) => `  ${line}\n`)
      .join('') + 'entities:',
  ),
};

describe.skipIf(SERVER === undefined || BINARY === '')(`${named('approvals on two replicas')} on ${NEEDS}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-approvals-'));
  const file = join(directory, 'remit.yaml');
  const running: Remit[] = [];
  /** The webhooks that came, and the answers that the receiver keeps back. */
  const received: { readonly id: unknown; readonly body: string }[] = [];
  const held: ServerResponse[] = [];
  let isHolding = false;
  let database: PostgresDatabase;
  let userToken: string;

  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  beforeAll(async () => {
    const spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    const url = await migratedUrl(directory);
    onSuiteFinished(() => dropDatabase(url));
    database = new PostgresDatabase(postgresConfig(url));
    onSuiteFinished(() => database.close());
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
    const issuedAt = Math.floor(Date.now() / 1000);
    userToken = await new SignJWT({ client_id: 'portal', auth_time: issuedAt })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })
      .setIssuer(ISSUER)
      .setSubject('olga')
      .setAudience('remit')
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + 3600)
      .sign(privateKey);
    const receiver = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        received.push({ id: request.headers['webhook-id'], body });
        if (isHolding) held.push(response);
        else response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    onSuiteFinished(() => receiver.close());
    const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
    writeFileSync(join(directory, 'hook'), `whsec_${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 });
    await writeReplicaFiles(
      file,
      FILES,
      { spicedb, url },
      {
        issuers: [
          {
            issuer: ISSUER,
            jwks: { keys: [jwk] },
            audience: 'remit',
            primary: true,
            shape: 'act',
            algorithms: ['ES256'],
            user_clients: ['portal'],
          },
        ],
        clients: [{ ...clientNamed('git', 'git', 'evaluate', 'asserts_subject'), rate: 100_000 }],
        approvals: { open: 1000 },
        notifications: [{ url: hook, secret_file: 'hook', events: ['approval.decided'] }],
        // What is tested is what comes out: not how slow a busy machine is.
        limits: { deadline_ms: 30_000, agent_rate: 100_000 },
      },
    );
    const loading = loadConfig(file, { REMIT_DATA: join(directory, 'loading') });
    const service = await openService(loading);
    await loadWorldIn(directory, service);
    await service.close();
    for (const name of ['one', 'two']) await start(name);
  });

  async function start(name: string): Promise<Remit> {
    const remit = await serve(file, { data: join(directory, name) });
    running.push(remit);
    onSuiteFinished(() => remit.child.kill('SIGKILL'));
    await vi.waitUntil(() => fetch(`${remit.url}/health/ready`).then(({ status }) => status === 200), {
      timeout: 60_000,
    });
    return remit;
  }

  const post = async (
    remit: Remit,
    path: string,
    body: object,
    credential = 'git-key',
    key?: string,
  ): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(`${remit.url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${credential}`,
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  const replica = (i: number): Remit => running[i % 2] as Remit;
  const question = (branch: string, more: object = {}): object => ({
    ...QUESTION,
    subject: { ...QUESTION.subject, properties: { act: { sub: 'coder' } } },
    action: { name: 'merge', properties: { branch } },
    ...more,
  });
  const ask = async (remit: Remit, branch: string, approval?: string, more: object = {}): Promise<Answer> => {
    const asked = question(branch, more) as { context: object };
    const context = approval === undefined ? asked.context : { ...asked.context, approval: { id: approval } };
    return (await post(remit, '/access/v1/evaluation', { ...asked, context })).body as Answer;
  };
  async function submit(remit: Remit, branch: string, key?: string, more: object = {}): Promise<string> {
    const denied = await ask(remit, branch, undefined, more);
    expect(codes(denied)[0]).toBe('approval_required');
    const { expires_at } = (denied.context as unknown as { access_request: { expires_at: string } }).access_request;
    const denial = { evaluation_id: denied.context?.id, expires_at };
    const answer = await post(remit, '/access/v1/requests', { ...question(branch, more), denial }, 'git-key', key);
    expect(answer.status, JSON.stringify(answer.body)).toBe(202);
    return (answer.body as { task: { id: string } }).task.id;
  }
  const approve = (remit: Remit, id: string, note?: string): ReturnType<typeof post> =>
    post(remit, `/v1/approvals/${id}/decision`, { decision: 'approve', note }, userToken);

  it('are one task, one answer and one use, however many come at once', async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, (_, i) => submit(replica(i), 'main', `k-${i}`)));
    const [id = ''] = ids;
    expect(new Set(ids).size).toBe(1);
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => approve(replica(i), id, `${i}`)));
    const [counted, ...others] = [...answers.entries()].filter(([, { status }]) => status === 200);
    expect(others).toEqual([]);
    // That one is answered the same again, since its reply may have been lost.
    expect((await approve(replica(1), id, `${counted?.[0]}`)).status).toBe(200);
    const uses = await Promise.all(Array.from({ length: 30 }, (_, i) => ask(replica(i), 'main', id)));
    expect(uses.filter(({ decision }) => decision)).toHaveLength(1);
    for (const use of uses) if (!use.decision) expect(codes(use)).toContain('approval_used');
  });

  it('are what was answered, where one is killed among them', async () => {
    const [survivor, victim] = running as [Remit, Remit];
    let used = 0;
    const known: { id?: string; approved?: boolean; allowed?: string }[] = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const state: { id?: string; approved?: boolean; allowed?: string } = {};
        try {
          state.id = await submit(replica(i), `b-${i}`);
          state.approved = (await approve(replica(i + 1), state.id)).status === 200;
          const answer = await ask(replica(i), `b-${i}`, state.id);
          if (answer.decision) state.allowed = answer.context?.id ?? '';
          used += 1;
          if (used === 5) victim.child.kill('SIGKILL');
        } catch (error) {
          // The connection has gone with its replica.
          if (!(error instanceof TypeError)) throw error;
        }
        return state;
      }),
    );
    expect(victim.child.killed).toBe(true);
    expect(known.some(({ allowed }) => allowed === undefined)).toBe(true);
    for (const [i, { id, approved, allowed }] of known.entries()) {
      const branch = `b-${i}`;
      const task = id ?? (await submit(survivor, branch));
      const [rows] = await database.run([
        { sql: 'select state, used_by from approval_tasks where id = $1::uuid', params: [task] },
      ]);
      if (approved === true) expect(rows?.[0]?.['state']).toBe('approved');
      if (allowed !== undefined) expect(rows?.[0]?.['used_by']).toBe(allowed);
      if (rows?.[0]?.['state'] === 'pending') expect((await approve(survivor, task)).status).toBe(200);
      const again = await ask(survivor, branch, task);
      // Used up by an answer that nobody got, or by the one that came; otherwise it is there still.
      expect(again.decision).toBe(rows?.[0]?.['used_by'] === null);
    }
    const [counts] = await database.run([
      {
        sql: `select (select count(*)::int from approval_tasks where used_by is not null) as used,
                (select count(*)::int from records where decision and record->'request'->>'action' = 'merge') as allowed,
                (select count(*)::int from approval_tasks t join records d on d.id = t.used_by where d.decision) as both`,
      },
    ]);
    expect(counts?.[0]).toEqual({ used: 41, allowed: 41, both: 41 });
  });

  it('serve all questions of the key that used one, and no others, however many come at once to two replicas', async () => {
    const [survivor] = running as [Remit];
    const other = await start('second');
    for (let round = 0; round < 15; round += 1) {
      const branch = `retried-${round}`;
      const id = await submit(survivor, branch);
      expect((await approve(survivor, id)).status).toBe(200);
      const keys = ['a', 'b', 'a', undefined, 'a', 'b', 'a', 'b'].map((key) => key && `${key}-${round}`);
      const asked = { ...question(branch), context: { ...QUESTION.context, approval: { id } } };
      const askAll = (): Promise<Answer[]> =>
        Promise.all(
          keys.map(async (key, i) => {
            const to = i % 3 === 0 ? other : survivor;
            return (await post(to, '/access/v1/evaluation', asked, 'git-key', key)).body as Answer;
          }),
        );
      const answers = await askAll();
      const allowed = keys.filter((_, i) => answers[i]?.decision);
      const [winner] = allowed;
      const ofWinner = winner === undefined ? [] : keys.filter((key) => key === winner);
      expect(allowed).toEqual(winner === undefined ? [undefined] : ofWinner);
      // After an attempt that failed, which every retry reports, the next ones of its key have the approval, and no others.
      const uses = answers.filter(({ decision }) => decision).map(({ context }) => context?.id ?? '');
      const reported = await Promise.all(
        uses.map((use, i) =>
          post(i % 2 === 0 ? other : survivor, `/v1/decisions/${use}/outcome`, { outcome: 'failed' }),
        ),
      );
      expect(new Set(reported.map(({ status }) => status))).toEqual(new Set([201]));
      const again = await askAll();
      expect(keys.filter((_, i) => again[i]?.decision)).toEqual(ofWinner);
    }
  });

  it('give the right that was approved, where the replica is killed that has stored a yes and not yet written the relationship', async () => {
    const [survivor] = running as [Remit];
    const victim = await start('three');
    const ofRita = (id: string) => ({
      subject: { type: 'user', id: 'rita', properties: { act: { sub: 'coder' } } },
      resource: { type: 'repository', id },
    });
    const ids = await Promise.all(READ_BY_RITA.map((id) => submit(survivor, 'main', undefined, ofRita(id))));
    const readStates = async (): Promise<Record<string, unknown>[]> => {
      const params = [`{${ids.join(',')}}`];
      const sql = 'select id, state, grant_state from approval_tasks where id = any ($1::uuid[]) order by id';
      return [...((await database.run([{ sql, params }]))[0] ?? [])];
    };
    const approving = Promise.all(
      ids.map((id) =>
        approve(victim, id).catch((error: unknown) => {
          // The connection has gone with its replica.
          if (!(error instanceof TypeError)) throw error;
        }),
      ),
    );
    await vi.waitUntil(async () => (await readStates()).some(({ state }) => state === 'approved'), {
      timeout: 60_000,
      interval: 1,
    });
    await victim.end('SIGKILL');
    await approving;
    for (const { id, state } of await readStates())
      if (state === 'pending') expect((await approve(survivor, String(id))).status).toBe(200);
    await vi.waitUntil(async () => (await readStates()).every(({ grant_state }) => grant_state === 'written'), {
      timeout: 60_000,
    });
    for (const [i, id] of READ_BY_RITA.entries())
      expect((await ask(survivor, 'main', ids[i], ofRita(id))).decision).toBe(true);
  });

  it('are told once more, where the replica is killed that has sent a webhook and not yet noted it', async () => {
    const [survivor] = running as [Remit];
    isHolding = true;
    const id = await submit(survivor, 'told');
    expect((await approve(survivor, id)).status).toBe(200);
    const find = () => received.filter(({ body }) => body.includes(id));
    await vi.waitUntil(() => find().length === 1, { timeout: 60_000 });
    const alive = running.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    await Promise.all(alive.map((remit) => remit.end('SIGKILL')));
    isHolding = false;
    const readWaiting = async (): Promise<unknown> => {
      const sql = `select count(*)::int as n from deliveries d join events e on e.id = d.event where e.ids->>'approval' = $1`;
      return (await database.run([{ sql, params: [id] }]))[0]?.[0]?.['n'];
    };
    expect(await readWaiting()).toBe(1);
    // The lease of the one that has died is over.
    await database.run([{ sql: 'update deliveries set next_at = now()' }]);
    await start('four');
    await vi.waitUntil(() => find().length === 2, { timeout: 60_000 });
    expect(new Set(find().map((webhook) => webhook.id)).size).toBe(1);
    await vi.waitUntil(async () => (await readWaiting()) === 0, { timeout: 60_000 });
  });
});
