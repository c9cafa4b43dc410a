/** `/v1/filter`: takes records and answers the permitted ones, masked, so that no API can forget to mask. */
import { z } from 'zod';
import { filterRecords, type FilterableRecord } from '../../lists/filter.js';
import { MASKING_OBLIGATIONS } from '../../lists/mask.js';
import { PLACEHOLDER_ID } from '../../lists/record.js';
import { BadRequest } from '../../model/faults.js';
import { getSupportedObligations, omitNulls, type Caller } from '../../model/question.js';
import { yieldToEventLoop } from '../../runtime/yield.js';
import type { Service } from '../../service/service.js';
import { obligationFormat } from '../answer-parts.js';
import {
  actionFormat,
  contextFormat,
  EXAMPLE_QUESTION,
  idFormat,
  MAX_ITEMS,
  nameFormat,
  subjectFormat,
} from '../authzen-formats.js';
import { buildQuestion } from '../authzen-request.js';
import { LIST_TURNS } from '../edge/decision-turns.js';
import { authenticate } from '../edge/authentication.js';
import { inputErrors, toBadRequest } from '../edge/errors.js';
import { nameDecision } from '../edge/observability.js';
import { requireCaller } from '../edge/request-party.js';
import { MAX_FILTER_BODY_BYTES } from '../edge/unread-body.js';
import { readIdempotencyKey } from '../idempotency-key.js';
import { describeRefusal, listContextFormat } from '../list-refusal.js';
import { checkPartLengths } from '../question-size.js';
import { createRequestContext } from '../request-context.js';
import type { TypedApp } from '../typed-app.js';

/** The types that the record of a filter names. */
const MAX_RECORDED_TYPES = 16;

const recordProperties = z.record(z.string(), z.unknown());
const filteredRecordFormat = z.object({ type: nameFormat, id: idFormat, properties: recordProperties.nullish() });
const filterBody = z
  .object({
    subject: subjectFormat,
    action: actionFormat,
    // Each is read by itself: one that is wrong is left out and named.
    records: z
      .array(z.unknown())
      .max(MAX_ITEMS)
      .meta({ items: z.toJSONSchema(filteredRecordFormat, { unrepresentable: 'any', io: 'input' }) }),
    context: contextFormat.nullish(),
  })
  .meta({
    id: 'FilterRequest',
    example: {
      ...EXAMPLE_QUESTION,
      records: [
        { type: 'document', id: 'plan', properties: { title: 'Plan', owner_email: 'ann@example.com' } },
        { type: 'document', id: 'notes', properties: { title: 'Notes', owner_email: 'ben@example.com' } },
      ],
    },
  });
const filterAnswerFormat = z
  .object({
    records: z
      .array(
        z.object({
          type: z.string(),
          id: z.string(),
          properties: recordProperties,
          obligations: z
            .array(obligationFormat)
            .optional()
            .describe('What the client still has to do; masking is done'),
        }),
      )
      .describe(
        'In the order of the request. A dry run of an action with limits answers them without their properties',
      ),
    removed: z
      .record(z.string(), z.int())
      .describe('How many records of the request are left out, by the code of the first reason of each'),
    invalid: z
      .array(z.object({ index: z.int(), code: z.string(), message: z.string(), at: z.string() }))
      .optional()
      .describe('The records of the request that can’t be asked about, each with what is wrong and where'),
    context: listContextFormat.optional(),
  })
  .meta({ id: 'FilterResponse' });
type InvalidRecord = NonNullable<z.infer<typeof filterAnswerFormat>['invalid']>[number];

export function filterRoutes(app: TypedApp, service: Service): void {
  app.post('/v1/filter', {
    schema: {
      tags: ['decisions'],
      summary: 'Which of these records may be seen, and how?',
      body: filterBody,
      response: { 200: filterAnswerFormat, ...inputErrors },
    },
    onRequest: authenticate(app, service, ['filter']),
    config: { turns: LIST_TURNS, repeatable: true, passesToken: true },
    bodyLimit: MAX_FILTER_BODY_BYTES,
    handler: async (request, reply) => {
      const { records: stated, context, ...shared } = request.body;
      const requestContext = createRequestContext(request, service);
      checkPartLengths({ ...shared, context });
      const { records, invalid } = await readFilterableRecords(stated);
      const template = buildQuestion(
        {
          ...shared,
          context: withMaskingSupported(context, requestContext.caller),
          resource: { type: PLACEHOLDER_ID, id: PLACEHOLDER_ID },
        },
        requestContext,
      );
      const list = await service.activePolicies.withSnapshot((deps) =>
        filterRecords(
          {
            template,
            records,
            key: readIdempotencyKey(request)?.text,
            secret: service.secret,
            summary: {
              subject: { type: shared.subject.type, id: shared.subject.id },
              action: { name: shared.action.name },
              ...toRecordedTypes(records),
              records: stated.length,
            },
          },
          deps,
        ),
      );
      nameDecision(request, reply, list.id);
      const allInvalid = [...invalid, ...list.invalid.map(({ index, error }) => toInvalidRecord(index, error))];
      return {
        records: list.records.map((record) => ({ ...record })),
        removed: Object.fromEntries(list.removed),
        ...(allInvalid.length === 0 ? {} : { invalid: allInvalid.sort((a, b) => a.index - b.index) }),
        ...describeRefusal(list.refusal, requireCaller(request), service.config.delegations.delegateUrl),
      };
    },
  });
}

/** Reads each record by itself. */
async function readFilterableRecords(
  stated: readonly unknown[],
): Promise<{ readonly records: FilterableRecord[]; readonly invalid: InvalidRecord[] }> {
  const records: FilterableRecord[] = [];
  const invalid: InvalidRecord[] = [];
  for (const [index, value] of stated.entries()) {
    await yieldToEventLoop();
    try {
      const parsed = filteredRecordFormat.safeParse(value);
      if (!parsed.success) throw toBadRequest(parsed.error, ['resource']);
      checkPartLengths({ resource: value });
      const { type, id, properties } = parsed.data;
      records.push({ index, type, id, properties: omitNulls(properties ?? {}) });
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      invalid.push(toInvalidRecord(index, error));
    }
  }
  return { records, invalid };
}

/** @param error about a resource, which the record stands for */
function toInvalidRecord(index: number, { code, message, at }: BadRequest): InvalidRecord {
  return { index, code, message, at: at.replace('resource', `records[${index}]`) };
}

/** Lists the types of the records that were filtered, for the record: a request can name as many as it has records. */
function toRecordedTypes(records: readonly FilterableRecord[]): Record<string, unknown> {
  const types = [...new Set(records.map(({ type }) => type))];
  const unnamed = types.length - MAX_RECORDED_TYPES;
  return { types: types.slice(0, MAX_RECORDED_TYPES), ...(unnamed > 0 ? { types_not_named: unnamed } : {}) };
}

/** Adds masking to what the client supports, since it is done here. */
function withMaskingSupported(
  requestedContext: z.infer<typeof contextFormat> | null | undefined,
  caller: Caller,
): z.infer<typeof contextFormat> {
  const supported = requestedContext?.supported_obligations ?? getSupportedObligations(caller);
  return { ...requestedContext, supported_obligations: [...new Set([...supported, ...MASKING_OBLIGATIONS])] };
}
