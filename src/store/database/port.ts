/**
 * The database as Remit sees it: SQL of PostgreSQL, a list of statements at a time, each list one transaction.
 * There is no open transaction to hold on to: what must be decided together is said in one list.
 */
import { Fault, type FaultCode } from '../../model/faults.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';

export interface SqlStatement {
  readonly sql: string;
  /** For $1, $2 …: strings, numbers, booleans, null. JSON goes in as text with a cast in the SQL. */
  readonly params?: readonly (string | number | boolean | null)[];
}

export type DatabaseRow = Readonly<Record<string, unknown>>;

export interface Database {
  /**
   * Runs the statements in one transaction and answers the rows of each; durable when it resolves.
   * Timestamps come back as Date, bigint as number, jsonb parsed.
   * @throws Refused where the database won't take what is in the statements, Fault `overloaded` where they weren't
   * sent, Fault `database_unavailable` for whatever else fails. Then nothing of the list has happened; only where a
   * connection breaks during the commit can nobody say, so writing the same again must do no harm.
   */
  run(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]>;
  /** What is under way. */
  stats(): EngineStats;
  /** Whether this process is the only one that writes to it: only then may what was read be kept. */
  readonly exclusive: boolean;
  close(): Promise<void>;
}

/**
 * The database works, and won't take this: a value it can't hold, a constraint that it breaks. It would refuse it again,
 * and others might be taken.
 */
export class StatementRejectedFault extends Fault {
  constructor(detail: string) {
    super('database_unavailable', detail);
  }
}

/** What a failure comes to by its SQLSTATE: the classes that are about the values of a statement, and all others. */
export function faultFromSqlState(sqlState: string | undefined, detail: string): Fault {
  return /^(21|22|23|54)/.test(sqlState ?? '')
    ? new StatementRejectedFault(detail)
    : new Fault('database_unavailable', detail);
}

/** Why the database could not answer; undefined where it could, and refused. */
export function outageCode(error: unknown): FaultCode | undefined {
  if (error instanceof StatementRejectedFault) return undefined;
  return error instanceof Fault ? error.code : 'database_unavailable';
}
