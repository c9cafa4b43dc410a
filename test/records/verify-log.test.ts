/** The whole log on a real database: what was done to it is found and named, whatever it was. */
import { newDecisionStore } from '../support/record-values.js';
import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/audit/checkpoint.js';
import { toNoteKey } from '../../src/audit/signed-note.js';
import type { TreeHead } from '../../src/audit/tree.js';
import { newDecisionId } from '../../src/decide/decision-id.js';
import { Sequencer } from '../../src/records/sequencer.js';
import { LogVerifier } from '../../src/records/verify-log.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import type { Database } from '../../src/store/database/port.js';
import { LogPages } from '../../src/store/log-pages.js';
import { LogStore } from '../../src/store/log-store.js';
import { migrateSchema } from '../../src/store/migrations.js';
import { emptyLog, recordOf } from '../store/log.contract.js';

const signer = { origin: 'log.example', privateKey: generateKeyPairSync('ed25519').privateKey };
const key = toNoteKey(signer.origin, signer.privateKey);
let database: Database;
let ids: string[];
let sequencer: Sequencer;

async function write(count: number): Promise<string[]> {
  const decisions = newDecisionStore(database);
  const written = Array.from({ length: count }, () => newDecisionId());
  await Promise.all(written.map((id) => decisions.record(recordOf(id))));
  return written;
}
const readHead = async (): Promise<TreeHead> =>
  openCheckpoint((await new LogStore(database).readState()).checkpoint ?? '', key);
const run = (...statements: string[]): Promise<unknown> => database.run(statements.map((sql) => ({ sql })));

/** What verifying says, as `kind id index`. */
async function verify(kept: readonly TreeHead[] = [], pageSize = 4): Promise<string[]> {
  const pages = new LogPages(database);
  const verifier = new LogVerifier(await readHead(), kept);
  for (let from = 0; ;) {
    const leaves = await pages.readLeaves(from, pageSize, true);
    for (const leaf of leaves) verifier.take({ ...leaf, record: leaf.record ?? null });
    const last = leaves.at(-1);
    if (last === undefined) break;
    from = last.index + 1;
  }
  const { unlogged, lost } = await pages.listUnsequenced('');
  verifier.takeUnlogged(unlogged, lost);
  return verifier.finish().map(({ kind, id = '', index = '' }) => `${kind} ${id} ${index}`);
}

beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  return () => database.close();
}, 60_000);
beforeEach(async () => {
  await emptyLog(database);
  sequencer = new Sequencer(new LogStore(database), signer);
  ids = (await write(10)).sort();
  await sequencer.sequence();
});

const CHANGES = 'alter table records disable trigger records_stay';
const id = (index: number): string => ids[index] ?? '';

describe('a log', () => {
  it('that nothing was done to is what was signed, while it grows as well', async () => {
    const first = await readHead();
    expect(await verify()).toEqual([]);
    await write(3);
    expect(await verify([first])).toEqual([]);
    await sequencer.sequence();
    expect(await verify([first, await readHead(), { size: 0, root: (await readHead()).root }])).toEqual(['forked  ']);
    expect(await verify([first, await readHead()], 500)).toEqual([]);
  });

  it.each([
    ['its record', `update records set record = record || '{"decision": false}'`],
    ['its decision', 'update records set decision = false'],
    ['its user', `update records set user_key = 'user:bob'`],
    ['its client', `update records set client = 'other'`],
    ['its time', `update records set at = at + interval '1 microsecond'`],
    ['its kind', `update records set kind = 'correction'`],
    ['what it is about', `update records set about = id`],
    ['its seed', `update records set seed = '\\x00'`],
  ])('names the record that was changed: %s', async (_name, change) => {
    await run(CHANGES, `${change} where id = '${id(3)}'`);
    expect(await verify()).toEqual([`changed ${id(3)} 3`]);
  });

  it('names a record that was removed, and one that came round it', async () => {
    await run(`delete from records where id = '${id(4)}'`);
    expect(await verify()).toEqual([`removed ${id(4)} 4`]);
    const added = newDecisionId();
    await run(
      'alter table records disable trigger records_await_sequencing',
      `insert into records (id, kind, at, client, decision, record) select '${added}', kind, at, client, decision, record
       from records where id = '${id(1)}'`,
    );
    expect(await verify()).toEqual([`removed ${id(4)} 4`, `added ${added} `]);
  });

  it('names a record that was removed before it had a place', async () => {
    const [waiting = ''] = await write(1);
    await run(`delete from records where id = '${waiting}'`);
    await sequencer.sequence();
    expect(await verify()).toEqual([`removed ${waiting} `]);
  });

  it('names leaves that were moved, and what was changed together with its leaf', async () => {
    await run(
      `update log_leaves set index = -1 where index = 2`,
      `update log_leaves set index = 2 where index = 6`,
      `update log_leaves set index = 6 where index = -1`,
    );
    expect(await verify()).toEqual([`misplaced ${id(6)} 2`, `misplaced ${id(2)} 6`, 'root  ']);
  });

  it('finds a leaf that is gone, from the middle and from the end', async () => {
    await run('delete from log_leaves where index in (5, 9)');
    expect(await verify()).toEqual(
      ['removed  5', `added ${id(5)} `, `added ${id(9)} `, 'removed  9', 'root  '].sort(order),
    );
  });
  /** As they are found: leaves in their order, then records without any, then the end. */
  function order(a: string, b: string): number {
    const rank = (text: string): number =>
      ['removed  5', `added ${id(5)} `, `added ${id(9)} `, 'removed  9', 'root  '].indexOf(text);
    return rank(a) - rank(b);
  }

  it('that was written again as a whole, and signed, is found against what was kept', async () => {
    const kept = await readHead();
    await run(
      CHANGES,
      `update records set record = record || '{"decision": false}' where id = '${id(3)}'`,
      'delete from log_leaves',
      'delete from log_tiles',
      `update log_state set size = 0, root = sha256(''), checkpoint = null`,
      'insert into log_pending select id from records',
    );
    // The process that ran sees it, another one can't.
    await expect(sequencer.sequence()).rejects.toMatchObject({ code: 'log_damaged' });
    await new Sequencer(new LogStore(database), signer).sequence();
    expect(await verify()).toEqual([]);
    expect(await verify([kept])).toEqual(['forked  ']);
  });

  it('that was set back is found against what was kept', async () => {
    const size = 4;
    await run('delete from records', 'delete from log_leaves', 'delete from log_tiles', 'delete from log_pending');
    const kept = await readHead();
    await run(`update log_state set size = 0, root = sha256(''), checkpoint = null`);
    await write(size);
    await new Sequencer(new LogStore(database), signer).sequence();
    expect(await verify([kept])).toEqual(['set_back  ']);
  });
});
