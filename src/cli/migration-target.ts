/** What `remit migrate` brings up to date: one server, its state, and what was done to it. */

/** One server's part of it. */
export interface Part {
  readonly name: 'database' | 'spicedb';
  /** @throws ConfigError, Fault */
  readonly run: (how: How) => Promise<Migrated>;
}

export interface How {
  /** Changes nothing. */
  readonly check: boolean;
  /** Also removes and changes. */
  readonly yes: boolean;
}

export interface Migrated {
  /** For `--json`. */
  readonly result: object;
  readonly lines: readonly string[];
  /** Whether something is still to be done. */
  readonly left: boolean;
}
