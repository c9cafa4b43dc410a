/** What `remit migrate` brings up to date: one server, its state, and what was done to it. */

/** One server's part of it. */
export interface MigrationTarget {
  readonly name: 'database' | 'spicedb';
  /** @throws ConfigError, Fault */
  readonly run: (options: MigrationOptions) => Promise<MigrationResult>;
}

export interface MigrationOptions {
  /** Changes nothing. */
  readonly check: boolean;
  /** Also removes and changes. */
  readonly yes: boolean;
}

export interface MigrationResult {
  /** For `--json`. */
  readonly result: object;
  readonly lines: readonly string[];
  /** Whether something is still to be done. */
  readonly pending: boolean;
}
