/**
 * Limits on two replicas as they are run, of an action and of what users have granted, on one SpiceDB server and one PostgreSQL: as many are allowed as there is room
 * for, also where one of the two is killed among them, and what is used is what is on record.
 */
import { readValuesKey } from '../../src/config/records.js';
import { RecordValues } from '../../src/store/record-values.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { openService } from '../../src/service/service.js';
import { PostgresDatabase } from '../../src/store/database/postgres.js';
import { makeConsent } from '../../src/govern/consents/make-consent.js';
import { countWithin } from '../../src/govern/narrow-delegation.js';
import { ask, CLIENTS, FILES, SCHEMA, WORLD } from '../govern/limits/company.js';
import { collectCleanups } from '../support/cleanups.js';
import { dropDatabase, migratedUrl, NEEDS, postgresConfig, SERVER } from '../support/postgres/databases.js';
import { codes, step } from '../support/sample.js';
import { BINARY, named, startSpiceDb } from '../support/spicedb.js';
import { Caller, serve, type Remit } from './processes.js';
import { loadWorldIn, writeReplicaFiles } from './replica-files.js';

const bot = { type: 'agent', id: 'bot' };
const DAILY = (count: number) => [{ count, per: 'P1D' as const, window: 'sliding' as const }];
/** Two users who bound what the bot does for them: one in the delegation, one in two consents. */
const GRANT_FILES = {
  ...FILES,
  'schema.cedarschema': `${SCHEMA}
@permission("pay") @effect("write") @consent("standing")
action "send" appliesTo { principal: [Agent, User], resource: [Account] };
`,
  'world.yaml': WORLD.replace('relationships: |', `relationships: |
  account:1#owner@user:dora
  account:1#owner@user:emil
  agent:bot#delegator@user:dora
  agent:bot#delegator@user:emil`),
}; // prettier-ignore

describe.skipIf(SERVER === undefined || BINARY === '')(`${named('a limit on two replicas')} on ${NEEDS}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-limits-'));
  const file = join(directory, 'remit.yaml');
  const caller = new Caller('shop-key');
  const running: Remit[] = [];
  let database: PostgresDatabase;
  /** The bounds of the consents by their ids. */
  const consents = new Map<string, number>();

  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  beforeAll(async () => {
    const spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    const url = await migratedUrl(directory);
    onSuiteFinished(() => dropDatabase(url));
    database = new PostgresDatabase(postgresConfig(url));
    onSuiteFinished(() => database.close());
    onSuiteFinished(() => caller.close());
    await writeReplicaFiles(file, GRANT_FILES, { spicedb, url }, {
      clients: CLIENTS.map((client) => ({ ...client, rate: 100_000 })),
      // What is tested is that no more is allowed: not how slow a busy machine is.
      limits: { deadline_ms: 30_000, agent_rate: 100_000 },
    });
    const loading = loadConfig(file, { REMIT_DATA: join(directory, 'loading') });
    const service = await openService(loading);
    await loadWorldIn(directory, service);
    const { rules } = service.activePolicies;
    const [dora, emil] = [{ type: 'user', id: 'dora' }, { type: 'user', id: 'emil' }];
    const bounds = { online: true, background: false, ...countWithin(DAILY(100)) };
    await service.delegations.give({ giver: dora, agent: bot }, bounds, 'user:dora');
    for (const [count, ends] of [[60, undefined], [25, '2999-01-01T00:00:00Z'], [15, '2998-01-01T00:00:00Z']] as const) {
      const details = [{ type: 'remit', actions: ['send'] }];
      const terms = { details, access: 'online' as const, confirm: 'never' as const, limits: DAILY(count), ends };
      const read = { text: '', text_sha256: '', locale: 'en' };
      const { consent, evidence } = makeConsent(terms, { kind: 'user', user: 'emil' } as never, read, rules, new Date());
      expect(await service.consents.add({ user: emil, agent: bot }, consent, evidence, new Date())).toBe(true);
      consents.set(consent.id, count);
    }
    await service.close();
    for (const name of ['one', 'two']) {
      const remit = await serve(file, { data: join(directory, name) });
      running.push(remit);
      onSuiteFinished(() => remit.child.kill('SIGKILL'));
      await vi.waitUntil(() => fetch(`${remit.url}/health/ready`).then(({ status }) => status === 200), { timeout: 60_000 });
    }
  });

  /** The user as records name them. */
  const nameOf = async (user: string): Promise<string> => {
    const key = readValuesKey(join(directory, 'values.key'));
    const values = new RecordValues(database, { key, keepMs: 0, personTypes: () => new Set(['user']) });
    return `user:${(await values.findName({ type: 'user', id: user })) ?? ''}`;
  };
  const allowedOf = async (user: string): Promise<string[]> => {
    const [rows = []] = await database.run([
      {
        sql: `select id from records where decision and action = 'export' and user_key = $1`,
        params: [await nameOf(user)],
      },
    ]);
    return rows.map((row) => String(row['id'])).sort();
  };
  const reservedBy = async (user: string): Promise<string[]> => {
    const [rows = []] = await database.run([
      {
        sql: `select u.decision from limit_uses u join records d on d.id = u.decision
                where d.user_key = $1 and u.quantity = 1`,
        params: [await nameOf(user)],
      },
    ]);
    return rows.map((row) => String(row['decision'])).sort();
  };
  const question = (user: string, i: number) => ask('export', { user, agent: ['bot', 'planner', 'helper'][i % 3] ?? '', account: String((i % 3) + 1) });
  const askOne = (user: string, i: number, remit = running[i % 2] as Remit) =>
    caller.call('POST', `${remit.url}/access/v1/evaluation`, question(user, i));

  it('allows 100 of 200 at once', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => askOne('ann', i)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${JSON.stringify(body.context?.error ?? body)}`.slice(0, status === 200 ? 3 : 300)))).toEqual(new Set(['200']));
    const allowed = answers.filter(({ body }) => body.decision);
    expect(allowed).toHaveLength(100);
    for (const { body } of answers) if (!body.decision) expect(codes(body)).toEqual(['limit_exceeded']);
    const ids = allowed.map(({ body }) => body.context?.id ?? '').sort();
    expect([await allowedOf('ann'), await reservedBy('ann')]).toEqual([ids, ids]);
  });

  it('allows 100 of 200 at once that rest on a delegation', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        caller.call('POST', `${running[i % 2]?.url}/access/v1/evaluation`, ask('look', { user: 'dora' })),
      ),
    );
    const allowed = answers.filter(({ body }) => body.decision);
    expect(allowed).toHaveLength(100);
    for (const { body } of answers) if (!body.decision) expect(codes(body)).toEqual(['limit_exceeded']);
    expect(await reservedBy('dora')).toEqual(allowed.map(({ body }) => body.context?.id ?? '').sort());
  });

  it('allows 100 of 200 at once that rest on three consents, and each as many as it says', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        caller.call('POST', `${running[i % 2]?.url}/access/v1/evaluation`, ask('send', { user: 'emil' })),
      ),
    );
    const allowed = answers.filter(({ body }) => body.decision);
    expect(allowed).toHaveLength(100);
    for (const { body } of answers) if (!body.decision) expect(codes(body)).toEqual(['limit_exceeded']);
    const rested = new Map<string, number>();
    for (const { body } of allowed) {
      const id = String(step(body, 'consent')?.evidence['consent']);
      rested.set(id, (rested.get(id) ?? 0) + 1);
    }
    expect(rested).toEqual(consents);
    expect(await reservedBy('emil')).toEqual(allowed.map(({ body }) => body.context?.id ?? '').sort());
  });

  it('allows no more where one is killed among them, and all the rest afterwards', async () => {
    const [survivor, victim] = running as [Remit, Remit];
    let answered = 0;
    const answers = await Promise.all(
      Array.from({ length: 120 }, async (_, i) => {
        try {
          const answer = await askOne('ben', i);
          answered += 1;
          if (answered === 20) victim.child.kill('SIGKILL');
          return answer;
        } catch {
          // The connection has gone with its replica.
          return undefined;
        }
      }),
    );
    const told = answers.filter((answer) => answer?.body.decision);
    expect(answers).toContain(undefined);
    const before = await allowedOf('ben');
    expect(before.length).toBeLessThanOrEqual(100);
    expect(told.length).toBeLessThanOrEqual(before.length);
    // What the victim's connections still had to write is written or not by now.
    await vi.waitUntil(async () => !(await askOne('ben', 0, survivor)).body.decision, { timeout: 120_000 });
    const after = await allowedOf('ben');
    expect(after).toHaveLength(100);
    expect(await reservedBy('ben')).toEqual(after);
  });
}, 300_000); // prettier-ignore
