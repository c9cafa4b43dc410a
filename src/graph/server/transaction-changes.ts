/**
 * Reads what transactions of other writers have changed, as SpiceDB's Watch tells it for a store in PostgreSQL. Some
 * change nothing: SpiceDB writes a revision every few seconds for itself. The history of revisions asks.
 */
import { v1 } from '@authzed/authzed-node';
import type { Relationship } from '../../model/relationships.js';
import { fromProtoRelationship } from '../protobuf.js';
import type { Connection } from './connection.js';
import { parsePostgresSnapshot, seesTransaction } from './postgres-snapshot.js';

/** The relationships that a transaction wrote or deleted; or anything: the schema, or more than is worth telling apart. */
export type TransactionChanges = readonly Relationship[] | 'everything';

/** SpiceDB answers at once with what is stored; where it has nothing to tell, it stays silent. */
const WATCH_TIMEOUT_MS = 500;
const MAX_CHANGES = 5_000;
const CHANGE_KINDS = [
  v1.WatchKind.INCLUDE_RELATIONSHIP_UPDATES,
  v1.WatchKind.INCLUDE_SCHEMA_UPDATES,
  v1.WatchKind.INCLUDE_CHECKPOINTS,
];

/**
 * @param since a revision that sees none of the transactions, as a ZedToken
 * @param transactions which have been committed
 * @throws where SpiceDB doesn't tell of all of them in time
 */
export async function findTransactionChanges(
  connection: Pick<Connection, 'watch'>,
  since: string,
  transactions: readonly number[],
): Promise<ReadonlyMap<number, TransactionChanges>> {
  const request = v1.WatchRequest.create({ optionalStartCursor: { token: since }, optionalUpdateKinds: CHANGE_KINDS });
  const changes = new Map<number, TransactionChanges>();
  await connection.watch(request, WATCH_TIMEOUT_MS, ({ updates, schemaUpdated, isCheckpoint, changesThrough }) => {
    const snapshot = parsePostgresSnapshot(changesThrough?.token ?? '');
    if (snapshot === undefined) throw new TypeError('Watch tells of a revision that is none of PostgreSQL');
    if (updates.length > 0 || schemaUpdated) {
      if (snapshot.written === undefined) throw new TypeError('Watch tells of changes without their transaction');
      const before = changes.get(snapshot.written) ?? [];
      const isTold = before !== 'everything' && !schemaUpdated && before.length + updates.length <= MAX_CHANGES;
      const written = updates.flatMap(({ relationship }) => relationship ?? []).map(fromProtoRelationship);
      changes.set(snapshot.written, isTold ? [...before, ...written] : 'everything');
    }
    // The last of what a checkpoint concludes is a transaction of SpiceDB's, which has told what it changed: maybe nothing.
    if (isCheckpoint && snapshot.written !== undefined && !changes.has(snapshot.written))
      changes.set(snapshot.written, []);
    return isCheckpoint && transactions.every((transaction) => seesTransaction(snapshot, transaction));
  });
  // Nothing is told of others: SQL by hand, a table that is restored, another database of the same server.
  return new Map(transactions.map((transaction) => [transaction, changes.get(transaction) ?? 'everything']));
}
