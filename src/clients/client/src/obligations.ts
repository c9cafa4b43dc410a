/** Carries out the obligations of decisions by a table of handlers: one that isn't carried out makes an allow a deny. */
import { RemitSetupError } from './errors.js';
import { refuseEvaluation, type Evaluation, type Obligation } from './evaluation.js';
import { isRecord } from './strict-json.js';

export type ObligationHandler = (obligation: Obligation, evaluation: Evaluation) => unknown;
/**
 * Handlers by the type of obligation: a function carries it out before the caller is told of an allow; `true` says that the caller
 * does so with the answer (`answer.mask(record)` for `mask` and `visible_fields`).
 */
export type ObligationTable = Readonly<Record<string, ObligationHandler | true>>;

/** @throws RemitSetupError */
export function requireObligationTable(table: unknown): ObligationTable {
  if (table === undefined) return {};
  if (!isRecord(table)) throw new RemitSetupError('options', { detail: 'obligations is a table of handlers' });
  for (const handler of Object.values(table))
    if (handler !== true && typeof handler !== 'function')
      throw new RemitSetupError('options', { detail: 'a handler of an obligation is a function, or true' });
  return table as ObligationTable;
}

/**
 * Carries out what the table has handlers for, on a deny too. All are tried, also after one has failed.
 * @returns the evaluation, as a deny where it was an allow and an obligation is unknown or has failed
 */
export async function carryOut(evaluation: Evaluation, table: ObligationTable): Promise<Evaluation> {
  let problem: string | undefined;
  for (const obligation of evaluation.obligations) {
    const handler = Object.hasOwn(table, obligation.type) ? table[obligation.type] : undefined;
    if (handler === undefined) problem ??= 'obligation_unknown';
    if (typeof handler !== 'function') continue;
    try {
      await handler(obligation, evaluation);
    } catch {
      problem ??= 'obligation_failed';
    }
  }
  return problem === undefined || !evaluation.allowed ? evaluation : refuseEvaluation(evaluation, problem);
}
