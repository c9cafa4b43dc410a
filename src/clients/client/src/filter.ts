/** Remit's filter: records go in, those that may be seen come out, masked. */
import type { Call } from './caller.js';
import { RemitUnavailable } from './errors.js';
import { createEvaluation, readEvaluation, readObligations, requireNotRefused } from './evaluation.js';
import { carryOut, type ObligationTable } from './obligations.js';
import {
  declareObligations,
  requireAction,
  requireEntity,
  type Action,
  type Entity,
  type Properties,
  type QuestionContext,
} from './question.js';
import { isRecord } from './strict-json.js';

export interface FilterRequest<R extends Entity = Entity> {
  readonly subject: Entity;
  readonly action: string | Action;
  readonly records: readonly R[];
  readonly context?: QuestionContext;
}
export interface FilteredRecord {
  readonly type: string;
  readonly id: string;
  readonly properties: Properties;
}
export interface FilterAnswer {
  /** The permitted records in their order, masked. */
  readonly records: readonly FilteredRecord[];
  /** The number of those left out, by the service or for an obligation that was not carried out. */
  readonly removed: number;
  /** All that the service said beside the records. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** @throws RemitUnavailable, RemitSetupError; RemitDenied where the whole question is refused */
export async function filterRecords(
  { endpoints, send }: Call,
  request: FilterRequest,
  table: ObligationTable,
): Promise<FilterAnswer> {
  const { subject, records, context } = request;
  requireEntity(subject, 'subject');
  const action = requireAction(request.action);
  for (const [i, record] of records.entries()) requireEntity(record, `records[${i}]`);
  const declared = declareObligations(context, Object.keys(table));
  const body = { subject, action, records, context: declared };
  // Each record that comes back may be a use of a limit, so one that may have arrived isn't sent again.
  const url = endpoints.findOwn('/v1/filter');
  const answer = await send({ method: 'POST', url, body, isRepeatable: false });
  if (!isRecord(answer) || !Array.isArray(answer['records'])) throw new RemitUnavailable('answer');
  const { records: answered, ...details } = answer;
  requireNotRefused(details['context'], { subject, action, resource: subject, context: declared });
  const permitted: FilteredRecord[] = [];
  let next = 0;
  for (const record of answered as unknown[]) {
    if (!isRecord(record) || !isRecord(record['properties'])) throw new RemitUnavailable('answer');
    // Only what was sent comes back, in its order: another record would be another question's.
    next = records.findIndex(({ type, id }, i) => i >= next && type === record['type'] && id === record['id']) + 1;
    if (next === 0) throw new RemitUnavailable('answer');
    const { type, id } = record as { type: string; id: string };
    const obligations = readObligations(record['obligations']);
    if (obligations.length > 0) {
      const question = { subject, action, resource: { type, id }, context: declared };
      const allow = createEvaluation({ ...readEvaluation({ decision: true }, question), question, obligations });
      if (!(await carryOut(allow, table)).allowed) continue;
    }
    permitted.push({ type, id, properties: record['properties'] });
  }
  return { records: permitted, removed: records.length - permitted.length, details };
}
