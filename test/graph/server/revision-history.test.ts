/** What has changed between revisions of a SpiceDB server on PostgreSQL, whoever writes and in whatever order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RevisionHistory, type FindChanges } from '../../../src/graph/server/revision-history.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import type { Relationship, RelationshipUpdate } from '../../../src/model/relationships.js';
import { toToken } from './zedtokens.js';

const schema = GraphSchema.parse(
  'definition user {}\ndefinition doc {\n  relation reader: user\n  permission read = reader\n}\n',
  'history.zed',
);
const USERS = ['u0', 'u1', 'u2'];
const relationshipOf = (user: string): Relationship => parseRelationship(`doc:d#reader@user:${user}`);
const updatesOf = (user: string): RelationshipUpdate[] => [{ operation: 'touch', relationship: relationshipOf(user) }];
const cannotFind = (): Promise<never> => Promise.reject(new Error('Watch is turned off'));

/** A PostgreSQL with a transaction for each write; each is acknowledged, if at all, some time after it has ended. */
class Transactions {
  private next = 100;
  private readonly underWay = new Set<number>();
  /** For each user, the transactions that wrote about them and have ended. */
  readonly ended: { transaction: number; user: string }[] = [];

  begin(): number {
    this.underWay.add(this.next);
    this.next += 1;
    return this.next - 1;
  }

  end(transaction: number, user: string): void {
    this.underWay.delete(transaction);
    this.ended.push({ transaction, user });
  }

  token(written?: number): string {
    return toToken({ next: this.next, underWay: [...this.underWay].sort((a, b) => a - b), written, schemaHash: '' });
  }
}

const steps = fc.array(
  fc.record({
    what: fc.constantFrom('begin', 'end', 'acknowledge', 'look', 'look'),
    own: fc.boolean(),
    user: fc.constantFrom(...USERS),
    /** Which of those that are under way. */
    which: fc.nat({ max: 5 }),
    /** A look may arrive later than others that began after it. */
    late: fc.boolean(),
  }),
  { minLength: 10, maxLength: 60 },
);

describe('the history of revisions', () => {
  it.each([
    ['with Watch', true],
    ['without', false],
  ])('says of each revision in it whether anything about a subject has been written since, %s', async (_, canFind) => {
    const seen = { advanced: 0, restarted: 0, unchanged: 0 };
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const postgres = new Transactions();
        const find: FindChanges = (_since, transactions) =>
          Promise.resolve(
            new Map(
              transactions.map((transaction) => [
                transaction,
                postgres.ended.filter((one) => one.transaction === transaction).map(({ user }) => relationshipOf(user)),
              ]),
            ),
          );
        const history = new RevisionHistory(schema, canFind ? find : cannotFind);
        const open: { transaction: number; user: string; own: boolean; acknowledge?: (token: string) => void }[] = [];
        const ended: typeof open = [];
        let late: { token: string; count: number } | undefined;
        /** Revisions that the history has, with how many writes each sees. */
        const known = new Map<string, number>();
        const look = ({ token, count }: { token: string; count: number }): void => {
          const before = history.newestRevision;
          history.advance(token);
          if (history.lastEventOf(token) === undefined) return;
          if (history.newestRevision !== before) known.set(token, count);
          if (before !== undefined && history.lastEventOf(before) !== undefined) seen.advanced += 1;
          else seen.restarted += 1;
        };
        for (const step of all) {
          if (step.what === 'begin') {
            const { own, user } = step;
            const transaction = postgres.begin();
            let acknowledge: ((token: string) => void) | undefined;
            if (own) void history.write(updatesOf(user), () => new Promise((resolve) => (acknowledge = resolve)));
            open.push({ transaction, user, own, ...(acknowledge === undefined ? {} : { acknowledge }) });
          } else if (step.what === 'end') {
            const [one] = open.splice(step.which % Math.max(1, open.length), 1);
            if (one === undefined) continue;
            postgres.end(one.transaction, one.user);
            if (one.own) ended.push(one);
          } else if (step.what === 'acknowledge') {
            const [one] = ended.splice(step.which % Math.max(1, ended.length), 1);
            one?.acknowledge?.(postgres.token(one.transaction));
            // The write's promise is settled before the next look.
            await new Promise(setImmediate);
          } else {
            const now = { token: postgres.token(), count: postgres.ended.length };
            if (step.late && late === undefined) late = now;
            else look(now);
            if (late !== undefined && !step.late) {
              look(late);
              late = undefined;
            }
          }
          // Now and then Watch has told what it was asked.
          if (step.which === 0) await new Promise((resolve) => setTimeout(resolve, 12));
          const newest = history.newestRevision;
          const newestCount = newest === undefined ? undefined : known.get(newest);
          if (newestCount === undefined) continue;
          for (const [token, count] of known) {
            const event = history.lastEventOf(token);
            if (event === undefined) continue;
            for (const user of USERS) {
              const isSaidSame = history.effects.lastForSubject('doc', 'read', { type: 'user', id: user }) <= event;
              const isSame = !postgres.ended.slice(count, newestCount).some((write) => write.user === user);
              if (isSaidSame) expect(isSame).toBe(true);
              if (isSaidSame && count < newestCount) seen.unchanged += 1;
            }
          }
        }
      }),
      { numRuns: 100 },
    );
    expect(Object.entries(seen).filter(([, times]) => times < 50)).toEqual([]);
  });

  const at = (next: number): string => toToken({ next, underWay: [], written: undefined, schemaHash: '' });
  const lastChange = (history: RevisionHistory, user: string): number =>
    history.effects.lastForSubject('doc', 'read', { type: 'user', id: user });

  it('takes an unknown transaction for a change of anything, until it is acknowledged as one of its own', async () => {
    const history = new RevisionHistory(schema, cannotFind);
    history.advance(at(10));
    const before = history.lastEventOf(at(10)) ?? NaN;
    let acknowledge: (token: string) => void = () => undefined;
    const written = history.write(updatesOf('u1'), () => new Promise((resolve) => (acknowledge = resolve)));
    history.advance(at(11));
    expect(history.lastEventOf(at(11))).toBeDefined();
    expect(lastChange(history, 'u2')).toBeGreaterThan(before);
    acknowledge(toToken({ next: 11, underWay: [], written: 10, schemaHash: '' }));
    await written;
    expect(lastChange(history, 'u2')).toBeLessThanOrEqual(before);
    expect(lastChange(history, 'u1')).toBeGreaterThan(before);
  });

  it('asks Watch once for several steps, and takes what it can’t tell for a change of anything', async () => {
    const asked: (readonly number[])[] = [];
    const history = new RevisionHistory(schema, (since, transactions) => {
      asked.push(transactions);
      expect(since).toBe(at(10));
      return Promise.resolve(new Map(transactions.map((transaction) => [transaction, [relationshipOf('u1')]])));
    });
    history.advance(at(10));
    const before = history.lastEventOf(at(10)) ?? NaN;
    for (const next of [11, 13]) history.advance(at(next));
    await expect.poll(() => lastChange(history, 'u2')).toBeLessThanOrEqual(before);
    expect(asked).toEqual([[10, 11, 12]]);
    expect(lastChange(history, 'u1')).toBeGreaterThan(before);
    const silent = new RevisionHistory(schema, cannotFind);
    silent.advance(at(10));
    const first = silent.lastEventOf(at(10)) ?? NaN;
    silent.advance(at(11));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(lastChange(silent, 'u2')).toBeGreaterThan(first);
  });
});
