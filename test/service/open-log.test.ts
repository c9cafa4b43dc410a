/** The log at start: its key is made once and for its owner alone, and a log that was set back starts no service. */
import { newDecisionStore } from '../support/record-values.js';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/audit/checkpoint.js';
import { formatNoteKey, toNoteKey } from '../../src/audit/signed-note.js';
import type { Config } from '../../src/config/config.js';
import { newDecisionId } from '../../src/decide/decision-id.js';
import { openAuditLog, type AuditLog } from '../../src/service/open-log.js';
import type { PgliteDatabase } from '../../src/store/database/pglite.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import { MetaStore } from '../../src/store/meta.js';
import { migrateSchema } from '../../src/store/migrations.js';
import { emptyLog, recordOf } from '../store/log.contract.js';

const data = mkdtempSync(join(tmpdir(), 'remit-log-'));
const kept = join(data, 'kept');
let database: PgliteDatabase;
let lines: string[];
beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  return async () => {
    await database.close();
    rmSync(data, { recursive: true });
  };
}, 60_000);
beforeEach(() => {
  lines = [];
});

const openLog = (audit: Partial<Config['audit']> = {}, mode: 'embedded' | 'postgres' = 'embedded'): Promise<AuditLog> =>
  openAuditLog(
    {
      data,
      database: { mode } as Config['database'],
      audit: { keyFile: undefined, formerKeyFile: undefined, origin: undefined, witnesses: [], ...audit },
    },
    database,
    new MetaStore(database),
    (line) => lines.push(line),
  );

describe('the key of the log', () => {
  it('of an embedded database is made once, in the data directory, for its owner alone', async () => {
    const [first, second] = [await openLog(), await openLog()];
    expect(first.key).toEqual(second.key);
    expect(first.key?.name).toBe(`remit/${await new MetaStore(database).require('store_id')}`);
    expect(statSync(join(data, 'audit.key')).mode & 0o777).toBe(0o600);
  });

  it('is the one that the configuration names, under the name that it says', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const keyFile = join(data, 'own.pem');
    writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const { key } = await openLog({ keyFile, origin: 'log.example' }, 'postgres');
    expect(key && formatNoteKey(key)).toBe(formatNoteKey(toNoteKey('log.example', privateKey)));
    await expect(openLog({ keyFile: join(data, 'none') })).rejects.toThrow('audit.key_file');
  });

  it('signs beside the one that came before, while the configuration names that', async () => {
    const [former, present] = ['former', 'present'].map((name) => {
      const { privateKey } = generateKeyPairSync('ed25519');
      const file = join(data, `${name}.pem`);
      writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
      return { file, key: toNoteKey('log.example', privateKey) };
    });
    if (former === undefined || present === undefined) throw new Error('there are two');
    const audit = { keyFile: present.file, formerKeyFile: former.file, origin: 'log.example' };
    const { key, sequencer, store } = await openLog(audit, 'postgres');
    expect(key).toEqual(present.key);
    await sequencer.sequence();
    const { size, checkpoint = '' } = await store.readState();
    for (const either of [former.key, present.key]) expect(openCheckpoint(checkpoint, either).size).toBe(size);
    const missing = { ...audit, formerKeyFile: join(data, 'none') };
    await expect(openLog(missing, 'postgres')).rejects.toThrow('audit.former_key_file');
  });

  it('is needed with a server, or else nothing signs the log, which the operator is told', async () => {
    const { key, sequencer, store } = await openLog({}, 'postgres');
    expect(key).toBeUndefined();
    expect(lines).toEqual([expect.stringContaining('audit.key_file')]);
    await newDecisionStore(database).record(recordOf(newDecisionId()));
    await sequencer.sequence();
    expect(await store.readState()).toMatchObject({ size: 1, checkpoint: undefined });
    await expect(openLog({ witnesses: [{ file: kept }] }, 'postgres')).rejects.toThrow('audit.witnesses');
  });
});

it('a log that was set back starts no service, until an operator has set the kept checkpoints aside', async () => {
  const witnesses = [{ file: kept }];
  const { sequencer, witnesses: [witness] } = await openLog({ witnesses }); // prettier-ignore
  await newDecisionStore(database).record(recordOf(newDecisionId()));
  await sequencer.sequence();
  await witness?.send();
  expect(readFileSync(kept, 'utf8')).toMatch(/^remit\//);
  await openLog({ witnesses });
  await emptyLog(database);
  await expect(openLog({ witnesses })).rejects.toThrow(/audit\.witnesses: .*kept.* the log was set back/);
  rmSync(kept);
  await openLog({ witnesses });
});
