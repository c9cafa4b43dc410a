/** The errors of PostgreSQL and its driver, sorted by what they mean for a connection and for the caller. */
import { DatabaseError } from 'pg';
import { Fault } from '../../model/faults.js';
import { faultFromSqlState, StatementRejectedFault } from './port.js';

/** SQLSTATEs of errors about a statement, after which the connection can still be used. */
const STATEMENT_ERRORS = /^(21|22|23|40|42|0A|54|55|57014)/;
/** SQLSTATEs of a transaction that was rolled back for the sake of another one. */
const RETRYABLE_ERRORS = /^(40001|40P01)$/;

/** Whether the server has ended the statement only, and the connection can still be used. */
export function isStatementError(error: unknown): boolean {
  return error instanceof DatabaseError && STATEMENT_ERRORS.test(error.code ?? '');
}

/** Whether the transaction may succeed when it is run again. */
export function isRetryableError(error: unknown): boolean {
  return error instanceof DatabaseError && RETRYABLE_ERRORS.test(error.code ?? '');
}

/** Whether the connection has prepared the statement for a table that was changed since: another connection can run it. */
export function isStalePlan(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '0A000' && error.routine === 'RevalidateCachedQuery';
}

/** Makes a fault. The server's message about a rejected value may quote it, so only the code and the column are kept. */
export function toPostgresFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (!(error instanceof DatabaseError)) {
    const { code, message } = error as NodeJS.ErrnoException;
    const detail = code === undefined || message.includes(code) ? message : `${code} ${message}`.trim();
    return faultFromSqlState(undefined, detail);
  }
  const { code, message, table, column, constraint } = error;
  const place = [table, column, constraint].filter((part) => part !== undefined).join(' ');
  const fault = faultFromSqlState(code, [code, place].join(' ').trim());
  return fault instanceof StatementRejectedFault ? fault : faultFromSqlState(code, `${code ?? ''} ${message}`.trim());
}
