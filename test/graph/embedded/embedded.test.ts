/** The embedded engines: the contracts of both ports, and the faults that only they can have. */
import { readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PgliteDatabase } from '../../../src/store/database/pglite.js';
import { ScratchDatabase } from '../../support/postgres/scratch-database.js';
import type { CheckRequest } from '../../../src/model/checks.js';
import { EmbeddedGraph } from '../../../src/graph/embedded/embedded.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { Journal } from '../../../src/store/journal.js';
import { migrateSchema } from '../../../src/store/migrations.js';
import { databaseContract } from '../../store/database/database.contract.js';
import { CONTRACT_SCHEMA, relationshipsContract } from '../relationships.contract.js';

const graph = GraphSchema.parse(CONTRACT_SCHEMA, 'contract.zed');

async function memory(): Promise<PgliteDatabase> {
  const db = new ScratchDatabase();
  await migrateSchema(db);
  return db;
}

databaseContract('PGlite', () => Promise.resolve(new ScratchDatabase()));
relationshipsContract('embedded SpiceDB', async () => EmbeddedGraph.start(graph, await Journal.open(await memory())));

describe('embedded SpiceDB', () => {
  const check = { resource: { type: 'folder', id: 'kept' }, permission: 'view', subject: { type: 'user', id: 'a' } };
  const touch = (text: string) => ({ operation: 'touch' as const, relationship: parseRelationship(text) });
  let db: PgliteDatabase;
  beforeAll(async () => {
    db = await memory();
    return () => db.close();
  });

  it('listens where no other user can connect, whatever the umask is, and leaves nothing when it closes', async () => {
    const mask = process.umask(0);
    const engines = await Promise.all([1, 2].map(async () => EmbeddedGraph.start(graph, await Journal.open(await memory())))); // prettier-ignore
    expect(process.umask(mask)).toBe(0);
    const sockets = (): string[] =>
      readdirSync(tmpdir()).filter((name) => name.startsWith(`spicedb-streaming-${process.pid}-`));
    expect(sockets().length).toBeGreaterThanOrEqual(2);
    for (const name of sockets()) expect(statSync(join(tmpdir(), name)).mode & 0o077, name).toBe(0);
    const before = sockets().length;
    for (const engine of engines) await engine.close();
    expect(sockets()).toHaveLength(before - 2);
  });

  it('has everything again after a restart, its ZedTokens included', async () => {
    const first = await EmbeddedGraph.start(graph, await Journal.open(db));
    await first.write([touch('folder:kept#viewer@user:a'), touch('folder:kept#viewer@user:gone')], 'test');
    const token = await first.write(
      [{ operation: 'delete', relationship: parseRelationship('folder:kept#viewer@user:gone') }],
      'test',
    );
    await first.close();
    const second = await EmbeddedGraph.start(graph, await Journal.open(db));
    const gone = { ...check, subject: { type: 'user', id: 'gone' } };
    expect((await second.check([check, gone], 'full')).map((a) => a.result)).toEqual(['yes', 'no']);
    expect(second.tokenProblem(token)).toBeUndefined();
    await second.close();
  });

  it('answers from its cache what it has explained, and explains anew what it has not', async () => {
    const engine = await EmbeddedGraph.start(graph, await Journal.open(await memory()));
    await engine.write([touch('team:all#member@user:a')], 'test');
    const check = { resource: { type: 'team', id: 'all' }, permission: 'member', subject: { type: 'user', id: 'a' } };
    const explained = { ...check, explain: true };
    const hits = (): number => engine.counts().caches['relationship_checks']?.hits ?? NaN;
    const [plain] = await engine.check([check], 'full');
    const [first] = await engine.check([explained], 'full');
    expect([hits(), plain?.result, first]).toEqual([0, 'yes', { ...plain, path: ['team:all#member@user:a'] }]);
    expect(await engine.check([explained, check], 'full')).toEqual([first, plain]);
    expect(hits()).toBe(2);
    await engine.close();
  });

  it('asks SpiceDB again about a write that a crash left undecided', async () => {
    await (await Journal.open(db)).append([touch('folder:late#viewer@user:a')], 'test');
    await (await EmbeddedGraph.start(graph, await Journal.open(db))).close();
    await (await Journal.open(db)).append([touch('folder:late#no_such@user:a')], 'test');
    const engine = await EmbeddedGraph.start(graph, await Journal.open(db));
    expect((await engine.check([{ ...check, resource: { type: 'folder', id: 'late' } }], 'full'))[0]?.result).toBe(
      'yes',
    );
    const [rows] = await db.run([{ sql: 'select count(*)::int as n from relationship_journal where not settled' }]);
    expect(rows).toEqual([{ n: 0 }]); // One write was settled, the other one withdrawn.
    await engine.close();
  });

  it('folds a long journal into what it leaves', async () => {
    await db.run([
      {
        sql: `insert into relationship_journal (written_by, updates, settled)
              select 'test', jsonb_build_array(jsonb_build_object('operation', 'touch', 'relationship', jsonb_build_object(
                'resource', jsonb_build_object('type', 'folder', 'id', 'long'), 'relation', 'viewer',
                'subject', jsonb_build_object('type', 'user', 'id', 'u' || (n % 10))))), true
              from generate_series(1, 1500) n`,
      },
    ]);
    const engine = await EmbeddedGraph.start(graph, await Journal.open(db));
    await engine.close();
    const again = await EmbeddedGraph.start(graph, await Journal.open(db));
    const [rows] = await db.run([{ sql: 'select count(*)::int as n from relationship_journal' }]);
    expect(Number(rows?.[0]?.['n'])).toBeLessThan(10);
    expect((await again.read({ resourceType: 'folder', resourceId: 'long' }, 100, 'full')).relationships).toHaveLength(
      10,
    );
    expect((await again.check([check], 'full'))[0]?.result).toBe('yes');
    await again.close();
  });

  it('tells a ZedToken of the future from its own', async () => {
    const journal = await Journal.open(db);
    const engine = await EmbeddedGraph.start(graph, journal);
    expect(engine.tokenProblem(journal.encodeToken(10_000_000))).toBe('is a ZedToken of the future');
    await engine.close();
  });

  it('closes at once after streaming calls, which by themselves would block it for six seconds', async () => {
    const engine = await EmbeddedGraph.start(graph, await Journal.open(db));
    await engine.read({ resourceType: 'folder' }, 10, 'full');
    const before = performance.now();
    await engine.close();
    expect(performance.now() - before).toBeLessThan(5500);
  });

  it('answers unknown once its thread is gone, and never a yes', async () => {
    const engine = await EmbeddedGraph.start(graph, await Journal.open(db));
    const waiting = engine.check([{ ...check, resource: { type: 'folder', id: 'never-asked' } }], 'full');
    await engine.kill();
    expect((await waiting)[0]?.result).not.toBe('yes');
    expect(await engine.check([{ ...check, resource: { type: 'folder', id: 'tier' } }], 'full')).toEqual([
      { result: 'unknown', fault: 'relationships_unavailable' },
    ]);
    await expect(engine.write([touch('folder:kept#viewer@user:b')], 'test')).rejects.toMatchObject({
      code: 'relationships_unavailable',
    });
  });
});

describe('PGlite', () => {
  it('faults on every call once its thread is gone', async () => {
    const db = await memory();
    const waiting = db.run([{ sql: 'select 1' }]);
    await db.kill();
    await expect(waiting).rejects.toMatchObject({ code: 'database_unavailable' });
    await expect(db.run([{ sql: 'select 1' }])).rejects.toMatchObject({ code: 'database_unavailable' });
  });
});

describe('an expiration', () => {
  const schema = GraphSchema.parse(
    `use expiration
definition user {}
definition folder {
  relation viewer: user
  relation banned: user with expiration
  relation approver: user with expiration
  permission view = viewer - banned
  permission approve = approver
}
`,
    'expiring.zed',
  );

  it('that a later write took back is still the end of an answer at the revision before', async () => {
    const db = await memory();
    const engine = await EmbeddedGraph.start(schema, await Journal.open(db));
    const update = (operation: 'touch' | 'delete', text: string) => [
      { operation, relationship: parseRelationship(text) },
    ];
    const ends = [60, 3_600].map((seconds) => new Date(Date.now() + seconds * 1000 - 10_000).toISOString());
    const [soon = '', later = ''] = ends;
    const check = { resource: { type: 'folder', id: 'f' }, permission: 'approver', subject: { type: 'user', id: 'u' } };
    const askAt = async (exactly: string) => (await engine.check([check], { exactly }))[0];
    const first = await engine.write(update('touch', `folder:f#approver@user:u[expiration:${soon}]`), 'test');
    expect(await askAt(first)).toMatchObject({ result: 'yes', until: soon });
    const second = await engine.write(update('touch', `folder:f#approver@user:u[expiration:${later}]`), 'test');
    expect([await askAt(first), await askAt(second)]).toMatchObject([{ until: soon }, { until: later }]);
    const third = await engine.write(update('delete', 'folder:f#approver@user:u'), 'test');
    expect([await askAt(first), await askAt(third)]).toMatchObject([{ until: soon }, { result: 'no' }]);
    await engine.close();
    await db.close();
  });

  it('in the middle of a call does not mix what was with what is, kept or not, nor is its end forgotten', async () => {
    const db = await memory();
    const engine = await EmbeddedGraph.start(schema, await Journal.open(db));
    const ask = (permission: string, folder: number): CheckRequest => ({
      resource: { type: 'folder', id: `f${folder}` },
      permission,
      subject: { type: 'user', id: 'u' },
      // The path is asked for in a second call to SpiceDB.
      explain: permission === 'view',
    });
    const seen = new Set<string>();
    const folders = Array.from({ length: 60 }, (_, i) => i);
    for (let round = 0; round < 3; round += 1) {
      const end = Date.now() + 900;
      const expiration = `[expiration:${new Date(end).toISOString()}]`;
      const texts = folders.flatMap((i) => [
        `folder:f${i}#viewer@user:u`,
        `folder:f${i}#banned@user:u${expiration}`,
        `folder:f${i}#approver@user:u${expiration}`,
      ]);
      await engine.write(texts.map((text) => ({ operation: 'touch', relationship: parseRelationship(text) })), 'test'); // prettier-ignore
      const asking = async (folder: number): Promise<void> => {
        while (Date.now() < end + 300) {
          if (Math.random() < 0.3) await engine.check([ask('approve', folder)], 'full');
          const begun = Date.now();
          const [view, approve] = await engine.check([ask('view', folder), ask('approve', folder)], 'full');
          const state = `${view?.result ?? ''} ${approve?.result ?? ''}`;
          seen.add(state);
          if (approve?.result === 'yes' && begun < end) expect(Date.parse(approve.until ?? '')).toBe(end);
        }
      };
      await Promise.all(folders.map(asking));
    }
    expect(seen).toEqual(new Set(['no yes', 'yes no']));
    await engine.close();
    await db.close();
  });
});
