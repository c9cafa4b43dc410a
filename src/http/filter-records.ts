/** The records of a filter, each read by itself, and the request as its record keeps it: for a list and a stream alike. */
import { z } from 'zod';
import type { FilterableRecord } from '../lists/filter.js';
import { MASKING_OBLIGATIONS } from '../lists/mask.js';
import { PLACEHOLDER_ID } from '../lists/record.js';
import { getSupportedObligations, type Caller, type Question } from '../model/question.js';
import { obligationFormat } from './answer-parts.js';
import type { contextFormat } from './authzen-formats.js';
import { idFormat, nameFormat, type EvaluationRequest } from './authzen-formats.js';
import { buildQuestion, type RequestContext } from './authzen-request.js';
import { toBadRequest } from './edge/errors.js';
import { checkPartLengths } from './question-size.js';

/** The types that the record of a filter names. */
const MAX_RECORDED_TYPES = 16;

const recordProperties = z.record(z.string(), z.unknown());
export const filteredRecordFormat = z.object({
  type: nameFormat,
  id: idFormat,
  properties: recordProperties.nullish(),
});
export const shownRecordFormat = z.object({
  type: z.string(),
  id: z.string(),
  properties: recordProperties,
  obligations: z.array(obligationFormat).optional().describe('What the client still has to do; masking is done'),
});

/** The question that a filter asks about each of its records. */
export type FilterQuestion = Omit<EvaluationRequest, 'resource'>;

/** @throws BadRequest naming the place, where `resource` stands for the record */
export function readFilterableRecord(value: unknown, index: number): FilterableRecord {
  const parsed = filteredRecordFormat.safeParse(value);
  if (!parsed.success) throw toBadRequest(parsed.error, ['resource']);
  checkPartLengths({ resource: value });
  const { type, id, properties } = parsed.data;
  return { index, type, id, properties: properties ?? {} };
}

/** Builds the question about each record, with a placeholder for the resource. @throws BadRequest naming the place */
export function buildFilterTemplate({ context, ...shared }: FilterQuestion, requestContext: RequestContext): Question {
  return buildQuestion(
    {
      ...shared,
      context: withMaskingSupported(context, requestContext.caller),
      resource: { type: PLACEHOLDER_ID, id: PLACEHOLDER_ID },
    },
    requestContext,
  );
}

/** Adds masking to what the client supports, since it is done here. */
function withMaskingSupported(
  requestedContext: z.infer<typeof contextFormat> | null | undefined,
  caller: Caller,
): z.infer<typeof contextFormat> {
  const supported = requestedContext?.supported_obligations ?? getSupportedObligations(caller);
  return { ...requestedContext, supported_obligations: [...new Set([...supported, ...MASKING_OBLIGATIONS])] };
}

/** @param count of all records, those that can't be asked about among them */
export function summarizeFilter(
  { subject, action }: FilterQuestion,
  records: readonly FilterableRecord[],
  count: number,
): Readonly<Record<string, unknown>> {
  return {
    subject: { type: subject.type, id: subject.id },
    action: { name: action.name },
    ...toRecordedTypes(records),
    records: count,
  };
}

/** Lists the types of the records that were filtered, for the record: a request can name as many as it has records. */
function toRecordedTypes(records: readonly FilterableRecord[]): Record<string, unknown> {
  const types = [...new Set(records.map(({ type }) => type))];
  const unnamed = types.length - MAX_RECORDED_TYPES;
  return { types: types.slice(0, MAX_RECORDED_TYPES), ...(unnamed > 0 ? { types_not_named: unnamed } : {}) };
}
