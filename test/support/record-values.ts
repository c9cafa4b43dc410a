/** What keeps people and values out of the records of a store, for tests that open one by itself. */
import { randomBytes } from 'node:crypto';
import type { Database } from '../../src/store/database/port.js';
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
