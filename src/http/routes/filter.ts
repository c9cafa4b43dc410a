/** `/v1/filter`: records in, the permitted ones out, masked, so that no API can forget to. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { breathe } from '../../runtime/yield.js';
import { foreseeEach } from '../../lists/decide-list.js';
import { masking, MASKING } from '../../lists/mask.js';
import { BadRequest } from '../../model/faults.js';
import { askerOf, NOBODY, recordSearch } from '../../lists/record.js';
import type { Service } from '../../service/service.js';
import { action, boundFacts, context, id, MAX_ITEMS, name, questionOf, subject } from '../authzen-request.js';
import { askingOf } from '../request-context.js';
import { admitted } from '../edge/authentication.js';
import { problemBody } from '../edge/errors.js';

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
      const { records, context: said, ...shared } = request.body as z.infer<typeof body>;
      const asking = askingOf(request, service);
      if (!asking.small) boundAll({ ...shared, context: said }, records);
      const asked = questionOf({ ...shared, context: maskable(said), resource: { type: NOBODY, id: NOBODY } }, asking);
      const questions = records.map(({ type, id, properties }) => ({ ...asked, resource: { type, id, properties } }));
      return service.inForce.using(async (deciding) => {
        const asker = await askerOf(asked, deciding);
        const foreseen = await foreseeEach(questions, deciding);
        const mask = masking(service.secret);
        const kept: object[] = [];
        for (const [i, record] of records.entries()) {
          const one = foreseen[i];
          if (one instanceof BadRequest) throw within(i, one);
          if (one?.allowed !== true) continue;
          await breathe();
          const left = one.obligations.filter(({ type }) => !MASKING.includes(type));
          const shown = { ...record, properties: mask(record.properties, one.obligations) };
          kept.push(left.length === 0 ? shown : { ...shown, obligations: left });
        }
        const about = {
          subject: { type: shared.subject.type, id: shared.subject.id },
          action: { name: shared.action.name },
          types: [...new Set(records.map(({ type }) => type))],
          records: records.length,
        };
        await recordSearch('filter', about, asker, kept.length, deciding);
        return { records: kept, removed: records.length - kept.length };
      });
    },
  });
}

/** Masking is done here, whatever the client can do. */
function maskable(said: z.infer<typeof context> | undefined): z.infer<typeof context> | undefined {
  const supported = said?.supported_obligations;
  return supported === undefined ? said : { ...said, supported_obligations: [...new Set([...supported, ...MASKING])] };
}

/** Each part within the bounds of a question of its own. @throws BadRequest */
function boundAll(shared: object, records: readonly object[]): void {
  boundFacts(shared);
  for (const [i, resource] of records.entries()) {
    try {
      boundFacts({ resource });
    } catch (error) {
      throw within(i, error);
    }
  }
}

/** An error in a record says in which. */
function within(index: number, error: unknown): unknown {
  if (!(error instanceof BadRequest) || !error.at.startsWith('resource')) return error;
  return new BadRequest(error.message, error.at.replace('resource', `records[${index}]`), error.status, error.code);
}
