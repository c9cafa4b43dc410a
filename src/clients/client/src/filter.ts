/** Remit's filter: records go in, those that may be seen come out, masked. */
import type { Call } from './caller.js';
import { RemitUnavailable } from './errors.js';
import { createEvaluation, readEvaluation, readObligations, requireNotRefused, type Obligation } from './evaluation.js';
import { carryOut, type ObligationTable } from './obligations.js';
import { isRepeatableQuestion, proveQuestion } from './question-proof.js';
import {
  copyAsSent,
  declareObligations,
  requireAction,
  requireEntity,
  type Action,
  type Entity,
  type Properties,
  type QuestionContext,
  type WireQuestion,
} from './question.js';
import { isRecord } from './strict-json.js';

export interface FilterQuestion {
  readonly subject: Entity;
  readonly action: string | Action;
  readonly context?: QuestionContext;
}
export interface FilterRequest<R extends Entity = Entity> extends FilterQuestion {
  readonly records: readonly R[];
}
export interface FilteredRecord {
  readonly type: string;
  readonly id: string;
  readonly properties: Properties;
  /** The obligations that the caller has taken on with `true`, to be carried out with the record. Absent where there are none. */
  readonly obligations?: readonly Obligation[];
}
/** A record that can't be asked about, and what is wrong with it. */
export interface InvalidRecord {
  /** Its place among the records of the request, from 0. */
  readonly index: number;
  readonly code: string;
  readonly message: string;
  readonly at: string;
}
export interface FilterAnswer {
  /** The id of its record; undefined of a service that names none. */
  readonly id: string | undefined;
  /** The permitted records in their order, masked. */
  readonly records: readonly FilteredRecord[];
  /** The number of those left out, by the service or for an obligation that was not carried out; invalid ones are among them. */
  readonly removed: number;
  readonly invalid: readonly InvalidRecord[];
  /** All that the service said beside the records. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** @throws RemitUnavailable, RemitSetupError; RemitDenied where the whole question is refused */
export async function filterRecords(
  { endpoints, send, getDecisionId }: Call,
  request: FilterRequest,
  table: ObligationTable,
  idempotencyKey?: string,
): Promise<FilterAnswer> {
  const { records } = request;
  for (const [i, record] of records.entries()) requireEntity(record, `records[${i}]`);
  const question = buildFilterQuestion(request, table);
  const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
  // Each record that comes back may be a use of a limit, so one that may have arrived isn't sent again without a key.
  const isRepeatable = idempotencyKey !== undefined && isRepeatableQuestion(question);
  const url = endpoints.findOwn('/v1/filter');
  const body = async (): Promise<object> => ({ ...(await proveQuestion(question)), records });
  const answer = await send({ method: 'POST', url, body, headers, isRepeatable });
  if (!isRecord(answer) || !Array.isArray(answer['records'])) throw new RemitUnavailable('answer');
  const { records: answered, ...details } = answer;
  requireNotRefused(details['context'], { ...question, resource: question.subject }, getDecisionId());
  const invalid = readInvalidRecords(details['invalid'], records.length);
  const permitted: FilteredRecord[] = [];
  let next = 0;
  for (const record of answered as unknown[]) {
    if (!isRecord(record)) throw new RemitUnavailable('answer');
    // Only what was sent comes back, in its order: another record would be another question's.
    next = records.findIndex(({ type, id }, i) => i >= next && type === record['type'] && id === record['id']) + 1;
    if (next === 0) throw new RemitUnavailable('answer');
    const carriedOut = await carryOutRecord(record, question, table);
    if (carriedOut !== undefined) permitted.push(carriedOut);
  }
  const removed = records.length - permitted.length;
  return { id: getDecisionId(), records: permitted, removed, invalid, details };
}

/** @throws RemitSetupError where it isn't one */
export function buildFilterQuestion(
  { subject, action, context }: FilterQuestion,
  table: ObligationTable,
): Omit<WireQuestion, 'resource'> {
  const copy = copyAsSent({ subject, action });
  requireEntity(copy.subject, 'subject');
  return {
    subject: copy.subject,
    action: requireAction(copy.action),
    context: declareObligations(context, Object.keys(table)),
  };
}

/**
 * Carries out what is left to do of a record that may be seen.
 * @returns undefined where it could not be
 * @throws RemitUnavailable where it is no record
 */
export async function carryOutRecord(
  record: Readonly<Record<string, unknown>>,
  question: Omit<WireQuestion, 'resource'>,
  table: ObligationTable,
): Promise<FilteredRecord | undefined> {
  const { type, id, properties } = record;
  if (typeof type !== 'string' || typeof id !== 'string' || !isRecord(properties)) throw new RemitUnavailable('answer');
  const obligations = readObligations(record['obligations']);
  if (obligations.length > 0) {
    const asked = { ...question, resource: { type, id } };
    const allow = createEvaluation({ ...readEvaluation({ decision: true }, asked), question: asked, obligations });
    if (!(await carryOut(allow, table)).allowed) return undefined;
  }
  const entrusted = obligations.filter((obligation) => table[obligation.type] === true);
  return { type, id, properties, ...(entrusted.length === 0 ? {} : { obligations: entrusted }) };
}

/** @throws RemitUnavailable where they can't be read, or aren't of the request */
function readInvalidRecords(list: unknown, count: number): readonly InvalidRecord[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw new RemitUnavailable('answer');
  return list.map((entry: unknown): InvalidRecord => {
    const { index, code, message, at = '' } = isRecord(entry) ? entry : {};
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= count)
      throw new RemitUnavailable('answer');
    if (typeof code !== 'string' || typeof message !== 'string' || typeof at !== 'string')
      throw new RemitUnavailable('answer');
    return { index, code, message, at };
  });
}
