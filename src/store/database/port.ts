/**
 * The port to the database: PostgreSQL's SQL, as lists of statements that are one transaction each. There are no open
 * transactions: statements that belong together go in one list.
 */
import { Fault, type FaultCode } from '../../model/faults.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';

export interface SqlStatement {
  readonly sql: string;
  /** The values of $1, $2 …; JSON is passed as text, with a cast in the SQL. */
  readonly params?: readonly (string | number | boolean | null)[];
}

export type DatabaseRow = Readonly<Record<string, unknown>>;

export interface Database {
  /**
   * Runs the statements in one transaction, which is durable when it resolves.
   * @returns the rows of each statement: timestamps as Date, bigint as number, jsonb parsed
   * @throws StatementRejectedFault where the database rejects a value in the statements, Fault `overloaded` where they
   * were not sent, Fault `database_unavailable` otherwise. The transaction has then not happened. Only where the
   * connection breaks during the commit is that unknown, so repeating a write must do no harm.
   */
  run(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]>;
  stats(): EngineStats;
  /** Whether this process is the only one that writes: only then may rows be cached. */
  readonly exclusive: boolean;
  close(): Promise<void>;
}

/**
 * The database works, and rejects the statements: a value that it can't store, a constraint that is broken. It would
 * reject them again; other statements may succeed.
 */
export class StatementRejectedFault extends Fault {
  constructor(detail: string) {
    super('database_unavailable', detail);
  }
}

/** Makes a fault by the SQLSTATE, whose class tells errors about a statement's values from all others. */
export function faultFromSqlState(sqlState: string | undefined, detail: string): Fault {
  return /^(21|22|23|54)/.test(sqlState ?? '')
    ? new StatementRejectedFault(detail)
    : new Fault('database_unavailable', detail);
}

/** The code of an outage; undefined where the database answered, and rejected the statements. */
export function outageCode(error: unknown): FaultCode | undefined {
  if (error instanceof StatementRejectedFault) return undefined;
  return error instanceof Fault ? error.code : 'database_unavailable';
}
