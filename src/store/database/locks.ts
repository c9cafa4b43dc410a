/**
 * PostgreSQL's advisory locks that Remit takes, so that no two parts of it mean different things by one number.
 * They are of one database each.
 */

/** "Remi", so that what others lock by small numbers of their own is not ours. */
export const LOCK_NAMESPACE = 0x52656d69;

export const ADVISORY_LOCKS = {
  /** Held while the tables are brought to another version. */
  migration: 1,
  /** Held by every connection of the one process whose embedded SpiceDB has the graph. */
  graph: 2,
  /** Held while a revocation is written, so that their sequence numbers appear in order. */
  revocation: 3,
} as const;
