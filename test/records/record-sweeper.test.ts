/** The retention on PGlite; test/store/database/postgres.test.ts has it on PostgreSQL. */
import { beforeAll } from 'vitest';
import type { Database } from '../../src/store/database/port.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import { migrateSchema } from '../../src/store/migrations.js';
import { retentionContract } from './retention.contract.js';

let database: Database;
beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  return () => database.close();
});

retentionContract(() => database);
