/** `/v1/decisions/{id}` and its outcome: what was decided and why, and what the agent then really did. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { DecisionRecord } from '../model/decision.js';
import type { Client } from '../model/question.js';
import type { Service } from '../service.js';
import type { StoredDecision } from '../stores/decisions.js';
import { admitted, clientOf } from './callers.js';
import { problem, problemBody } from './problems.js';

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
const errors = { 401: problemBody, 403: problemBody, 404: problemBody, 503: problemBody };
const NOT_FOUND = problem('not_found', 'There is no such decision.');
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const TAG = ['decisions'];

export function decisionRoutes(app: FastifyInstance, service: Service): void {
  const onRequest = admitted(app, service, ['evaluate', 'admin']);

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
  function shownTo({ may }: Client, record: DecisionRecord): DecisionRecord {
    const { facts: _facts, ...others } = record;
    return may.has('admin') ? record : others;
  }

  /** Another client's decision is as absent as one that never was. */
  async function visible(request: FastifyRequest): Promise<StoredDecision | undefined> {
    const client = clientOf(request);
    const { id } = request.params as z.infer<typeof params>;
    const found = UUID.test(id) ? await service.decisions.find(id) : undefined;
    return found?.record.client === client.id || client.may.has('admin') ? found : undefined;
  }
}
