/** The store of records on the real database: nothing that is written is written again, and the last word is what is read. */
import { newDecisionStore } from '../support/record-values.js';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { newDecisionId } from '../../src/decide/decision-id.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { NO_ACCOUNT } from '../../src/model/question.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import type { Database, DatabaseRow } from '../../src/store/database/port.js';
import { migrateSchema } from '../../src/store/migrations.js';

let db: Database;
beforeAll(async () => {
  db = new ScratchDatabase();
  await migrateSchema(db);
  return () => db.close();
}, 60_000);

function recordOf(id: string, decision: boolean, reason?: 'policy_forbid'): DecisionRecord {
  return {
    id,
    evaluated_at: '2030-03-04T10:00:00.000Z',
    client: 'api',
    decision,
    dry_run: false,
    policy_version: 'v',
    request: { subject: { type: 'user', id: 'ann' }, action: 'read', resource: { type: 'document', id: 'plan' } },
    reasons: reason === undefined ? [] : [{ code: reason, step: 'policy', message: 'forbidden' }],
    obligations: [],
    rationale: { acting: { mode: 'human', user: 'user:ann', chain: [] }, steps: [] },
  };
}

const readRows = async (): Promise<readonly DatabaseRow[]> =>
  (await db.run([{ sql: 'select id, kind, about, decision, record from records order by id' }]))[0] ?? [];

describe('records', () => {
  it('stay as they were written, whatever comes after them, and are read as what was answered', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('record' as const), decision: fc.boolean() }),
      fc.record({ kind: fc.constant('correct' as const) }),
      fc.record({ kind: fc.constantFrom('executed' as const, 'failed' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const store = newDecisionStore(db);
        const id = newDecisionId();
        let first: boolean | undefined;
        let isCorrected = false;
        let outcome: string | undefined;
        let rows = await readRows();
        for (const { kind, ...rest } of steps) {
          if (kind === 'record' && 'decision' in rest) {
            await store.record(recordOf(id, rest.decision));
            first ??= rest.decision;
          } else if (kind === 'correct') {
            store.correct(recordOf(id, false, 'policy_forbid'), NO_ACCOUNT, false);
            await store.flush();
            first ??= false;
            isCorrected = true;
          } else if (kind !== 'record' && first !== undefined) {
            await store.reportOutcome(id, 'api', { outcome: kind });
            outcome ??= kind;
          }
          const after = await readRows();
          expect(after).toEqual(expect.arrayContaining([...rows]));
          rows = after;
        }
        const found = await store.find(id);
        expect(found?.record.decision).toBe(isCorrected ? false : first);
        expect(found?.record.id).toBe(first === undefined ? undefined : id);
        // Before its people are known, a correction has no values.
        if (steps[0]?.kind === 'record') expect(found?.record).not.toHaveProperty('values_erased');
        expect(found?.outcome?.outcome).toBe(outcome);
        // In lists as well, a decision stands once.
        const { records } = await store.list({ resource: 'document:plan' }, undefined, 200);
        expect(records.filter((record) => record.id === id).map(({ decision }) => decision)).toEqual(
          first === undefined ? [] : [isCorrected ? false : first],
        );
        await db.run([{ sql: 'truncate records cascade' }]);
      }),
      { numRuns: 30 },
    );
  }, 60_000);

  it('can not be changed by a statement', async () => {
    await newDecisionStore(db).record(recordOf(newDecisionId(), false));
    await expect(db.run([{ sql: 'update records set decision = true' }])).rejects.toThrow();
    expect((await readRows()).every((row) => row['decision'] === false)).toBe(true);
  });
});
