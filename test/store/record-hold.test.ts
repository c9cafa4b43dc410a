/** A legal hold on people or on all: what it keeps of the values of records, and what the configuration may say. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { checkReferences } from '../../src/config/check-references.js';
import { loadConfig } from '../../src/config/config.js';
import { readValuesKey } from '../../src/config/records.js';
import { loadRules } from '../../src/policy/load.js';
import { readSources } from '../../src/config/files.js';
import type { Hold } from '../../src/store/record-hold.js';
import { RecordValues } from '../../src/store/record-values.js';
import { SAMPLE, start, type Running } from '../support/sample.js';

const LONG_AFTER = new Date('2040-01-01T00:00:00Z');
const ALICE = { type: 'user', id: 'alice' };

/** The configuration of the sample with these lines instead of its records. */
function configWith(lines: string): ReturnType<typeof loadConfig> {
  const directory = mkdtempSync(join(tmpdir(), 'remit-hold-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const base = readFileSync(SAMPLE, 'utf8').replaceAll('../', `${join(SAMPLE, '..', '..')}/`).replace('world: ', `world: ${join(SAMPLE, '..')}/`); // prettier-ignore
  const file = join(directory, 'remit.yaml');
  writeFileSync(file, `${base}\n${lines}\n`);
  return loadConfig(file, { REMIT_DATA: directory });
}

describe('records.hold', () => {
  it.each<[string, Hold]>([
    ['records: {}', false],
    ['records: { hold: true }', true],
    ['records: { hold: [] }', []],
    ['records: { hold: ["user:alice", "user:a:b c"] }', [ALICE, { type: 'user', id: 'a:b c' }]],
  ])('%s', (text, hold) => {
    expect(configWith(text).records.hold).toEqual(hold);
  });

  it.each(['alice', '"user:"', '":alice"', '[alice]', '["User:alice"]', '["user:a\\u0001"]', '[1]', '{}', 'null', JSON.stringify(Array.from({ length: 1001 }, (_, i) => `user:${i}`))])(
    'is refused as %s',
    (text) => {
      expect(() => configWith(`records: { hold: ${text} }`)).toThrow(/records\.hold/);
    },
  ); // prettier-ignore

  it('names people only: the ids of other types would be on no hold', () => {
    const rules = loadRules(readSources(loadConfig(SAMPLE, {}).sources));
    const problems = (hold: Hold): unknown[] =>
      checkReferences(
        { clients: [], issuers: [], approvals: { administeredBy: new Map(), deputies: new Map() }, records: { hold } },
        rules,
      );
    expect(problems([ALICE, { type: 'employee', id: 'erin' }])).toEqual([]);
    expect(problems([ALICE, { type: 'project', id: 'atlas' }])).toMatchObject([
      { path: ['records', 'hold', 1], message: expect.stringContaining('"project"') as string },
    ]);
  });
});

describe('values that are no longer kept', () => {
  let remit: Running;
  let ofAlice: string;
  let ofBob: string;
  beforeAll(async () => {
    remit = await start();
    const decide = async (user: string): Promise<string> => {
      const answer = await remit.evaluate({
        subject: { type: 'user', id: user },
        action: { name: 'read' },
        resource: { type: 'employee', id: 'erin' },
        context: { mode: 'human' },
      });
      return answer.context?.id ?? '';
    };
    ofAlice = await decide('alice');
    ofBob = await decide('bob');
    return () => remit.stop();
  }, 60_000);

  const valuesUnder = (hold: Hold): RecordValues => {
    const { config, database } = remit.service;
    const key = readValuesKey(config.records.values.keyFile ?? join(remit.data, 'values.key'));
    return new RecordValues(database, { key, keepMs: 1, hold, personTypes: () => new Set(['user', 'employee']) });
  };
  const listKept = async (): Promise<unknown[]> => {
    const [rows = []] = await remit.service.database.run([{ sql: 'select record from record_values' }]);
    return rows.map((row) => row['record']).sort();
  };

  it('stay under a hold on all, and under one on any of their people', async () => {
    for (const hold of [true, [{ type: 'employee', id: 'erin' }]]) {
      expect(await valuesUnder(hold).prune(LONG_AFTER)).toBe(false);
      expect(await listKept()).toEqual([ofAlice, ofBob].sort());
    }
  });

  it('go where their people are not on hold, and only those', async () => {
    await valuesUnder([ALICE]).prune(LONG_AFTER);
    expect(await listKept()).toEqual([ofAlice]);
  });

  it('leave records that are found by the names of people on hold, the one whose values went too', async () => {
    const listRecords = async (hold: Hold): Promise<unknown[]> => {
      const names = await valuesUnder(hold).hold.listNames();
      const [rows = []] = await remit.service.database.run([{ sql: 'select id, record::text as text from records' }]);
      return rows
        .filter((row) => names.some((name) => String(row['text']).includes(name)))
        .map((row) => row['id'])
        .sort();
    };
    await valuesUnder(false).prune(LONG_AFTER);
    expect(await listKept()).toEqual([]);
    expect(await listRecords([ALICE])).toEqual([ofAlice]);
    expect(await listRecords([{ type: 'employee', id: 'erin' }])).toEqual([ofAlice, ofBob].sort());
    expect(await listRecords([{ type: 'user', id: 'nosuch' }])).toEqual([]);
    await remit.service.database.run([
      {
        sql: `insert into records (id, kind, at, client, decision, record)
              select gen_random_uuid(), 'decision', now(), 'old', true, r from (values
                ('{"rationale": {"acting": {"user": "user:zoe"}}}'::jsonb),
                ('{"request": {"resource": {"type": "user", "id": "zoe", "properties": {}}}}'),
                ('{"request": {"resource": {"type": "user", "id": "zoey"}}}')) v (r)`,
      },
    ]);
    expect(await listRecords([{ type: 'user', id: 'zoe' }])).toHaveLength(2);
  });
});

it('a hold asks by type and id alike, and says nothing of others', () => {
  const { hold } = new RecordValues({ run: () => Promise.reject(new Error('asked')) }, { key: Buffer.alloc(32), keepMs: 1, hold: [ALICE], personTypes: () => new Set() }); // prettier-ignore
  expect([ALICE, { type: 'employee', id: 'alice' }, { type: 'user', id: 'bob' }].map((person) => hold.isOn(person))).toEqual([true, false, false]); // prettier-ignore
  expect(hold.isOnAll).toBe(false);
  expect(hold.listRows()).toHaveLength(1);
});
