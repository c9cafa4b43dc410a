/** The contract of the records of changes, on every database: each is there exactly where its change is, and names no person. */
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { v4 as uuid } from 'uuid';
import { beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/audit/checkpoint.js';
import { splitRecord } from '../../src/audit/leaf.js';
import { toNoteKey } from '../../src/audit/signed-note.js';
import type { Consent } from '../../src/model/consents.js';
import { RECORDED_KINDS, type StatedChange } from '../../src/model/changes.js';
import { toCloudEvent } from '../../src/records/export/cloud-event.js';
import { toOcsfEvent } from '../../src/records/export/ocsf-event.js';
import { Sequencer } from '../../src/records/sequencer.js';
import { LogVerifier } from '../../src/records/verify-log.js';
import { ConsentStore } from '../../src/store/consents.js';
import { DelegationStore } from '../../src/store/delegations.js';
import { changeStatement, recordChanges } from '../../src/store/change-records.js';
import type { Database, DatabaseRow, SqlStatement } from '../../src/store/database/port.js';
import { LogPages } from '../../src/store/log-pages.js';
import { selectLogged, toLoggedRecord } from '../../src/store/log-rows.js';
import { LogStore } from '../../src/store/log-store.js';
import { clearText } from '../support/clear-text.js';
import { changeRecordsOf, newDecisionStore, recordValuesOf } from '../support/record-values.js';
import { emptyLog } from './log.contract.js';

const AT = new Date('2030-03-04T10:00:00Z');
const USER = { type: 'user', id: 'ann' };
const AGENT = { type: 'agent', id: 'mail-bot' };
const DECISION = '0199aa00-0000-7000-8000-000000000001';

const stated = (more: Partial<StatedChange> = {}): StatedChange => ({
  kind: 'consent',
  change: 'given',
  at: AT,
  by: 'user:ann',
  user: USER,
  agent: AGENT,
  ...more,
});

/** @param getDatabase one that is migrated */
export function changeRecordsContract(getDatabase: () => Database): void {
  const read = async (sql: string): Promise<readonly DatabaseRow[]> => (await getDatabase().run([{ sql }]))[0] ?? [];
  const readChanges = async (): Promise<readonly DatabaseRow[]> =>
    read(`select r.*, encode(v.sealed, 'base64') as sealed, v.persons
          from records r left join record_values v on v.record = r.id where r.decision is null order by r.at, r.id`);
  const store = async (...changes: StatedChange[]): Promise<void> => {
    const prepared = await changeRecordsOf(getDatabase()).prepareAll(changes);
    await getDatabase().run(prepared.map(changeStatement));
  };

  describe('the record of a change', () => {
    beforeEach(() => emptyLog(getDatabase()));

    it('is found by whose it is, names the decision, and is opened while its values are kept', async () => {
      const terms = {
        online: true,
        background: false,
        details: [{ actions: ['read'], purpose: 'for ann' }],
        note: 'ok',
      };
      await store(stated({ about: DECISION, object: 'c1', terms }));
      const [row, ...others] = await readChanges();
      expect(others).toEqual([]);
      const name = await recordValuesOf(getDatabase()).findName(USER);
      expect(row).toMatchObject({
        kind: 'consent',
        about: DECISION,
        at: AT,
        client: '',
        decision: null,
        protected: true,
      });
      expect([row?.['user_key'], row?.['agent_key']]).toEqual([`user:${name ?? ''}`, 'agent:mail-bot']);
      const commitment = { $commit: expect.any(String) as string };
      expect(row?.['record']).toEqual({
        id: row?.['id'],
        act: expect.any(String) as string,
        at: AT.toISOString(),
        change: 'given',
        by: { user: { type: 'user', id: name } },
        user: { type: 'user', id: name },
        agent: AGENT,
        object: 'c1',
        terms: { online: true, background: false, details: commitment, note: commitment },
      });
      const [opened] = await recordValuesOf(getDatabase()).open([row ?? {}]);
      expect(opened).toMatchObject({ id: row?.['id'], by: { user: USER }, user: USER, object: 'c1', terms });
    });

    it('says who made it: a person by a pseudonym, a client, an agent, or Remit itself', async () => {
      const authors = ['user:ann', { type: 'user', id: 'bob' }, 'portal', 'agent:mail-bot', undefined] as const;
      for (const by of authors) await store(stated({ by }));
      const names = await Promise.all(['ann', 'bob'].map((id) => recordValuesOf(getDatabase()).findName({ type: 'user', id }))); // prettier-ignore
      const records = (await readChanges()).map(({ client, record }) => [client, (record as StatedChange).by]);
      expect(records).toHaveLength(5);
      expect(records).toEqual(
        expect.arrayContaining([
          ...names.map((id) => ['', { user: { type: 'user', id } }]),
          ['portal', { client: 'portal' }],
          ['', { agent: AGENT }],
          ['', { remit: true }],
        ]),
      );
    });

    it('is one for each row that its statement changes, with the states of that row, and none where it changes none', async () => {
      const changes = changeRecordsOf(getDatabase());
      const rows = (count: number): SqlStatement => ({
        sql: `select n::text as id, 'active' as old, n > 1 as told from generate_series(1, $1::int) n`,
        params: [count],
      });
      const recorded = { object: 'r.id', before: `jsonb_build_object('state', r.old)`, when: 'r.told' };
      const withdrawn = await changes.prepare(stated({ change: 'withdrawn' }));
      for (const count of [0, 1, 4]) {
        const [kept] = await getDatabase().run([recordChanges(rows(count), { ...recorded, change: withdrawn })]);
        expect(kept).toHaveLength(count);
      }
      const records = (await readChanges()).map(({ record }) => record as Record<string, unknown>);
      expect(records.map(({ object }) => object).sort()).toEqual(['2', '3', '4']);
      expect(records.map(({ before }) => before)).toEqual([
        { state: 'active' },
        { state: 'active' },
        { state: 'active' },
      ]);
      expect(new Set(records.map(({ act }) => act)).size).toBe(1);
      // They were done in one go, and each is opened.
      const opened = await recordValuesOf(getDatabase()).open(await readChanges());
      for (const change of opened) expect(change).toMatchObject({ user: USER, before: { state: 'active' } });
    });

    it('goes with the row that it is of, where each has its own', async () => {
      const users = ['ann', 'bob', 'eve'].map((id) => ({ type: 'user', id }));
      const prepared = await changeRecordsOf(getDatabase()).prepareAll(users.map((user, i) => stated({ user, object: `of ${i}`, row: String(i) }))); // prettier-ignore
      const sql = `select n::text as id from generate_series(1, 5) n`;
      await getDatabase().run([recordChanges({ sql }, { change: prepared, row: 'r.id' })]);
      const opened = (await recordValuesOf(getDatabase()).open(await readChanges())) as readonly StatedChange[];
      expect(opened.map(({ user, object }) => `${user?.id ?? ''} ${object ?? ''}`).sort()).toEqual([
        'bob of 1',
        'eve of 2',
      ]);
    });

    it('is not there where its transaction is given up', async () => {
      const prepared = await changeRecordsOf(getDatabase()).prepare(stated());
      const failing = [changeStatement(prepared), { sql: 'select 1 / $1::int', params: [0] }];
      await expect(getDatabase().run(failing)).rejects.toThrow();
      expect(await readChanges()).toEqual([]);
      expect(await read('select from log_pending')).toEqual([]);
    });

    it('holds no person and no value in clear, whatever it is of', async () => {
      const text = fc.constantFrom('zacharias', 'user:zacharias', 'document:plan#owner@user:zacharias');
      const value = fc.oneof(
        text,
        fc.array(text),
        fc.record({ type: fc.constant('user'), id: fc.constant('zacharias') }),
      );
      const anyChange = fc.record({
        kind: fc.constantFrom(...RECORDED_KINDS),
        by: fc.constantFrom('user:zacharias', { type: 'user', id: 'zacharias' }),
        user: fc.constant({ type: 'user', id: 'zacharias' }),
        terms: fc.dictionary(fc.constantFrom('details', 'limits', 'purpose', 'when', 'note', 'task', 'resource', 'relationship', 'other'), value), // prettier-ignore
      });
      await fc.assert(
        fc.asyncProperty(anyChange, async (more) => {
          await store(stated(more));
        }),
        { numRuns: 60 },
      );
      const tables = ['records', 'record_values', 'person_keys', 'log_leaves', 'log_pending'];
      const rows = await Promise.all(tables.map((table) => read(`select t::text as row from ${table} t`)));
      const dump = rows.flat().map(({ row }) => String(row)).join('\n'); // prettier-ignore
      expect(dump.length).toBeGreaterThan(10_000);
      expect(dump).not.toMatch(clearText('zacharias'));
      expect(dump).not.toContain(Buffer.from('zacharias').toString('hex'));
    });

    it('tells nothing more of a person whose key is gone', async () => {
      await store(stated(), stated({ user: { type: 'user', id: 'bob' }, by: 'portal' }));
      const values = recordValuesOf(getDatabase());
      const person = (await values.people.find(USER))?.person;
      await getDatabase().run([{ sql: 'delete from person_keys where person = $1', params: [person ?? ''] }]);
      const opened = (await values.open(await readChanges())) as { values_erased?: true; user: { id: string } }[];
      expect(opened.map(({ values_erased: isErased, user }) => isErased ?? user.id).sort()).toEqual(['bob', true]);
      expect(JSON.stringify(opened)).not.toMatch(clearText('ann'));
    });

    it('is sequenced, verified and exported like others, and is no decision', async () => {
      for (const kind of RECORDED_KINDS) await store(stated({ kind, by: 'portal', terms: { note: 'x' } }));
      const signer = { origin: 'log.example', privateKey: generateKeyPairSync('ed25519').privateKey };
      await new Sequencer(new LogStore(getDatabase()), signer).sequence();
      const { checkpoint = '' } = await new LogStore(getDatabase()).readState();
      const verifier = new LogVerifier(openCheckpoint(checkpoint, toNoteKey(signer.origin, signer.privateKey)), []);
      const pages = new LogPages(getDatabase());
      for (const leaf of await pages.readLeaves(0, 100, true)) verifier.take({ ...leaf, record: leaf.record ?? null });
      const { unlogged, lost } = await pages.listUnsequenced('');
      verifier.takeUnlogged(unlogged, lost);
      expect(verifier.finish()).toEqual([]);

      const logged = (await read(`select ${selectLogged('r')} from records r`)).map(toLoggedRecord);
      expect(logged.map(({ kind }) => kind).sort()).toEqual([...RECORDED_KINDS].sort());
      for (const record of logged) {
        expect([...splitRecord(record).keys()].sort()).toEqual(['change', 'keys', 'parties', 'terms']);
        const exported = { index: 0, leafHash: 'x', record };
        const event = toCloudEvent(exported, { log: 'log.example', source: 'log.example' });
        expect([event.type, event.data]).toMatchObject([
          `dev.remit.${record.kind}.v1`,
          { record: { change: 'given' } },
        ]);
        const activity = toOcsfEvent(exported, { log: 'log.example', source: 'log.example' }, '1');
        expect(activity).toMatchObject({
          activity_name: `${record.kind}.given`,
          actor: { app_uid: 'portal' },
          ai_agent: { uid: 'mail-bot' },
        });
        expect((await new LogStore(getDatabase()).locate(record.id))?.client).toBe('portal');
        expect(await newDecisionStore(getDatabase()).find(record.id)).toBeUndefined();
      }
      expect((await newDecisionStore(getDatabase()).list({ agent: 'agent:mail-bot' }, undefined, 10)).records).toEqual(
        [],
      );
    });

    it('is one for each change that replicas make at once, and the newest says what is in force', async () => {
      const replicas = [0, 1].map(() => {
        const changes = changeRecordsOf(getDatabase());
        return {
          delegations: new DelegationStore(getDatabase(), changes),
          consents: new ConsentStore(getDatabase(), changes),
        };
      });
      const pair = { giver: USER, agent: AGENT };
      const consent: Consent = {
        id: uuid(), details: [], access: 'online', confirm: 'never', starts: AT.toISOString(), basis: {}, given: AT.toISOString(),
      }; // prettier-ignore
      const evidence = { surface: 'portal', text_sha256: 'x', locale: 'en', decided_at: AT.toISOString() };
      await replicas[0]?.consents.add({ user: USER, agent: AGENT }, consent, evidence, AT);
      const results = await Promise.all(
        Array.from({ length: 40 }, async (_, i) => {
          const { delegations, consents } = replicas[i % 2] ?? {};
          const made = { by: 'portal', at: AT };
          if (i % 8 < 6) return delegations?.put(pair, { online: true, background: i % 3 === 0 }, made);
          return i % 8 === 6 ? delegations?.end(pair, made) : consents?.withdraw(USER, consent.id, AT);
        }),
      );
      const given = results.filter((result) => typeof result === 'string').length;
      expect(given).toBe(30);
      const rows = await readChanges();
      const verbs = rows.map(({ kind, record }) => `${String(kind)} ${(record as StatedChange).change}`);
      const countOf = (verb: string): number => verbs.filter((other) => other === verb).length;
      expect([countOf('delegation given'), countOf('consent withdrawn'), countOf('consent given')]).toEqual([
        given,
        1,
        1,
      ]);
      // Each that was ended had been given: an end of what has ended is none.
      const ends = rows.filter(({ record }) => (record as StatedChange).change === 'ended');
      for (const { record } of ends)
        expect(record).toMatchObject({ before: { state: 'given' }, after: { state: 'ended' } });
      expect(ends.length).toBeLessThanOrEqual(5);
      expect(rows).toHaveLength(given + 2 + ends.length);
    });

    it('about a decision doesn’t open to the client that asked', async () => {
      const decisions = newDecisionStore(getDatabase());
      await decisions.record({
        id: DECISION, evaluated_at: AT.toISOString(), client: 'api', decision: true, dry_run: false, policy_version: 'v',
        request: { subject: USER, action: 'read', resource: { type: 'document', id: 'plan' } },
        reasons: [], obligations: [], rationale: { steps: [] },
      }); // prettier-ignore
      await store(stated({ kind: 'review', change: 'answered', about: DECISION }));
      const [row] = await readChanges();
      expect((await new LogStore(getDatabase()).locate(String(row?.['id'])))?.client).toBe('');
      expect((await decisions.find(DECISION))?.outcome).toBeUndefined();
    });
  });
}
