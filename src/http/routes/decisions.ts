/** `/v1/decisions`, each of them and its outcome: what was decided and why, and what the agent then really did. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { DecisionRecord, SearchRecord } from '../../model/decision.js';
import type { Client } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import type { StoredDecision } from '../../store/decisions.js';
import { admitted, clientOf } from '../edge/authentication.js';
import { nextPage, Pages } from '../page-token.js';
import { problem, problemBody } from '../edge/errors.js';

/** With the facts that they rest on, records may be long. */
const MAX_RECORDS = 200;
const DEFAULT_RECORDS = 50;

const query = z.strictObject({
  from: z.iso.datetime({ offset: true }).optional().describe('Made then or later'),
  to: z.iso.datetime({ offset: true }).optional().describe('Made before then'),
  decision: z.enum(['true', 'false']).optional(),
  limit: z.coerce.number().int().min(1).max(MAX_RECORDS).default(DEFAULT_RECORDS),
  page_token: z.string().max(4096).optional().describe('`next_token` of the page before'),
});
const params = z.object({ id: z.string().max(64) });
const outcome = z
  .strictObject({
    outcome: z.enum(['executed', 'failed', 'abandoned']).describe('What the agent really did with the decision'),
    at: z.iso.datetime({ offset: true }).optional(),
    detail: z.string().max(2000).optional(),
    properties: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Outcome' });
const reported = outcome.extend({ reported_at: z.string(), reported_by: z.string() });
const record = z
  .looseObject({ id: z.uuid(), decision: z.boolean(), outcome: reported.optional() })
  .meta({ id: 'DecisionRecord' });
const list = z.object({ page: nextPage, results: z.array(record) }).meta({ id: 'DecisionList' });
const errors = { 401: problemBody, 403: problemBody, 404: problemBody, 503: problemBody };
const NOT_FOUND = problem('not_found', 'There is no such decision.');
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const TAG = ['decisions'];

export function decisionRoutes(app: FastifyInstance, service: Service): void {
  const onRequest = admitted(app, service, ['evaluate', 'admin']);
  const pages = new Pages(service.secret);

  app.get('/v1/decisions', {
    schema: {
      tags: TAG,
      summary:
        'Decision records, the newest first: the client’s own, or, with the facts they rest on, all for an admin',
      querystring: query,
      response: { 200: list, 400: problemBody, ...errors },
    },
    onRequest,
    handler: async (request) => {
      const client = clientOf(request);
      const { limit: size, page_token: token, decision, ...times } = request.query as z.infer<typeof query>;
      const asked = { ...times, ...(decision === undefined ? {} : { decision: decision === 'true' }) };
      const question = { list: 'decisions', caller: client.id, ...asked };
      const own = client.may.has('admin') ? {} : { client: client.id };
      const found = await service.decisions.list(
        { ...asked, ...own, after: pages.begin({ token }, question, 'page_token') },
        size + 1,
      );
      const shown = found.slice(0, size);
      return {
        page: pages.next(found.length > size ? shown.at(-1)?.id : undefined, question),
        results: shown.map((one) => shownTo(client, one)),
      };
    },
  });

  app.get('/v1/decisions/:id', {
    schema: {
      tags: TAG,
      summary: 'A decision record: one of the client’s own, or, with the facts it rests on, any for an admin',
      params,
      response: { 200: record, ...errors },
    },
    onRequest,
    handler: async (request, reply) => {
      const found = await visible(request);
      return found === undefined
        ? reply.code(404).send(NOT_FOUND)
        : reply.send({ ...shownTo(clientOf(request), found.record), outcome: found.outcome });
    },
  });

  app.post('/v1/decisions/:id/outcome', {
    schema: {
      tags: TAG,
      summary: 'Report what the agent really did; once, repeating the same is fine',
      params,
      body: outcome,
      response: { 201: outcome, 400: problemBody, 409: problemBody, ...errors },
    },
    onRequest,
    handler: async (request, reply) => {
      const found = await visible(request);
      if (found === undefined) return reply.code(404).send(NOT_FOUND);
      const said = request.body as z.infer<typeof outcome>;
      const stored = await service.decisions.report(found.record.id, clientOf(request).id, said);
      return stored
        ? reply.code(201).send(said)
        : reply.code(409).send(problem('already_reported', 'Another outcome was reported before.'));
    },
  });

  /** What it rests on tells what is stored of people and things: only an admin may know. */
  function shownTo<T extends DecisionRecord | SearchRecord>({ may }: Client, record: T): T | Omit<T, 'facts'> {
    if (may.has('admin') || !('facts' in record)) return record;
    const { facts: _facts, ...others } = record;
    return others;
  }

  /** Another client's decision is as absent as one that never was. */
  async function visible(request: FastifyRequest): Promise<StoredDecision | undefined> {
    const client = clientOf(request);
    const { id } = request.params as z.infer<typeof params>;
    const found = UUID.test(id) ? await service.decisions.find(id) : undefined;
    return found?.record.client === client.id || client.may.has('admin') ? found : undefined;
  }
}
