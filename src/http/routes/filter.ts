/**
 * `/v1/filter`: takes records and answers the permitted ones, masked, so that no API can forget to mask. They come as one
 * list, or as lines without end (`http/filter-stream.ts`).
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { filterRecords, type FilterableRecord } from '../../lists/filter.js';
import { BadRequest } from '../../model/faults.js';
import { yieldToEventLoop } from '../../runtime/yield.js';
import type { Service } from '../../service/service.js';
import {
  actionFormat,
  contextFormat,
  describeLater,
  EXAMPLE_QUESTION,
  MAX_ITEMS,
  subjectFormat,
} from '../authzen-formats.js';
import { LIST_TURNS } from '../edge/decision-turns.js';
import { authenticate } from '../edge/authentication.js';
import { inputErrors, problemFormat } from '../edge/errors.js';
import { LINES_TYPE } from '../edge/json-body.js';
import { nameDecision } from '../edge/observability.js';
import { requireCaller } from '../edge/request-party.js';
import { MAX_FILTER_BODY_BYTES } from '../edge/unread-body.js';
import {
  buildFilterTemplate,
  filteredRecordFormat,
  readFilterableRecord,
  shownRecordFormat,
  summarizeFilter,
  type FilterQuestion,
} from '../filter-records.js';
import { FilterStreams } from '../filter-stream.js';
import { readIdempotencyKey } from '../idempotency-key.js';
import { describeRefusal, listContextFormat } from '../list-refusal.js';
import { checkPartLengths } from '../question-size.js';
import { createRequestContext } from '../request-context.js';
import type { TypedApp } from '../typed-app.js';

const filterBody = z
  .object({
    subject: subjectFormat,
    action: actionFormat,
    // Each is read by itself: one that is wrong is left out and named.
    records: z
      .array(z.unknown())
      .max(MAX_ITEMS)
      .meta({ items: describeLater(filteredRecordFormat) }),
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
      .array(shownRecordFormat)
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
const linesBody = z
  .string()
  .describe(
    'A JSON value a line: in the first one the question (`subject`, `action`, `context`), then a record in each, as many as there are',
  )
  .meta({
    example: [
      EXAMPLE_QUESTION,
      { type: 'document', id: 'plan', properties: { title: 'Plan' } },
      { type: 'document', id: 'notes', properties: { title: 'Notes' } },
    ]
      .map((line) => `${JSON.stringify(line)}\n`)
      .join(''),
  });
const linesAnswerFormat = z
  .string()
  .describe(
    'A JSON value a line, in the order of the request: `{"record": …}` for each that may be seen, `{"invalid": {"line", "code", "reason", "at"}}` for each that is wrong, and at last `{"end": {"id", "returned", "removed", "invalid"}}`, or `{"end": {"returned": 0, "context": …}}` where the whole question is refused. What has no `end` has failed: `{"error": …}` may say why, and the connection breaks',
  )
  .meta({
    example: [
      { record: { type: 'document', id: 'plan', properties: { title: 'Plan' } } },
      { end: { id: '0199b6a0-5c1e-7c1a-9f0e-2d1c3b4a5000', returned: 1, removed: 1, invalid: 0 } },
    ]
      .map((line) => `${JSON.stringify(line)}\n`)
      .join(''),
  });
type FilterAnswer = z.infer<typeof filterAnswerFormat>;
type InvalidRecord = NonNullable<FilterAnswer['invalid']>[number];

export function filterRoutes(app: TypedApp, service: Service): void {
  const streams = new FilterStreams(service);
  // Requests under way are waited for, and a stream may go on for long.
  app.addHook('preClose', (done) => {
    streams.stop();
    done();
  });

  app.post('/v1/filter', {
    schema: {
      tags: ['decisions'],
      summary: 'Which of these records may be seen, and how?',
      body: filterBody,
      response: {
        200: {
          description: 'What may be seen',
          content: {
            'application/json': { schema: filterAnswerFormat },
            [LINES_TYPE]: { schema: linesAnswerFormat },
          },
        },
        ...inputErrors,
        415: problemFormat,
      },
    },
    onRequest: authenticate(app, service, ['filter']),
    config: {
      turns: LIST_TURNS,
      repeatable: true,
      passesToken: true,
      namesDecision: true,
      compresses: true,
      lines: { of: 'records', format: linesBody },
    },
    bodyLimit: MAX_FILTER_BODY_BYTES,
    handler: async (request, reply) => {
      const { records, ...question } = request.body;
      checkPartLengths(question);
      if (request.lines !== undefined) return streams.answer(request, reply, question, request.lines);
      return filterList(request, reply, question, records);
    },
  });

  async function filterList(
    request: FastifyRequest,
    reply: FastifyReply,
    question: FilterQuestion,
    stated: readonly unknown[],
  ): Promise<FilterAnswer> {
    const { records, invalid } = await readFilterableRecords(stated);
    const list = await service.activePolicies.withSnapshot((deps) =>
      filterRecords(
        {
          template: buildFilterTemplate(question, createRequestContext(request, service)),
          records,
          key: readIdempotencyKey(request)?.text,
          secret: service.secret,
          summary: summarizeFilter(question, records, stated.length),
        },
        deps,
      ),
    );
    nameDecision(request, reply, list.id);
    const allInvalid = [...invalid, ...list.invalid.map(({ index, error }) => toInvalidRecord(index, error))];
    return {
      records: list.records.map(({ index: _index, ...shown }) => shown) as FilterAnswer['records'],
      removed: Object.fromEntries(list.removed),
      ...(allInvalid.length === 0 ? {} : { invalid: allInvalid.sort((a, b) => a.index - b.index) }),
      ...describeRefusal(list.refusal, requireCaller(request), service.config.delegations.delegateUrl),
    };
  }
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
      records.push(readFilterableRecord(value, index));
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
