/**
 * The view that a transaction of PostgreSQL has, as revisions of a SpiceDB server say it that stores in PostgreSQL. Two
 * of them tell exactly which transactions lie between: where all of those are writes of this process, it is known what
 * has changed.
 */
import { BinaryReader } from '@protobuf-ts/runtime';
import { parseZedToken } from './zedtoken.js';

export interface PostgresSnapshot {
  /** The first transaction that had not begun; it and all after it are not seen. */
  readonly next: number;
  /** Transactions before `next` that were under way, and so aren't seen, in ascending order. */
  readonly underWay: readonly number[];
  /** The transaction that wrote, where the revision is the one of a write. */
  readonly written: number | undefined;
  /** Names the schema that counts at the revision, where SpiceDB says it; empty elsewhere. */
  readonly schemaHash: string;
}

/** Transactions between two revisions that are looked at; between others the difference isn't known. */
const MAX_TRANSACTIONS = 1_000;
/** The numbers of the members of SpiceDB's message PostgresRevision; the transactions under way are relative to the first. */
const MEMBERS = { firstUnderWay: 1, next: 2, underWay: 3, written: 4 };

/** @param token a ZedToken; undefined where its revision is none of PostgreSQL's */
export function parsePostgresSnapshot(token: string): PostgresSnapshot | undefined {
  const { revision: text = '', schemaHash = '' } = parseZedToken(token) ?? {};
  // Other datastores number their revisions.
  if (text === '' || /^[\d.]+$/.test(text)) return undefined;
  try {
    const snapshot = decodeSnapshot(new BinaryReader(Buffer.from(text, 'base64')));
    return snapshot === undefined ? undefined : { ...snapshot, schemaHash };
  } catch {
    return undefined;
  }
}

function decodeSnapshot(reader: BinaryReader): Omit<PostgresSnapshot, 'schemaHash'> | undefined {
  let first = 0;
  let relativeNext = 0;
  let written: number | undefined;
  const relativeUnderWay: number[] = [];
  while (reader.pos < reader.len) {
    const [member, wireType] = reader.tag();
    if (member === MEMBERS.firstUnderWay) first = reader.uint64().toNumber();
    else if (member === MEMBERS.next) relativeNext = reader.int64().toNumber();
    else if (member === MEMBERS.written) written = reader.uint64().toNumber();
    else if (member === MEMBERS.underWay) {
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) relativeUnderWay.push(reader.int64().toNumber());
    } else reader.skip(wireType);
  }
  const underWay = relativeUnderWay.map((relative) => first + relative).sort((a, b) => a - b);
  return first > 0 ? { next: first + relativeNext, underWay, written } : undefined;
}

/** Whether what the transaction wrote is part of the snapshot; one that was rolled back counts as well. */
export function seesTransaction(snapshot: PostgresSnapshot, transaction: number): boolean {
  return transaction < snapshot.next && !snapshot.underWay.includes(transaction);
}

/**
 * The transactions that `newer` sees and `older` doesn't, in ascending order; undefined where they are too many to tell, or
 * where `older` sees one that `newer` doesn't.
 */
export function listNewTransactions(older: PostgresSnapshot, newer: PostgresSnapshot): number[] | undefined {
  const count = newer.next - older.next;
  const isNewer = count >= 0 && newer.underWay.every((transaction) => !seesTransaction(older, transaction));
  if (!isNewer || count > MAX_TRANSACTIONS || older.underWay.length > MAX_TRANSACTIONS) return undefined;
  const begun = Array.from({ length: count }, (_, i) => older.next + i);
  return [...older.underWay, ...begun].filter((transaction) => seesTransaction(newer, transaction));
}
