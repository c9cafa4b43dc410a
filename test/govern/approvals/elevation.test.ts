/** Elevations: the graph follows what the database says, whatever dies in between, and touches nothing that others wrote. */
import { beforeAll, describe, expect, it } from 'vitest';
import { v4 as uuid } from 'uuid';
import { ElevationKeeper, type ElevationKeeperDeps } from '../../../src/govern/approvals/elevation.js';
import { EmbeddedGraph } from '../../../src/graph/embedded/embedded.js';
import { formatRelationship, parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { Fault } from '../../../src/model/faults.js';
import { ApprovalStore, endAllStatement, type StoredTask, type TaskAnswer } from '../../../src/store/approvals.js';
import { ElevationStore } from '../../../src/store/elevations.js';
import { Journal } from '../../../src/store/journal.js';
import { migrateSchema } from '../../../src/store/migrations.js';
import { PgliteDatabase } from '../../../src/store/database/pglite.js';
import { ReadBatch } from '../../../src/store/read-batch.js';
import { openTask } from '../../support/open-task.js';

const SCHEMA = GraphSchema.parse(
  `use expiration

definition user {}
definition doc {
  relation maintainer: user | user with expiration
}
`,
  'elevation.zed',
);
// SpiceDB expires relationships by the host's clock, so the clock of the tests is near it.
const NOW = new Date(Math.floor(Date.now() / 1000) * 1000);
const later = (minutes: number): Date => new Date(NOW.getTime() + minutes * 60_000);
const endText = (minutes: number): string => later(minutes).toISOString().replace('.000Z', 'Z');
const HELD = 'doc:plan#maintainer@user:ann';

describe('an elevation', () => {
  let database: PgliteDatabase;
  let graph: EmbeddedGraph;
  let approvals: ApprovalStore;
  let doc = 0;
  beforeAll(async () => {
    database = new PgliteDatabase(undefined);
    await migrateSchema(database);
    graph = await EmbeddedGraph.start(SCHEMA, await Journal.open(database));
    approvals = new ApprovalStore(database, new ReadBatch(database), () => Promise.resolve(true), 60_000);
    return async () => {
      await graph.close();
      await database.close();
    };
  });

  const newKeeper = (now = NOW, more: Partial<ElevationKeeperDeps> = {}): ElevationKeeper =>
    new ElevationKeeper({ store: new ElevationStore(database), graph: () => graph, now: () => now, ...more });
  const stored = async (id: string): Promise<string[]> => {
    const { relationships } = await graph.read({ resourceType: 'doc', resourceId: id }, 10, 'full');
    return relationships.map((relationship) =>
      formatRelationship({ ...relationship, resource: { type: 'doc', id: 'plan' } }),
    );
  };
  const write = (operation: 'touch' | 'delete', id: string, text: string): Promise<string> =>
    graph.write(
      [{ operation, relationship: { ...parseRelationship(text), resource: { type: 'doc', id } } }],
      'an admin',
    );

  /** A task for a resource of its own that is approved, and whose relationship nothing has written yet. */
  async function approve(
    answer: Partial<TaskAnswer> = {},
    requestedUntil?: string,
  ): Promise<StoredTask & { doc: string }> {
    const id = `d${(doc += 1)}`;
    const opened = await openTask(
      database,
      {
        requester: 'api',
        user: { type: 'user', id: 'ann' },
        agent: { type: 'agent', id: `helper${doc}` },
        task: {
          binding: { resource: id },
          steps: [{ kind: 'elevation', permission: 'own', relation: 'maintainer', seconds: 3600 }],
          question: {
            subject: { type: 'user', id: 'ann' },
            action: { name: 'push', properties: {} },
            resource: { type: 'doc', id, properties: {} },
            context: {},
          },
          chain: [],
          denial: uuid(),
          ...(requestedUntil === undefined ? {} : { requested_until: requestedUntil }),
        },
        expires: later(60),
      },
      { open: 100, cooldownMs: 0 },
      NOW,
    );
    if (opened.kind !== 'task') throw new Error(opened.kind);
    const by = { type: 'user', id: 'olga' };
    const common = { step: 0, by, at: NOW.toISOString(), scope: 'once' as const, until: later(15).toISOString() };
    const given: TaskAnswer = { answers: [common], state: 'approved', scope: 'once', approved_until: common.until };
    const task = await approvals.answer(opened.task, { ...given, ...answer }, NOW);
    if (task === undefined) throw new Error('not answered');
    return { ...task, doc: id };
  }
  const isGranted = async (id: string): Promise<boolean | undefined> => (await approvals.find(id))?.granted;

  it('gives the user the relation for its time, longer than the one use is good for', async () => {
    const task = await approve();
    expect(task.granted).toBe(false);
    await newKeeper().settle(task.id);
    expect(await stored(task.doc)).toEqual([`${HELD}[expiration:${endText(60)}]`]);
    expect(await isGranted(task.id)).toBe(true);
  });

  it('ends no later than what was asked for, and than the approver allowed', async () => {
    const asked = await approve({}, later(10).toISOString());
    await newKeeper().settle(asked.id);
    expect(await stored(asked.doc)).toEqual([`${HELD}[expiration:${endText(10)}]`]);
    const allowed = await approve({ scope: 'until', approved_until: later(5).toISOString() });
    await newKeeper().settle(allowed.id);
    expect(await stored(allowed.doc)).toEqual([`${HELD}[expiration:${endText(5)}]`]);
  });

  it('is given by the next sweep where the process died after the approval, or after the write', async () => {
    const task = await approve();
    await newKeeper().sweep();
    expect(await stored(task.doc)).toHaveLength(1);
    expect(await isGranted(task.id)).toBe(true);
    const written = await approve();
    await write('touch', written.doc, `${HELD}[expiration:${endText(60)}]`);
    await newKeeper().sweep();
    expect(await isGranted(written.id)).toBe(true);
    await approvals.end(written.id, 'revoked', NOW);
    await newKeeper().sweep();
    expect(await stored(written.doc)).toEqual([]);
  });

  it('is tried again where SpiceDB is away', async () => {
    const task = await approve();
    const failing = {
      read: graph.read.bind(graph),
      write: () => Promise.reject(new Fault('relationships_unavailable')),
    };
    await expect(newKeeper(NOW, { graph: () => failing }).settle(task.id)).rejects.toThrow(Fault);
    await newKeeper(NOW, { graph: () => failing }).settleOrLeave(task.id);
    expect(await isGranted(task.id)).toBe(false);
    await newKeeper().sweep();
    expect(await isGranted(task.id)).toBe(true);
  });

  it('never overwrites what is there, nor deletes it', async () => {
    const task = await approve();
    await write('touch', task.doc, HELD);
    await newKeeper().settle(task.id);
    expect(await stored(task.doc)).toEqual([HELD]);
    // The user holds the relation, so nothing is waited for.
    expect(await isGranted(task.id)).toBe(true);
    await approvals.end(task.id, 'revoked', NOW);
    await newKeeper().settle(task.id);
    expect(await stored(task.doc)).toEqual([HELD]);
  });

  it('overwrites what has expired', async () => {
    const task = await approve();
    await write('touch', task.doc, `${HELD}[expiration:2001-01-01T00:00:00Z]`);
    await newKeeper().settle(task.id);
    expect(await stored(task.doc)).toEqual([`${HELD}[expiration:${endText(60)}]`]);
  });

  it('is taken back with the approval, also after its one use was good, and by stopping the agent', async () => {
    const task = await approve();
    await newKeeper().settle(task.id);
    expect(await approvals.end(task.id, 'revoked', later(30))).toBeDefined();
    await newKeeper(later(30)).settle(task.id);
    expect(await stored(task.doc)).toEqual([]);
    const other = await approve();
    await newKeeper().settle(other.id);
    const pair = { user: { type: 'user', id: 'ann' }, agent: other.agent ?? { type: '', id: '' } };
    await database.run([endAllStatement(pair, NOW)]);
    await newKeeper().sweep();
    expect(await stored(other.doc)).toEqual([]);
  });

  it('leaves what an admin wrote in its place', async () => {
    const task = await approve();
    await newKeeper().settle(task.id);
    await write('touch', task.doc, HELD);
    await approvals.end(task.id, 'revoked', NOW);
    await newKeeper().settle(task.id);
    expect(await stored(task.doc)).toEqual([HELD]);
  });

  it('is not left behind where the approval ends while it is written, or a write comes late', async () => {
    const task = await approve();
    const slow = {
      read: graph.read.bind(graph),
      write: async (...args: Parameters<EmbeddedGraph['write']>): Promise<string> => {
        await approvals.end(task.id, 'revoked', NOW);
        return graph.write(...args);
      },
    };
    await newKeeper(NOW, { graph: () => slow }).settle(task.id);
    expect(await stored(task.doc)).toEqual([]);
    // A process that has died had sent this.
    await write('touch', task.doc, `${HELD}[expiration:${endText(60)}]`);
    await newKeeper(new Date(NOW.getTime() + 5000)).sweep();
    expect(await stored(task.doc)).toEqual([]);
    const unsettled = async (minutes: number): Promise<boolean> =>
      (await new ElevationStore(database).listUnsettled(later(minutes), 100)).some(({ id }) => id === task.id);
    expect(await unsettled(1)).toBe(true);
    await newKeeper(later(2)).sweep();
    expect(await unsettled(2)).toBe(false);
  });

  it('that could never be written is given up at its end', async () => {
    const task = await approve();
    await newKeeper(later(61)).sweep();
    expect(await stored(task.doc)).toEqual([]);
    expect(await new ElevationStore(database).listUnsettled(later(61), 100)).toEqual([]);
  });
});
