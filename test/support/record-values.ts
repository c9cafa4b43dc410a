/** What keeps people and values out of the records of a store, for tests that open one by itself. */
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from '../../src/store/database/port.js';
import { ChangeRecords } from '../../src/store/change-records.js';
import { DecisionStore } from '../../src/store/decisions.js';
import { RecordValues } from '../../src/store/record-values.js';

const key = randomBytes(32);

/** All that a test opens have the same key, as replicas do. */
export function recordValuesOf(database: Pick<Database, 'run'>): RecordValues {
  return new RecordValues(database, { key, keepMs: 90 * 86_400_000, personTypes: () => new Set(['user', 'employee']) });
}

export function newDecisionStore(database: Database): DecisionStore {
  return new DecisionStore(database, recordValuesOf(database));
}

/** `records` of a configuration beside PostgreSQL, with a key in the directory; replicas on the same directory share it. */
export function recordsIn(directory: string): object {
  const file = join(directory, 'values.key');
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('base64'), { mode: 0o600 });
  return { values: { key_file: file } };
}

/** Records changes as a service does whose schema has the types `user` and `agent`. */
export function changeRecordsOf(database: Pick<Database, 'run'>): ChangeRecords {
  return new ChangeRecords(recordValuesOf(database), () => ({ userObject: 'user', agentObject: 'agent' }));
}
