/** What revisions of a SpiceDB server on PostgreSQL see, and which transactions lie between two of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  listNewTransactions,
  parsePostgresSnapshot,
  seesTransaction,
} from '../../../src/graph/server/postgres-snapshot.js';
import { toToken } from './zedtokens.js';

const FIRST = 1_000;
const LAST = 1_012;
/** A moment: the transactions that have ended, of all that have begun by then. */
const moments = fc
  .tuple(fc.integer({ min: FIRST, max: LAST }), fc.uniqueArray(fc.integer({ min: FIRST, max: LAST })))
  .map(([next, underWay]) => ({ next, underWay: underWay.filter((transaction) => transaction < next).sort() }));
const all = Array.from({ length: LAST - FIRST + 5 }, (_, i) => FIRST + i);

describe('a snapshot', () => {
  it('is read from a ZedToken as SpiceDB writes it', () => {
    fc.assert(
      fc.property(
        moments,
        fc.option(fc.integer({ min: 1, max: 2 ** 50 }), { nil: undefined }),
        fc.constantFrom('', 'a'.repeat(64)),
        (moment, written, schemaHash) => {
          expect(parsePostgresSnapshot(toToken({ ...moment, written, schemaHash }))).toEqual({
            ...moment,
            written,
            schemaHash,
          });
        },
      ),
    );
  });

  it.each([
    ['of a datastore with numbers', 'GhUKEzE3OTUzNDc1ODA5NjEyNjYyMjc='],
    ['of none', 'x'],
    ['of nothing', ''],
    ['cut off', toToken({ next: 12, underWay: [3], written: undefined, schemaHash: '' }).slice(0, -6)],
  ])('is none %s', (_, token) => {
    expect(parsePostgresSnapshot(token)).toBeUndefined();
  });

  it('differs from a later one by what has ended meanwhile, and from an earlier one by nothing that can be told', () => {
    fc.assert(
      fc.property(moments, moments, (one, other) => {
        const [older, newer] = [one, other].map((moment) => ({ ...moment, written: undefined, schemaHash: '' }));
        if (older === undefined || newer === undefined) throw new TypeError('two moments');
        const [before, after] = [older, newer].map((snapshot) => all.filter((t) => seesTransaction(snapshot, t)));
        const isNewer = before?.every((transaction) => after?.includes(transaction)) ?? false;
        const expected = isNewer && newer.next >= older.next ? after?.filter((t) => !before?.includes(t)) : undefined;
        expect(listNewTransactions(older, newer)).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('differs from one that is too far away by nothing that can be told', () => {
    const at = (next: number) => ({ next, underWay: [], written: undefined, schemaHash: '' });
    expect(listNewTransactions(at(5), at(1_005))).toHaveLength(1_000);
    expect(listNewTransactions(at(5), at(1_006))).toBeUndefined();
  });
});
