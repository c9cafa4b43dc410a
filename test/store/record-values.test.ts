/** People and values beside the records: what a copy of the database tells, and what is left once a person's key is gone. */
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DecisionRecord } from '../../src/model/decision.js';
import { replayRecord } from '../../src/records/replay.js';
import { openValues, sealValues } from '../../src/runtime/sealing.js';
import { insertValuesSql, type RecordValues } from '../../src/store/record-values.js';
import { clearText } from '../support/clear-text.js';
import { start, type Running } from '../support/sample.js';

let remit: Running;
let ids: string[];
beforeAll(async () => {
  remit = await start();
  const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read hr.employees.write' });
  ids = [];
  for (const [action, id] of [['read', 'erin'], ['update', 'erin'], ['delete', 'erin'], ['read', 'zoe']]) {
    const answer = await remit.evaluate({
      subject: { type: 'user', id: 'alice' },
      action: { name: action },
      resource: { type: 'employee', id, properties: { salary: 987_654_3, status: 'active' } },
      context: { token, purpose: 'what Erin earns' },
    });
    ids.push(answer.context?.id ?? '');
  }
  await remit.post('/v1/filter', {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    records: ['erin', 'zoe', 'dave'].map((id) => ({ type: 'employee', id, properties: { salary: 987_654_3 } })),
    context: { token },
  });
  return () => remit.stop();
}, 60_000); // prettier-ignore

const TABLES = ['records', 'record_values', 'record_items', 'person_keys'];
const dump = async (): Promise<string> => {
  const results = await remit.service.database.run(
    TABLES.map((table) => ({ sql: `select t::text as row from ${table} t` })),
  );
  return results.flatMap((rows) => rows.map((row) => String(row['row']))).join('\n');
};
const replay = async (id: string): Promise<string> => {
  const record = (await remit.service.decisions.find(id))?.record as DecisionRecord;
  return replayRecord(record, remit.service.activePolicies.rules).kind;
};

describe('an outcome', () => {
  const DETAIL = 'alice paid erin 9876543';
  const report = (id: string, more: object = {}) =>
    remit.request('POST', `/v1/decisions/${id}/outcome`, {
      outcome: 'executed',
      detail: DETAIL,
      actual: { count: 1 },
      properties: { salary: 9_876_543 },
      ...more,
    });
  const shown = async (id: string, query = '?values=true') =>
    (await remit.request('GET', `/v1/decisions/${id}${query}`)).json<{ outcome: object }>().outcome;

  it('is told with its values to who may read them, and is the same when it is repeated', async () => {
    const [id = ''] = ids;
    for (let i = 0; i < 2; i += 1) expect((await report(id)).statusCode).toBe(201);
    for (const other of [{ detail: 'x' }, { detail: undefined }, { properties: {} }, { outcome: 'failed', actual: undefined }])
      expect((await report(id, other)).statusCode).toBe(409);
    expect(await shown(id)).toMatchObject({ outcome: 'executed', detail: DETAIL, actual: { count: 1 }, properties: { salary: 9_876_543 } });
    const closed = await shown(id, '');
    expect(closed).toMatchObject({ outcome: 'executed', reported_by: 'dev' });
    expect(Object.keys(closed).sort()).toEqual(['outcome', 'reported_at', 'reported_by']);
  }); // prettier-ignore

  it('says what came of it alone once its values are gone', async () => {
    const [, id = ''] = ids;
    expect((await report(id)).statusCode).toBe(201);
    await remit.service.database.run([
      {
        sql: `delete from record_values where record in (select id from records where about = $1::uuid)`,
        params: [id],
      },
    ]);
    expect(Object.keys(await shown(id)).sort()).toEqual(['outcome', 'reported_at', 'reported_by']);
  });
});

describe('the tables of records', () => {
  it('name no person and hold no value, and the decisions are replayed from them all the same', async () => {
    const text = await dump();
    expect(text.length).toBeGreaterThan(10_000);
    for (const secret of ['alice', 'Alice', 'erin', 'Erin', 'zoe', 'dave', '9876543', 'earns', 'eyJ']) {
      expect(text).not.toMatch(clearText(secret));
      // bytea is written in hexadecimal digits, among which a few may come by chance.
      if (secret.length > 4) expect(text).not.toContain(Buffer.from(secret).toString('hex'));
    }
    for (const id of ids) expect(await replay(id)).toBe('same');
  });

  it('tell nothing more of a person whose key is gone, and everything of the others', async () => {
    const before = await remit.service.decisions.list({ resource: 'employee:zoe' }, undefined, 10);
    expect(before.records.length).toBeGreaterThan(0);
    const values = (remit.service.decisions as unknown as { values: RecordValues }).values;
    const zoe = values.people.peek({ type: 'employee', id: 'zoe' });
    await remit.service.database.run([
      { sql: 'delete from person_keys where person = $1', params: [zoe?.person ?? ''] },
    ]);
    const [erin = '', , , about = ''] = ids;
    expect(await replay(about)).toBe('values_erased');
    expect(await replay(erin)).toBe('same');
    const shown = (await remit.request('GET', `/v1/decisions/${about}?values=true`)).json<Record<string, unknown>>();
    expect(shown).toMatchObject({ id: about, decision: false, values_erased: true });
    expect(JSON.stringify(shown)).not.toMatch(clearText('zoe', 'alice'));
    expect((await remit.request('GET', '/v1/decisions?values=true')).statusCode).toBe(200);
  });

  it('lose the values, and not the records, once they are kept no longer', async () => {
    const [erin = ''] = ids;
    const values = (remit.service.decisions as unknown as { values: RecordValues }).values;
    await values.prune(new Date('2030-03-05T00:00:00Z'));
    expect(await replay(erin)).toBe('same');
    await values.prune(new Date('2031-03-05T00:00:00Z'));
    expect(await replay(erin)).toBe('values_erased');
    expect((await remit.request('GET', `/v1/decisions/${erin}?values=true`)).json()).toMatchObject({
      id: erin,
      decision: true,
    });
  });
});

describe('sealed values', () => {
  it('are stored without reading the keys of people whom the record does not name', async () => {
    const { database } = remit.service;
    const source = `(select gen_random_uuid() as id, 'AAAA' as sealed, '["person 7"]'::jsonb as persons, now() as kept_until)`;
    await database.run([
      { sql: `insert into person_keys select 'person ' || n, '' from generate_series(1, 2000) n` },
      { sql: 'analyze person_keys' },
    ]);
    const [plan = []] = await database.run([{ sql: `explain ${insertValuesSql(source)}` }]);
    const text = plan.map((row) => String(row['QUERY PLAN'])).join('\n');
    expect(text).toContain('person_keys_pkey');
    expect(text).not.toContain('Seq Scan on person_keys');
    await database.run([{ sql: `delete from person_keys where person like 'person %'` }]);
  });

  it('are opened by the key and people that they were sealed with, for their own record, and unchanged', () => {
    const [key, secrets] = [randomBytes(32), [randomBytes(32), randomBytes(32)]];
    const sealed = sealValues('{"a":1}', 'r1', key, secrets);
    expect(openValues(sealed, 'r1', key, secrets)).toBe('{"a":1}');
    expect(openValues(sealed, 'r2', key, secrets)).toBeUndefined();
    expect(openValues(sealed, 'r1', randomBytes(32), secrets)).toBeUndefined();
    expect(openValues(sealed, 'r1', key, secrets.slice(1))).toBeUndefined();
    expect(openValues(sealed, 'r1', key, secrets.toReversed())).toBeUndefined();
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(openValues(changed, 'r1', key, secrets)).toBeUndefined();
    }
    for (let length = 0; length < sealed.length; length += 1)
      expect(openValues(sealed.subarray(0, length), 'r1', key, secrets)).toBeUndefined();
  });
});
