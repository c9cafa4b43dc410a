/**
 * The advisory locks of PostgreSQL that Remit takes, listed here so that no two parts use the same number. Each holds
 * within one database.
 */

/** "Remi" in ASCII: keeps Remit's locks apart from other programs' small numbers. */
export const LOCK_NAMESPACE = 0x52656d69;

/** The locks on names of events, apart from the others: they have numbers of their own. */
export const HISTORY_LOCK_NAMESPACE = 0x52656d68;

export const ADVISORY_LOCKS = {
  /** Held during a migration. */
  migration: 1,
  /** Held by every connection of the one process whose embedded SpiceDB holds the graph. */
  graph: 2,
  /** Held while a revocation is written, so that their sequence numbers appear in order. */
  revocation: 3,
  /** Held while a consent, or a request for one, is written, so that those of its user can be counted. */
  consent: 6,
  /** Held while a delegation is written, so that its giver's can be counted. */
  delegation: 4,
  /** Held while an approval is asked for, so that the open tasks of its pair can be counted. */
  approval: 8,
  /** Held while a transaction with events commits, so that their positions appear in order. */
  event: 7,
  /** Held while old records are deleted, or while it is said which ones: one replica at a time does. */
  retention: 9,
} as const;
