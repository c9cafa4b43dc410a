/** Elevations: the graph follows what the database says, whatever dies in between, and touches nothing that others wrote. */
import { changeRecordsOf } from '../../support/record-values.js';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { v4 as uuid } from 'uuid';
import { ElevationKeeper, type ElevationKeeperDeps } from '../../../src/govern/approvals/elevation.js';
import { EmbeddedGraph } from '../../../src/graph/embedded/embedded.js';
import { formatRelationship, parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { Fault } from '../../../src/model/faults.js';
import { ApprovalStore } from '../../../src/store/approvals.js';
import { type StoredTask, type TaskAnswer } from '../../../src/store/stored-task.js';
import { ElevationStore } from '../../../src/store/elevations.js';
import { Journal } from '../../../src/store/journal.js';
import { migrateSchema } from '../../../src/store/migrations.js';
import type { PgliteDatabase } from '../../../src/store/database/pglite.js';
import { ScratchDatabase } from '../../support/postgres/scratch-database.js';
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
  let helper = 0;
  beforeAll(async () => {
    database = new ScratchDatabase();
    await migrateSchema(database);
    graph = await EmbeddedGraph.start(SCHEMA, await Journal.open(database));
    approvals = new ApprovalStore(
      database,
      changeRecordsOf(database),
      new ReadBatch(database),
      () => Promise.resolve(true),
      60_000,
      3_600_000,
    );
    return async () => {
      await graph.close();
      await database.close();
    };
  });

  const newKeeper = (now = NOW, more: Partial<ElevationKeeperDeps> = {}): ElevationKeeper =>
    new ElevationKeeper({
      store: new ElevationStore(database, changeRecordsOf(database)),
      graph: () => graph,
      now: () => now,
      ...more,
    });
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
    id = `d${(doc += 1)}`,
    now = NOW,
  ): Promise<StoredTask & { doc: string }> {
    const agent = { type: 'agent', id: `helper${(helper += 1)}` };
    const opened = await openTask(
      database,
      {
        requester: 'api',
        user: { type: 'user', id: 'ann' },
        agent,
        task: {
          binding: { resource: id, agent: agent.id },
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
        expires: new Date(now.getTime() + 3_600_000),
      },
      { open: 100, cooldownMs: 0 },
      now,
    );
    if (opened.kind !== 'task') throw new Error(opened.kind);
    const by = { type: 'user', id: 'olga' };
    const until = new Date(now.getTime() + 900_000).toISOString();
    const common = { step: 0, by, at: now.toISOString(), scope: 'once' as const, until };
    const given: TaskAnswer = { answers: [common], state: 'approved', scope: 'once', approved_until: common.until };
    const task = await approvals.answer(opened.task, { ...given, ...answer }, now);
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
    await approvals.end(written.id, 'revoked', 'user:ann', NOW);
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
    await approvals.end(task.id, 'revoked', 'user:ann', NOW);
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
    expect(await approvals.end(task.id, 'revoked', 'user:ann', later(30))).toBeDefined();
    await newKeeper(later(30)).settle(task.id);
    expect(await stored(task.doc)).toEqual([]);
    const other = await approve();
    await newKeeper().settle(other.id);
    const pair = { user: { type: 'user', id: 'ann' }, agent: other.agent ?? { type: '', id: '' } };
    await database.run([await approvals.prepareEndAll(pair, 'user:ann', NOW)]);
    await newKeeper().sweep();
    expect(await stored(other.doc)).toEqual([]);
  });

  it('leaves what an admin wrote in its place', async () => {
    const task = await approve();
    await newKeeper().settle(task.id);
    await write('touch', task.doc, HELD);
    await approvals.end(task.id, 'revoked', 'user:ann', NOW);
    await newKeeper().settle(task.id);
    expect(await stored(task.doc)).toEqual([HELD]);
  });

  it('is not left behind where the approval ends while it is written, or a write comes late', async () => {
    const task = await approve();
    const slow = {
      read: graph.read.bind(graph),
      write: async (...args: Parameters<EmbeddedGraph['write']>): Promise<string> => {
        await approvals.end(task.id, 'revoked', 'user:ann', NOW);
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
      (await new ElevationStore(database, changeRecordsOf(database)).listUnsettled(later(minutes), 100)).some(
        ({ id }) => id === task.id,
      );
    expect(await unsettled(1)).toBe(true);
    await newKeeper(later(2)).sweep();
    expect(await unsettled(2)).toBe(false);
  });

  it('that could never be written is given up at its end', async () => {
    const task = await approve();
    await newKeeper(later(61)).sweep();
    expect(await stored(task.doc)).toEqual([]);
    expect(await new ElevationStore(database, changeRecordsOf(database)).listUnsettled(later(61), 100)).toEqual([]);
  });

  describe('beside another of the same right', () => {
    const both = async (): Promise<[short: StoredTask & { doc: string }, long: StoredTask]> => {
      const short = await approve({}, later(10).toISOString());
      const long = await approve({}, undefined, short.doc);
      await newKeeper().settle(short.id);
      await newKeeper().settle(long.id);
      expect(await stored(short.doc)).toEqual([`${HELD}[expiration:${endText(60)}]`]);
      expect([await isGranted(short.id), await isGranted(long.id)]).toEqual([true, true]);
      return [short, long];
    };
    const end = async (id: string): Promise<void> => {
      await approvals.end(id, 'revoked', 'user:ann', NOW);
      await newKeeper().settle(id);
    };

    it('lasts to the later end, and ends with the last of them', async () => {
      const [short, long] = await both();
      await end(short.id);
      expect(await stored(short.doc)).toEqual([`${HELD}[expiration:${endText(60)}]`]);
      await end(long.id);
      expect(await stored(short.doc)).toEqual([]);
      const [first, second] = await both();
      await end(second.id);
      expect(await stored(first.doc)).toEqual([`${HELD}[expiration:${endText(10)}]`]);
      await end(first.id);
      expect(await stored(first.doc)).toEqual([]);
    });

    it('is not given back by the end of another where an admin has taken it, and is where another is approved', async () => {
      const [short, long] = await both();
      await write('delete', short.doc, `${HELD}[expiration:${endText(60)}]`);
      await end(long.id);
      await newKeeper().sweep();
      expect(await stored(short.doc)).toEqual([]);
      const next = await approve({}, later(5).toISOString(), short.doc);
      await newKeeper().settle(next.id);
      expect(await stored(short.doc)).toEqual([`${HELD}[expiration:${endText(5)}]`]);
    });

    it('stays where another is approved while it is deleted, also where the one that deletes dies', async () => {
      for (const dies of [false, true]) {
        const first = await approve();
        await newKeeper().settle(first.id);
        await approvals.end(first.id, 'revoked', 'user:ann', NOW);
        let second: StoredTask | undefined;
        const slow = {
          read: graph.read.bind(graph),
          write: async (...args: Parameters<EmbeddedGraph['write']>): Promise<string> => {
            if (args[0][0]?.operation !== 'delete' || second !== undefined) return graph.write(...args);
            second = await approve({}, later(20).toISOString(), first.doc);
            await newKeeper().settle(second.id);
            const revision = await graph.write(...args);
            if (dies) throw new Fault('relationships_unavailable');
            return revision;
          },
        };
        await newKeeper(NOW, { graph: () => slow }).settleOrLeave(first.id);
        if (dies) expect(await stored(first.doc)).toEqual([]);
        await newKeeper().sweep();
        expect(await stored(first.doc)).toEqual([`${HELD}[expiration:${endText(20)}]`]);
        expect(await isGranted(second?.id ?? '')).toBe(true);
      }
    });

    type Act =
      | { readonly kind: 'approve'; readonly minutes: number }
      | { readonly kind: 'pass'; readonly minutes: number }
      | { readonly kind: 'end'; readonly of: number; readonly fails: Failure }
      | { readonly kind: 'settle'; readonly of: number; readonly fails: Failure }
      | { readonly kind: 'sweep'; readonly fails: Failure };
    type Failure = 'never' | 'before' | 'after';
    const fails = fc.constantFrom<Failure>('never', 'before', 'after');
    const act: fc.Arbitrary<Act> = fc.oneof(
      fc.record({ kind: fc.constant('approve' as const), minutes: fc.integer({ min: 1, max: 55 }) }),
      fc.record({ kind: fc.constant('end' as const), of: fc.nat(5), fails }),
      fc.record({ kind: fc.constant('settle' as const), of: fc.nat(5), fails }),
      fc.record({ kind: fc.constant('sweep' as const), fails }),
      fc.record({ kind: fc.constant('pass' as const), minutes: fc.integer({ min: 1, max: 20 }) }),
    );

    it('follows what is approved and ended, whatever fails in between: to the latest end of those that live, and no longer', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(act, { minLength: 3, maxLength: 14 }), async (acts) => {
          const id = `p${(doc += 1)}`;
          let now = NOW;
          // The model: what was approved, until when, and whether it was told to be there.
          const model: { readonly id: string; readonly end: number; isEnded: boolean; isGranted: boolean }[] = [];
          const readEnd = async (): Promise<number | undefined> => {
            const [one] = (await graph.read({ resourceType: 'doc', resourceId: id }, 2, 'full')).relationships;
            return one?.expiresAt === undefined ? undefined : Date.parse(one.expiresAt);
          };
          const isAlive = (one: (typeof model)[number]): boolean => !one.isEnded && one.end > now.getTime();
          const latestOf = (ones: readonly (typeof model)[number][]): number | undefined =>
            ones.length === 0 ? undefined : Math.max(...ones.map(({ end: at }) => at));
          const check = async (): Promise<void> => {
            const at = await readEnd();
            // Never a moment without it.
            for (const one of model.filter((each) => isAlive(each) && each.isGranted))
              expect(at).toBeGreaterThanOrEqual(one.end);
            // Nor with it beyond what was ever approved.
            if (at !== undefined) expect(model.map((one) => one.end)).toContain(at);
          };
          const run = async (failure: Failure, work: (keeper: ElevationKeeper) => Promise<void>): Promise<void> => {
            const failing = {
              read: graph.read.bind(graph),
              write: async (...args: Parameters<EmbeddedGraph['write']>): Promise<string> => {
                if (failure === 'before') throw new Fault('relationships_unavailable');
                const revision = await graph.write(...args);
                await check();
                if (failure === 'after') throw new Fault('relationships_unavailable');
                return revision;
              },
            };
            await work(newKeeper(now, { graph: () => failing }));
            for (const one of model) one.isGranted = (await isGranted(one.id)) === true;
          };
          for (const one of acts) {
            const target = 'of' in one ? model[one.of % Math.max(1, model.length)] : undefined;
            if (one.kind === 'approve') {
              const end = new Date(now.getTime() + one.minutes * 60_000);
              const task = await approve({}, end.toISOString(), id, now);
              model.push({ id: task.id, end: end.getTime(), isEnded: false, isGranted: false });
            } else if (one.kind === 'pass') {
              now = new Date(now.getTime() + one.minutes * 60_000);
              const at = await readEnd();
              // SpiceDB ends relationships by the host's clock, which doesn't follow the one of this test.
              if (at !== undefined && at <= now.getTime()) await write('delete', id, HELD);
            } else if (one.kind === 'sweep') await run(one.fails, (keeper) => keeper.sweep().catch(() => undefined));
            else if (target !== undefined) {
              if (one.kind === 'end' && !target.isEnded)
                target.isEnded = (await approvals.end(target.id, 'revoked', 'user:ann', now)) !== undefined;
              await run(one.fails, (keeper) => keeper.settleOrLeave(target.id));
            }
            await check();
            if (one.kind === 'sweep' && one.fails === 'never')
              expect(await readEnd()).toBe(latestOf(model.filter(isAlive)));
          }
          await newKeeper(now).sweep();
          expect(await readEnd()).toBe(latestOf(model.filter(isAlive)));
        }),
        { numRuns: 60 },
      );
    });
  });
});
