/**
 * `node test/bench/record-queries.mjs [records]`: how long `GET /v1/decisions` takes for each of its filters among so many
 * records (a million), and what the items of a list add to storing it. Needs REMIT_TEST_POSTGRES_URL (a role that may create
 * databases) and `npm run build`. Prints a table.
 */
import { randomBytes } from 'node:crypto';
import { v7 as uuid } from 'uuid';
import { Client } from 'pg';
import { resolveDatabase } from '../../dist/config/database.js';
import { PostgresDatabase } from '../../dist/store/database/postgres.js';
import { DecisionStore } from '../../dist/store/decisions.js';
import { RecordValues } from '../../dist/store/record-values.js';
import { migrateSchema } from '../../dist/store/migrations.js';

const key = randomBytes(32);
const recordValuesOf = (database) =>
  new RecordValues(database, { key, keepMs: 90 * 86_400_000, personTypes: () => new Set(['user']) });

const COUNT = Number(process.argv[2] ?? 1_000_000);
const DATABASE = `remit_records_${process.pid}`;
const ROUNDS = 9;
const url = process.env['REMIT_TEST_POSTGRES_URL'];
if (url === undefined) throw new Error('REMIT_TEST_POSTGRES_URL is required');
const place = new URL(url);
place.pathname = DATABASE;

const server = new Client({ connectionString: url });
await server.connect();
await server.query(`create database ${DATABASE}`);
const database = new PostgresDatabase(
  resolveDatabase(
    { mode: 'postgres', url: place.href },
    { path: 'bench.yaml', url: undefined, readVariable: () => undefined, resolvePath: (path) => path },
  ),
);
try {
  await migrateSchema(database);
  const store = new DecisionStore(database, recordValuesOf(database));
  await generate();
  console.log(`${COUNT} records, a fifth of them lists of 20 items; milliseconds, median and slowest of ${ROUNDS}`);
  await measureFilters();
  await measureLists(store);
} finally {
  await database.close();
  await server.query(`drop database ${DATABASE} with (force)`);
  await server.end();
}

/**
 * The newest record is of number 1. Of each key some values are in most records, some in few: the work of a page must not
 * depend on that.
 */
async function generate() {
  const client = new Client({ connectionString: place.href });
  await client.connect();
  await client.query('set synchronous_commit = off');
  for (let from = 0; from < COUNT; from += 100_000)
    await client.query(
      `insert into records (id, kind, at, client, decision, user_key, agent_key, resource_key, action, reason, task, session, record)
       select gen_random_uuid(), case when i % 5 = 0 then 'list' else 'decision' end, now() - i * interval '30 ms',
         case when i % 100000 = 0 then 'rare' else 'api' || i % 3 end, i % 4 > 0,
         'user:u' || (i % 5000), 'agent:a' || (i % 20),
         case when i % 5 = 0 then null when i % 3 = 0 then 'document:hot' else 'document:d' || (i % 50000) end,
         case when i % 9 = 0 then 'write' else 'read' end,
         case when i % 4 > 0 then null when i % 40000 = 0 then 'limit_exceeded' else 'policy_forbid' end,
         case when i % 7 = 0 then 'task-' || (i % 1000) end, case when i % 2 = 0 then 's' || (i % 30000) end,
         jsonb_build_object('id', i, 'search', case when i % 5 = 0 then 'filter' end, 'facts', repeat(md5(i::text), 40),
           'items', case when i % 5 = 0 then (select jsonb_agg(jsonb_build_object('type', 'document',
             'id', case when j = 1 then 'hot' else 'd' || ((i * 7 + j) % 50000) end)) from generate_series(1, 20) j) end)
       from generate_series($1::int, $2::int) i`,
      [from + 1, from + 100_000],
    );
  await client.query('vacuum analyze records');
  await client.query('vacuum analyze record_items');
  await client.end();
}

async function measureFilters() {
  const store = new DecisionStore(database, recordValuesOf(database));
  const since = new Date(Date.now() - (COUNT / 2) * 30).toISOString();
  const filters = {
    all: {},
    'a client': { client: 'api1' },
    'a client with few': { client: 'rare' },
    'a user': { user: 'user:u17' },
    'an agent': { agent: 'agent:a3' },
    'a resource of most': { resource: 'document:hot' },
    'a resource of few': { resource: 'document:d1234' },
    'a resource of none': { resource: 'document:none' },
    'an action': { action: 'write' },
    denies: { decision: false },
    'a reason': { reason: 'policy_forbid' },
    'a rare reason': { reason: 'limit_exceeded' },
    'a task': { task: 'task-70' },
    'a session': { session: 's20' },
    'until a time': { until: since },
    'a user’s denies since': { user: 'user:u16', decision: false, since },
    'a resource of most, by a user': { resource: 'document:hot', user: 'user:u15' },
    'an agent’s writes to none': { agent: 'agent:a3', action: 'none' },
  };
  for (const [name, filter] of Object.entries(filters))
    report(name, await time(() => store.list(filter, undefined, 50)));
}

/** Stores lists one after the other, with and without what they are found by. */
async function measureLists(store) {
  const listOf = (count, search) => ({
    id: uuid(),
    evaluated_at: new Date().toISOString(),
    client: 'api',
    decision: true,
    dry_run: false,
    policy_version: 'v',
    search,
    acting: { chain: [] },
    request: {},
    found: count,
    items: Array.from({ length: count }, (_, i) => ({ type: 'document', id: `d${(i * 37) % 50_000}` })),
    left_out: {},
  });
  for (const count of [1, 50, 1000]) {
    report(
      `storing a list of ${count}, without its items’ rows`,
      await time(() => store.record(listOf(count, 'subject'))),
    );
    report(`storing a list of ${count}`, await time(() => store.record(listOf(count, 'filter'))));
  }
}

async function time(work) {
  const times = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const startedAt = performance.now();
    await work();
    // The first one plans, and fills caches.
    if (round > 0) times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b);
}

function report(name, times) {
  const [median, slowest] = [times[Math.floor(times.length / 2)], times.at(-1)];
  console.log(`| ${name} | ${median.toFixed(1)} | ${slowest.toFixed(1)} |`);
}
