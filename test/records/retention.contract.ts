/** The contract of the retention on every database: what is old goes, whatever replicas do, and what was removed otherwise is named. */
import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/audit/checkpoint.js';
import { formatRetention } from '../../src/audit/retention-note.js';
import { toNoteKey } from '../../src/audit/signed-note.js';
import { newDecisionId } from '../../src/decide/decision-id.js';
import type { SearchRecord } from '../../src/model/decision.js';
import { NO_ACCOUNT } from '../../src/model/question.js';
import { selectRetention } from '../../src/records/opened-retention.js';
import { RecordSweeper } from '../../src/records/record-sweeper.js';
import { Sequencer, type LogSigner } from '../../src/records/sequencer.js';
import { LogVerifier } from '../../src/records/verify-log.js';
import type { Database, DatabaseRow } from '../../src/store/database/port.js';
import { LogPages } from '../../src/store/log-pages.js';
import { LogStore } from '../../src/store/log-store.js';
import { RetentionStore } from '../../src/store/retention-store.js';
import { RecordHold, type Hold } from '../../src/store/record-hold.js';
import { emptyLog, recordOf } from '../store/log.contract.js';
import { newDecisionStore, recordValuesOf } from '../support/record-values.js';

const DAY_MS = 86_400_000;
const KEEP_MS = 365 * DAY_MS;
const HOUR_MS = 3_600_000;
const signer: LogSigner = { origin: 'log.example', privateKey: generateKeyPairSync('ed25519').privateKey };
const key = toNoteKey(signer.origin, signer.privateKey);
const daysAgo = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString();

const DEFAULTS = {
  signedBy: signer as LogSigner | undefined,
  keepMs: KEEP_MS,
  delayMs: 0,
  now: () => new Date(),
  isDamaged: false,
  hold: false as Hold,
};

export function retentionContract(open: () => Database): void {
  const query = async (sql: string): Promise<readonly DatabaseRow[]> => (await open().run([{ sql }]))[0] ?? [];
  const sequence = (signedBy: LogSigner | undefined = signer): Promise<void> =>
    new Sequencer(new LogStore(open()), signedBy).sequence();
  const sweeper = (options: Partial<typeof DEFAULTS> = {}): RecordSweeper => {
    const { keepMs, delayMs, now, isDamaged, hold: held, signedBy } = { ...DEFAULTS, ...options };
    const logStore = new LogStore(open());
    const hold = new RecordHold(held, recordValuesOf(open()).people);
    const deps = {
      retentions: new RetentionStore(open()),
      logStore,
      signer: signedBy,
      hold,
      isDamaged: () => isDamaged,
    };
    return new RecordSweeper({ ...deps, now, log: () => undefined }, keepMs, delayMs);
  };
  const write = async (...days: readonly number[]): Promise<string[]> => {
    const store = newDecisionStore(open());
    const ids = days.map(() => newDecisionId());
    await Promise.all(ids.map((id, i) => store.record({ ...recordOf(id), evaluated_at: daysAgo(days[i] ?? 0) })));
    return ids;
  };
  const listIds = async (kind = 'decision'): Promise<unknown[]> =>
    (await query(`select id from records where kind = '${kind}'`)).map(({ id }) => id).sort();
  /** Says what is old, gives that its place in the log, and prunes. */
  const retain = async (options: Partial<typeof DEFAULTS> = {}): Promise<void> => {
    await sequence('signedBy' in options ? options.signedBy : signer);
    await sweeper(options).sweep();
    await sequence('signedBy' in options ? options.signedBy : signer);
    await sweeper(options).sweep();
  };

  const remove = (id: string): Promise<unknown> => query(`delete from records where id = '${id}'`);

  /** Verifies the log as the command does. @returns `kind id` of each finding, and how many were pruned */
  async function verify(now = new Date()): Promise<{ findings: string[]; pruned: number }> {
    const { retentions } = await new RetentionStore(open()).readState();
    const { retention, refused } = selectRetention(retentions.filter(({ index }) => index !== undefined), [key], now); // prettier-ignore
    const head = openCheckpoint((await new LogStore(open()).readState()).checkpoint ?? '', key);
    const verifier = new LogVerifier(head, [], retention);
    verifier.takeRefused(refused);
    const pages = new LogPages(open());
    for (let from = 0; from < head.size;) {
      const leaves = await pages.readLeaves(from, 100, true);
      for (const leaf of leaves) verifier.take({ ...leaf, record: leaf.record ?? null });
      from += Math.max(leaves.length, 1);
    }
    const { unlogged, lost } = await pages.listUnsequenced('');
    verifier.takeUnlogged(unlogged, lost);
    const findings = verifier.finish().map(({ kind, id = '' }) => `${kind} ${id}`);
    return { findings, pruned: verifier.pruned };
  }

  beforeEach(() => emptyLog(open()));

  describe('the retention', () => {
    it('prunes what is old with all that was stored of it, and leaves its leaves', async () => {
      const store = newDecisionStore(open());
      const [old = '', corrected = '', young = ''] = await write(400, 366, 364);
      const lists = [500, 300].map((days): SearchRecord => ({
        id: newDecisionId(), evaluated_at: daysAgo(days), client: 'api', decision: true, dry_run: false, policy_version: 'v', search: 'resource',
        acting: { chain: [] }, request: {}, found: 2, items: [{ type: 'doc', id: 'é' }, { type: 'doc', id: 'x'.repeat(300) }],
      })); // prettier-ignore
      for (const list of lists) await store.record(list);
      store.correct({ ...recordOf(corrected), evaluated_at: daysAgo(366), decision: false }, NO_ACCOUNT, false);
      await store.flush();
      await query(`insert into records (id, kind, about, at, client, record)
        select gen_random_uuid(), 'outcome', id, at + interval '1 hour', client, '{"outcome": "executed"}' from records
        where id in ('${old}', '${young}')`);
      // A path that was proved of a decision goes with it, and not before.
      await query(`insert into records (id, kind, about, at, client, record)
        select gen_random_uuid(), 'path', id, at, client, '{}' from records where id in ('${old}', '${young}')`);
      await sequence();
      const leaves = await query('select * from log_leaves order by index');
      const { root } = await new LogStore(open()).readState();
      await retain();
      expect(await listIds()).toEqual([young]);
      expect(await listIds('list')).toEqual([lists[1]?.id]);
      expect(await listIds('correction')).toEqual([]);
      expect((await query(`select about from records where kind = 'outcome'`)).map(({ about }) => about)).toEqual([
        young,
      ]);
      expect((await query(`select about from records where kind = 'path'`)).map(({ about }) => about)).toEqual([young]);
      expect((await query('select distinct id from record_items')).map(({ id }) => id)).toEqual([lists[1]?.id]);
      expect((await query('select record from record_values')).length).toBe(2);
      expect(await verify()).toEqual({ findings: [], pruned: 6 });
      expect((await query('select * from log_leaves order by index')).slice(0, leaves.length)).toEqual(leaves);
      expect((await new LogStore(open()).readState()).root).not.toEqual(root);
      expect(await store.find(old)).toBeUndefined();
      expect((await new LogStore(open()).locate(old))).toMatchObject({ client: undefined, entry: { leaf: leaves.find(({ id }) => id === old)?.['leaf'] } }); // prettier-ignore
    });

    it('is one, where replicas sweep at once and while records come', async () => {
      const young = await write(...Array.from({ length: 20 }, (_, i) => i));
      await write(...Array.from({ length: 250 }, (_, i) => 366 + i));
      await sequence();
      const replicas = [sweeper(), sweeper()];
      for (let round = 0; round < 3; round += 1) {
        await Promise.all([...replicas.map((replica) => replica.sweep()), write(1), sequence()]);
        await sequence();
      }
      await replicas[0]?.sweep();
      expect(await listIds('retention')).toHaveLength(1);
      expect((await query('select count(*)::int as n from records where at < now() - interval \'365 days\''))).toEqual([{ n: 0 }]); // prettier-ignore
      expect(await listIds()).toEqual(expect.arrayContaining([...young].sort()));
      expect(await verify()).toEqual({ findings: [], pruned: 250 });
    });

    it('says nothing where nothing is old, and says it anew once a day', async () => {
      await write(3);
      await retain();
      expect(await listIds('retention')).toEqual([]);
      await write(400);
      await retain();
      await write(400);
      await retain();
      // What became old in between waits for what is said next.
      expect(await listIds('retention')).toHaveLength(1);
      expect(await listIds()).toHaveLength(2);
    });

    it('prunes nothing within an hour after it has said so', async () => {
      const [old] = await write(400);
      await retain({ delayMs: HOUR_MS });
      expect(await listIds('retention')).toHaveLength(1);
      expect(await listIds()).toEqual([old]);
      await retain();
      expect(await listIds()).toEqual([]);
    });

    it('leaves what has no place in the log, and what differs from its leaf: it is evidence', async () => {
      const [changed = ''] = await write(400, 401);
      await sequence();
      await open().run([
        { sql: 'alter table records disable trigger records_stay' },
        { sql: `update records set record = record || '{"decision": false}' where id = '${changed}'` },
      ]);
      await sweeper().sweep();
      await sequence();
      const [late = ''] = await write(402);
      const sweeping = sweeper();
      await sweeping.sweep();
      expect(await listIds()).toEqual([changed, late].sort());
      expect(sweeping.changed).toBe(1);
      await sequence();
      expect(await verify()).toEqual({ findings: [`changed ${changed}`], pruned: 1 });
    });

    it('leaves what a legal hold is on: all, or what names a person', async () => {
      const store = newDecisionStore(open());
      const ofAnn = newDecisionId();
      const ofBob = newDecisionId();
      const request = { ...recordOf(ofBob).request, subject: { type: 'user', id: 'bob' } };
      const rationale = { acting: { mode: 'human' as const, user: 'user:bob', chain: [] }, steps: [] };
      await store.record({ ...recordOf(ofAnn), evaluated_at: daysAgo(400) });
      await store.record({ ...recordOf(ofBob), request, rationale, evaluated_at: daysAgo(400) });
      await query(`insert into records (id, kind, about, at, client, record)
        select gen_random_uuid(), 'outcome', id, at, client, '{"outcome": "executed"}' from records`);
      await retain({ hold: true });
      expect([await listIds(), await listIds('retention')]).toEqual([[ofAnn, ofBob].sort(), []]);
      await retain({ hold: [{ type: 'user', id: 'bob' }], now: () => new Date(Date.now() - 2 * DAY_MS) });
      expect(await listIds()).toEqual([ofBob]);
      expect((await query(`select about from records where kind = 'outcome'`)).map(({ about }) => about)).toEqual([ofBob]); // prettier-ignore
      expect(await verify()).toEqual({ findings: [], pruned: 2 });
      // Once the hold has ended they go with what is said next, which lists them no more.
      await retain();
      expect(await listIds()).toEqual([]);
      expect(await verify()).toEqual({ findings: [], pruned: 4 });
    });

    it('names what a legal hold keeps, with what was reported of it: one of these that is removed is found, ever after', async () => {
      const store = newDecisionStore(open());
      const hold: Hold = [{ type: 'user', id: 'bob' }];
      const ofBob = [newDecisionId(), newDecisionId(), newDecisionId()];
      const rationale = { acting: { mode: 'human' as const, user: 'user:bob', chain: [] }, steps: [] };
      for (const id of ofBob)
        await store.record({
          ...recordOf(id),
          request: { ...recordOf(id).request, subject: { type: 'user', id: 'bob' } },
          rationale,
          evaluated_at: daysAgo(400),
        });
      await write(400, 401);
      await query(`insert into records (id, kind, about, at, client, record)
        select gen_random_uuid(), 'outcome', id, at, client, '{"outcome": "executed"}' from records where id in ('${ofBob.join("','")}')`);
      await retain({ hold, now: () => new Date(Date.now() - 2 * DAY_MS) });
      expect(await listIds()).toEqual([...ofBob].sort());
      expect(await verify()).toEqual({ findings: [], pruned: 2 });
      const [first = '', second = ''] = ofBob;
      const [outcome] = await query(`delete from records where kind = 'outcome' and about = '${second}' returning id`);
      await query(`delete from records where id = '${first}'`);
      const findRemoved = async (): Promise<unknown> => {
        const { findings, pruned } = await verify();
        return [findings.sort(), pruned];
      };
      const removed = [`removed ${first}`, `removed ${String(outcome?.['id'])}`].sort();
      expect(await findRemoved()).toEqual([removed, 2]);
      // Neither what is said next hides it, nor the end of the hold, which lets the others go.
      await retain({ hold, now: () => new Date(Date.now() - DAY_MS + HOUR_MS) });
      expect(await listIds('retention')).toHaveLength(2);
      expect(await findRemoved()).toEqual([removed, 3]);
      await retain({ now: () => new Date(Date.now() + DAY_MS) });
      expect(await listIds('retention')).toHaveLength(2);
      await retain({ signedBy: { ...signer, privateKey: generateKeyPairSync('ed25519').privateKey, formerKey: signer.privateKey } }); // prettier-ignore
      expect([await listIds(), await listIds('retention')]).toEqual([[], expect.objectContaining({ length: 3 })]);
      expect(await findRemoved()).toEqual([removed, 6]);
    });

    it('prunes nothing where the list of what a hold keeps is not the one that was signed, and who verifies says so', async () => {
      const [id = ''] = await write(400);
      const hold: Hold = [{ type: 'user', id: 'ann' }];
      await retain({ hold });
      expect([await listIds(), (await verify()).findings]).toEqual([[id], []]);
      await open().run([
        { sql: 'alter table records disable trigger records_stay' },
        { sql: `update records set record = record || '{"held": ""}' where kind = 'retention'` },
        { sql: 'alter table records enable trigger records_stay' },
      ]);
      await expect(retain({})).rejects.toMatchObject({ code: 'log_damaged' });
      expect(await listIds()).toEqual([id]);
      await remove(id);
      expect((await verify()).findings).toEqual(expect.arrayContaining([expect.stringMatching(/^retention /), `removed ${id}`])); // prettier-ignore
    });

    it('keeps an outcome as long as its decision: the first one counts', async () => {
      const [young = ''] = await write(1);
      await query(`insert into records (id, kind, about, at, client, record)
        values (gen_random_uuid(), 'outcome', '${young}', now() - interval '400 days', 'api', '{"outcome": "executed"}')`);
      await retain();
      expect(await listIds('outcome')).toHaveLength(1);
    });

    it('prunes nothing of a log that is not what was signed', async () => {
      const ids = await write(400, 401);
      await sequence();
      await sweeper({ isDamaged: true }).sweep();
      expect(await listIds('retention')).toEqual([]);
      await sweeper().sweep();
      await sequence();
      await sweeper({ isDamaged: true }).sweep();
      expect(await listIds()).toEqual(ids.sort());
    });

    it('goes by what is configured now, where less was kept before', async () => {
      await write(400);
      await sequence();
      await sweeper().sweep();
      await sequence();
      await sweeper({ keepMs: 2 * KEEP_MS }).sweep();
      expect(await listIds()).toHaveLength(1);
    });

    it('prunes without a key as well, and says it again once there is one, or another', async () => {
      await write(400);
      await retain({ signedBy: undefined });
      expect(await listIds()).toEqual([]);
      await sequence();
      expect((await verify()).findings).toContainEqual(expect.stringContaining('retention '));
      await retain();
      expect(await verify()).toEqual({ findings: [], pruned: 1 });
      const next = { ...signer, privateKey: generateKeyPairSync('ed25519').privateKey, formerKey: signer.privateKey };
      await retain({ signedBy: next });
      await retain({ signedBy: next });
      expect(await listIds('retention')).toHaveLength(3);
      expect(await verify()).toEqual({ findings: [], pruned: 1 });
    });
  });

  describe('under attack, the retention', () => {
    let old: string;
    let young: string;
    /** The record of what the retention has said. */
    let saying: string;
    beforeEach(async () => {
      [old = '', young = ''] = await write(400, 300, 20);
      await retain();
      saying = String((await listIds('retention'))[0]);
      expect(await verify()).toEqual({ findings: [], pruned: 1 });
    });

    it('hides no younger record that was removed', async () => {
      await remove(young);
      expect(await verify()).toEqual({ findings: [`removed ${young}`], pruned: 1 });
    });

    it('prunes no change and no erasure, however old, and hides none that was removed', async () => {
      await query(`insert into records (id, kind, at, client, record)
        select gen_random_uuid(), kind, now() - interval '500 days', 'api', '{"act": "a"}'
        from unnest(array['delegation', 'consent', 'erasure']) kind`);
      await sequence();
      await sweeper({ keepMs: KEEP_MS / 2 }).sweep();
      await retain();
      const kept = (await Promise.all(['delegation', 'consent', 'erasure'].map(listIds))).flat();
      expect(kept).toHaveLength(3);
      await remove(String(kept[0]));
      expect((await verify()).findings).toEqual([`removed ${String(kept[0])}`]);
    });

    it('hides no old record that came after it', async () => {
      const [late = ''] = await write(500);
      await sequence();
      await remove(late);
      expect(await verify()).toEqual({ findings: [`removed ${late}`], pruned: 1 });
    });

    it('that is removed, or set back to what it said before, leaves what it pruned named', async () => {
      const [note] = await query(`select record from records where kind = 'retention'`);
      await remove(saying);
      expect((await verify()).findings).toEqual([`removed ${old}`, `removed ${saying}`]);
      // Its text, in a record of another place.
      await open().run([
        {
          sql: `insert into records (id, kind, at, client, record) values ($1::uuid, 'retention', now(), '', $2::jsonb)`,
          params: [saying, JSON.stringify(note?.['record'])],
        },
      ]);
      const { findings } = await verify();
      expect(findings).toContainEqual(`changed ${saying}`);
    });

    it.each([
      ['without a key', () => formatRetention(wide(), 'log.example')],
      ['by another key', () => formatRetention(wide(), 'log.example', generateKeyPairSync('ed25519').privateKey)],
      ['for another log', () => formatRetention(wide(), 'other.example', signer.privateKey)],
      ['as a text', () => 'all of it'],
    ])('that is forged %s prunes nothing, hides nothing, and is named', async (_name, forge) => {
      const forged = newDecisionId();
      await open().run([
        {
          sql: `insert into records (id, kind, at, client, record) values ($1::uuid, 'retention', now(), '', $2::jsonb)`,
          params: [forged, JSON.stringify({ note: forge() })],
        },
      ]);
      await sequence();
      await remove(young);
      expect(await verify()).toEqual({ findings: [`retention ${forged}`, `removed ${young}`], pruned: 1 });
      await sweeper().sweep();
      expect(await listIds()).toHaveLength(1);
      // What is said next is genuine, and covers no more.
      await sequence();
      expect(await verify()).toEqual({ findings: [`removed ${young}`], pruned: 1 });
    });

    it('of a service whose clock is a century ahead prunes no younger record', async () => {
      const now = (): Date => new Date(Date.now() + 100 * 366 * DAY_MS);
      await retain({ now });
      expect(await listIds()).toHaveLength(2);
      expect(await verify()).toEqual({ findings: [], pruned: 1 });
    });

    it('that claims to be of a time to come hides nothing: its clock was wrong', async () => {
      const madeAt = new Date(Date.now() + 2 * KEEP_MS);
      const terms = {
        below: 3,
        olderThan: new Date(madeAt.getTime() - KEEP_MS).toISOString(),
        madeAt: madeAt.toISOString(),
      };
      const store = new RetentionStore(open());
      await store.add(
        { note: formatRetention(terms, signer.origin, signer.privateKey) },
        madeAt,
        await store.readState(),
      );
      await sequence();
      await sweeper().sweep();
      expect(await listIds()).toHaveLength(2);
      await remove(young);
      const { findings } = await verify();
      expect(findings).toEqual([expect.stringMatching(/^retention /), `removed ${young}`]);
    });
  });
}

/** All that there is, as of now. */
const wide = () => ({ below: 1000, olderThan: daysAgo(0), madeAt: new Date(Date.now() + 1).toISOString() });
