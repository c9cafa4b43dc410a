/** `/v1/filter`: records in, the permitted ones out, masked, so that no API can forget to. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { foresee, type Foreseen } from '../decide.js';
import { masked } from '../masks.js';
import { BadRequest } from '../model/faults.js';
import { recordSearch } from '../search.js';
import type { Service } from '../service.js';
import { action, context, id, MAX_ITEMS, name, subject, toQuestion } from './authzen.js';
import { askingOf } from './asking.js';
import { admitted } from './callers.js';
import { problemBody } from './problems.js';

const properties = z.record(z.string(), z.unknown());
const body = z
  .object({
    subject,
    action,
    records: z.array(z.object({ type: name, id, properties: properties.default({}) })).max(MAX_ITEMS),
    context: context.optional(),
  })
  .meta({ id: 'FilterRequest' });
const answer = z
  .object({
    records: z
      .array(
        z.object({
          type: z.string(),
          id: z.string(),
          properties,
          obligations: z
            .array(z.looseObject({ id: z.string(), type: z.string() }))
            .optional()
            .describe('What is left for the client to do: masking is done'),
        }),
      )
      .describe('In the order that they were given'),
    removed: z.number().int().describe('How many of those that were given are not here'),
  })
  .meta({ id: 'FilterResponse' });
const errors = { 400: problemBody, 401: problemBody, 403: problemBody, 429: problemBody, 503: problemBody };

const AT_ONCE = 100;

export function filterRoutes(app: FastifyInstance, service: Service): void {
  app.post('/v1/filter', {
    schema: {
      tags: ['decisions'],
      summary: 'Which of these records may be seen, and how?',
      body,
      response: { 200: answer, ...errors },
    },
    onRequest: admitted(app, service, ['filter']),
    handler: async (request) => {
      const { subject: who, action: what, records, context: said } = request.body as z.infer<typeof body>;
      const supported = said?.supported_obligations;
      const asking = askingOf(request, service);
      // Masking is done here, whatever the client can do.
      const can =
        supported === undefined ? said : { ...said, supported_obligations: [...new Set([...supported, 'mask'])] };
      const questions = records.map((record, i) =>
        placed(i, () => toQuestion({ subject: who, action: what, resource: record, context: can }, asking)),
      );
      const foreseen: Foreseen[] = [];
      for (let from = 0; from < questions.length; from += AT_ONCE)
        foreseen.push(
          ...(await Promise.all(
            questions
              .slice(from, from + AT_ONCE)
              .map((question, i) => placedAsync(from + i, foresee(question, service))),
          )),
        );
      const kept = records.flatMap((record, i) => {
        const { allowed = false, obligations = [] } = foreseen[i] ?? {};
        if (!allowed) return [];
        const left = obligations.filter(({ type }) => type !== 'mask');
        const shown = { ...record, properties: masked(record.properties, obligations, service.secret) };
        return [left.length === 0 ? shown : { ...shown, obligations: left }];
      });
      const asked = questions[0];
      if (asked !== undefined) {
        const types = [...new Set(records.map(({ type }) => type))];
        const about = {
          subject: { type: who.type, id: who.id },
          action: { name: what.name },
          types,
          records: records.length,
        };
        await recordSearch('filter', about, asked, kept.length, service);
      }
      return { records: kept, removed: records.length - kept.length };
    },
  });
}

/** An error in a record says in which. */
function placed<T>(index: number, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw within(index, error);
  }
}

function placedAsync<T>(index: number, work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw within(index, error);
  });
}

function within(index: number, error: unknown): unknown {
  if (!(error instanceof BadRequest) || !error.at.startsWith('resource')) return error;
  return new BadRequest(error.message, error.at.replace('resource', `records[${index}]`), error.status, error.code);
}
