/** Records of changes on PGlite; test/store/database/postgres.test.ts has them on PostgreSQL. */
import { beforeAll } from 'vitest';
import type { Database } from '../../src/store/database/port.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import { migrateSchema } from '../../src/store/migrations.js';
import { changeRecordsContract } from './change-records.contract.js';

let database: Database;
beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  return () => database.close();
});

changeRecordsContract(() => database);
