/** The contract of the log on every database: each record once, in one order, whatever replicas do and when they end. */
import { newDecisionStore } from '../support/record-values.js';
import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/audit/checkpoint.js';
import { formatLeaf } from '../../src/audit/leaf.js';
import { toNoteKey } from '../../src/audit/signed-note.js';
import { hashRange, listTiles } from '../../src/audit/tiles.js';
import { computeInclusionRoot, hashLeaf, planInclusion } from '../../src/audit/tree.js';
import { newDecisionId } from '../../src/decide/decision-id.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { NO_ACCOUNT } from '../../src/model/question.js';
import { Sequencer } from '../../src/records/sequencer.js';
import type { Database, DatabaseRow, SqlStatement } from '../../src/store/database/port.js';
import { selectLogged, toLoggedRecord } from '../../src/store/log-rows.js';
import { LogStore } from '../../src/store/log-store.js';
import { naiveRoot } from '../audit/naive-tree.js';

const signer = { origin: 'log.example', privateKey: generateKeyPairSync('ed25519').privateKey };
const key = toNoteKey(signer.origin, signer.privateKey);

export function recordOf(id: string, task = 'plan'): DecisionRecord {
  return {
    id,
    evaluated_at: '2030-03-04T10:00:00.000Z',
    client: 'api',
    decision: true,
    dry_run: false,
    policy_version: 'v',
    request: { subject: { type: 'user', id: 'ann' }, action: 'read', resource: { type: 'document', id: task } },
    reasons: [],
    obligations: [],
    rationale: { acting: { mode: 'human', user: 'user:ann', chain: [] }, steps: [] },
  };
}

/** Empties the records and their log, and has the triggers do again what they do. */
export async function emptyLog(database: Database): Promise<void> {
  const statements = [
    'alter table records enable trigger user',
    'truncate records, log_pending, log_leaves, log_tiles cascade',
    'delete from log_state',
    `insert into log_state (size, root) values (0, sha256(''))`,
  ];
  await database.run(statements.map((sql) => ({ sql })));
}

/** A database on which a process ends at its nth call: before the call, or after it is done and before it is known. */
function endAfter(database: Database, calls: number, isDone: boolean): Pick<Database, 'run'> {
  let count = 0;
  return {
    run: async (statements: readonly SqlStatement[]) => {
      count += 1;
      if (count < calls) return database.run(statements);
      if (count === calls && isDone) await database.run(statements);
      throw new Error('killed');
    },
  };
}

export function logContract(open: () => Database): void {
  const query = async (sql: string): Promise<readonly DatabaseRow[]> => (await open().run([{ sql }]))[0] ?? [];
  const readLeaves = async (): Promise<string[]> =>
    (await query('select leaf from log_leaves order by index')).map(({ leaf }) => String(leaf));
  const write = async (count: number): Promise<string[]> => {
    const decisions = newDecisionStore(open());
    const ids = Array.from({ length: count }, () => newDecisionId());
    await Promise.all(ids.map((id) => decisions.record(recordOf(id))));
    return ids;
  };
  const sequence = (database: Pick<Database, 'run'> = open()): Promise<void> =>
    new Sequencer(new LogStore(database), signer).sequence();

  /** Checks that each record is in the log once, as it is, and that the checkpoint says so. */
  async function assertWhole(): Promise<void> {
    const leaves = await readLeaves();
    const records = (await query(`select ${selectLogged('r')} from records r`)).map(toLoggedRecord);
    expect([...leaves].sort()).toEqual(records.map(formatLeaf).sort());
    expect(await query('select id from log_pending')).toEqual([]);
    const indexes = await query('select index from log_leaves order by index');
    expect(indexes.map(({ index }) => index)).toEqual(leaves.map((_, i) => i));
    const state = await new LogStore(open()).readState();
    const root = naiveRoot(leaves.map((leaf) => Buffer.from(leaf)));
    expect(openCheckpoint(state.checkpoint ?? '', key)).toEqual({ size: leaves.length, root });
    expect(state).toMatchObject({ size: leaves.length, root });
  }

  beforeEach(() => emptyLog(open()));

  describe('the log', () => {
    it('has decisions, corrections and outcomes, in batches that begin where the last one ended', async () => {
      await sequence();
      await assertWhole();
      const decisions = newDecisionStore(open());
      let sizes = 0;
      for (const count of [1, 254, 2, 30]) {
        const [id = ''] = await write(count);
        await decisions.reportOutcome(id, 'api', { outcome: 'executed' });
        decisions.correct({ ...recordOf(id), decision: false }, NO_ACCOUNT, false);
        await decisions.flush();
        await sequence();
        await assertWhole();
        expect((await readLeaves()).length).toBe((sizes += count + 2));
      }
    });

    it('proves each record by tiles that were stored', async () => {
      const [id = ''] = await write(300);
      await sequence();
      const store = new LogStore(open());
      const { size, root } = await store.readState();
      const place = await store.locate(id);
      const { index = -1, leaf = '' } = place?.entry ?? {};
      const ranges = planInclusion(index, size);
      const tiles = await store.readTiles(listTiles(ranges));
      const path = ranges.map((range) => hashRange(range, tiles));
      expect(computeInclusionRoot(hashLeaf(leaf), { index, size }, path)).toEqual(root);
      expect(place?.client).toBe('api');
      expect(await store.locate(newDecisionId())).toBeUndefined();
    });

    it('stays one log where replicas sequence at once, and while records come', async () => {
      const replicas = Array.from({ length: 3 }, () => new Sequencer(new LogStore(open()), signer));
      for (let round = 0; round < 3; round += 1)
        await Promise.all([write(40), ...replicas.map((replica) => replica.sequence()), write(40)]);
      // Whichever was slower has left what it saw to others.
      await replicas[0]?.sequence();
      await assertWhole();
      expect((await readLeaves()).length).toBe(240);
      await Promise.all(replicas.map((replica) => replica.sequence()));
      await assertWhole();
    });

    it('is right after a process that ends at any of its calls', async () => {
      for (const isDone of [false, true])
        for (let calls = 1; calls <= 5; calls += 1) {
          await write(3);
          await expect(sequence(endAfter(open(), calls, isDone))).rejects.toThrow('killed');
          await write(2);
          await sequence();
          await assertWhole();
        }
    });

    it('takes no batch that was made for an earlier log', async () => {
      await write(3);
      const store = new LogStore(open());
      const before = await store.readState();
      const records = await store.takeNext(2);
      const leaves = records.map((record) => ({ id: record.id, leaf: formatLeaf(record) }));
      await sequence();
      const after = { size: 2, root: before.root, checkpoint: undefined };
      expect(await store.append({ before, leaves, tiles: [], after })).toBe(false);
      await assertWhole();
      // Nor one of records that are sequenced already, or that are none.
      const now = await store.readState();
      const again = { before: now, leaves, tiles: [], after: { ...now, size: now.size + 2 } };
      await expect(store.append(again)).rejects.toThrow();
      await expect(store.append({ ...again, leaves: [{ id: newDecisionId(), leaf: '{}' }] })).rejects.toThrow();
      await assertWhole();
    });

    it('is not signed where it is no longer what was signed', async () => {
      await write(5);
      const running = new Sequencer(new LogStore(open()), signer);
      await running.sequence();
      const [state] = await query(`select size, encode(root, 'hex') as root, checkpoint from log_state`);
      const damages = [
        `update log_tiles set hashes = set_byte(hashes, 3, get_byte(hashes, 3) # 1)`,
        `update log_tiles set hashes = substr(hashes, 1, 96)`,
        `delete from log_tiles`,
        `update log_state set root = sha256('other')`,
        `update log_state set size = 4`,
        `delete from log_state`,
      ];
      for (const damage of damages) {
        const tiles = await query(`select level, tile, encode(hashes, 'hex') as hashes from log_tiles`);
        await open().run([{ sql: damage }]);
        await write(1);
        await expect(sequence(), damage).rejects.toMatchObject({ code: 'log_damaged' });
        await expect(running.sequence(), damage).rejects.toMatchObject({ code: 'log_damaged' });
        await open().run([
          { sql: 'delete from log_tiles' },
          {
            sql: `insert into log_tiles select level, tile, decode(hashes, 'hex')
                  from jsonb_to_recordset($1::jsonb) as r (level smallint, tile bigint, hashes text)`,
            params: [JSON.stringify(tiles)],
          },
          { sql: 'delete from log_state' },
          {
            sql: `insert into log_state (size, root, checkpoint) values ($1::bigint, decode($2, 'hex'), $3)`,
            params: [Number(state?.['size']), String(state?.['root']), String(state?.['checkpoint'])],
          },
        ]);
      }
      await running.sequence();
      await assertWhole();
    });

    it('that was set back is not gone on with by a process that knows more of it', async () => {
      const running = new Sequencer(new LogStore(open()), signer);
      await write(3);
      await running.sequence();
      const restore = [
        `update log_state set size = 0, root = sha256(''), checkpoint = null`,
        'delete from log_tiles',
        'delete from log_leaves',
        'insert into log_pending select id from records',
      ].map((sql) => ({ sql }));
      await open().run(restore);
      await expect(running.sequence()).rejects.toMatchObject({
        code: 'log_damaged',
        detail: expect.stringContaining('set back') as unknown,
      });
      // Other records in the place of those that it has seen.
      await open().run([{ sql: 'truncate records, log_pending cascade' }]);
      await write(4);
      await sequence();
      await expect(running.sequence()).rejects.toMatchObject({
        code: 'log_damaged',
        detail: expect.stringContaining('no longer begins') as unknown,
      });
    });

    it('is kept without a key, and signed from when there is one, or another', async () => {
      const store = new LogStore(open());
      await write(2);
      await new Sequencer(store, undefined).sequence();
      expect(await store.readState()).toMatchObject({ size: 2, checkpoint: undefined });
      await sequence();
      await assertWhole();
      const next = { ...signer, privateKey: generateKeyPairSync('ed25519').privateKey };
      await new Sequencer(store, next).sequence();
      const { checkpoint = '' } = await store.readState();
      expect(openCheckpoint(checkpoint, toNoteKey(next.origin, next.privateKey)).size).toBe(2);
    });

    it('counts what waits, and leaves what was removed before it was sequenced to be seen', async () => {
      const [id] = await write(3);
      const sequencer = new Sequencer(new LogStore(open()), signer);
      await open().run([{ sql: `delete from records where id = $1::uuid`, params: [id ?? ''] }]);
      await sequencer.sequence();
      expect(sequencer.counts).toEqual({ size: 2, pending: 1, damaged: false });
    });

    it('goes on after more records than a batch has were removed before they were sequenced', async () => {
      const removed = await write(300);
      await open().run([{ sql: 'delete from records' }]);
      const young = await write(3);
      const sequencer = new Sequencer(new LogStore(open()), signer);
      await sequencer.sequence();
      expect(sequencer.counts).toEqual({ size: young.length, pending: removed.length, damaged: false });
    });
  });
}
