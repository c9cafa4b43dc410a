/** A server that `remit migrate` brings up to date, and what it has done to it. */

export interface MigrationTarget {
  readonly name: 'database' | 'spicedb';
  /** @throws ConfigError, Fault */
  readonly run: (options: MigrationOptions) => Promise<MigrationResult>;
}

export interface MigrationOptions {
  /** Changes nothing, and says what would be changed. */
  readonly check: boolean;
  /** Removes and changes what is there, where without it things are only added. */
  readonly yes: boolean;
}

export interface MigrationResult {
  /** The member of `--json` that is named after the target. */
  readonly result: object;
  /** The report for people. */
  readonly lines: readonly string[];
  /** Whether something is still to be done. */
  readonly pending: boolean;
}
