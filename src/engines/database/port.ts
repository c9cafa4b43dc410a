/**
 * The database as Remit sees it: SQL of PostgreSQL, a list of statements at a time, each list one transaction.
 * There is no open transaction to hold on to: what must be decided together is said in one list.
 */

export interface Statement {
  readonly sql: string;
  /** For $1, $2 …: strings, numbers, booleans, null. JSON goes in as text with a cast in the SQL. */
  readonly params?: readonly (string | number | boolean | null)[];
}

export type Row = Readonly<Record<string, unknown>>;

export interface Database {
  /**
   * Runs the statements in one transaction and answers the rows of each; durable when it resolves.
   * Timestamps come back as Date, bigint as number, jsonb parsed.
   * @throws Fault `database_unavailable` for whatever fails; then nothing of the list has happened
   */
  run(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]>;
  /** Whether this process is the only one that writes to it: only then may what was read be kept. */
  readonly exclusive: boolean;
  close(): Promise<void>;
}
