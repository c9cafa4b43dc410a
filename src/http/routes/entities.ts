/** `/v1/entities/{type}/{id}`: attributes and parents, for admin clients. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { BadRequest } from '../../model/faults.js';
import { MAX_PARENTS, storable } from '../../policy/entity-validation.js';
import type { Service } from '../../service/service.js';
import { id, name } from '../authzen-request.js';
import { admitted } from '../edge/authentication.js';
import { problem, problemBody } from '../edge/errors.js';

const params = z.object({ type: name, id });
const body = z
  .strictObject({
    attributes: z.record(z.string(), z.unknown()).default({}),
    parents: z
      .array(z.strictObject({ type: name, id }))
      .max(MAX_PARENTS)
      .default([]),
  })
  .meta({ id: 'EntityAttributes' });
const entity = z
  .object({
    type: z.string(),
    id: z.string(),
    attributes: z.record(z.string(), z.unknown()),
    parents: z.array(z.object({ type: z.string(), id: z.string() })),
  })
  .meta({ id: 'Entity' });
const errors = { 400: problemBody, 401: problemBody, 403: problemBody, 404: problemBody, 503: problemBody };
const URL = '/v1/entities/:type/:id';
const TAG = ['administration'];

export function entityRoutes(app: FastifyInstance, service: Service): void {
  const onRequest = admitted(app, service, ['admin']);

  app.put(URL, {
    schema: {
      tags: TAG,
      summary: 'Store an entity, replacing what was there',
      params,
      body,
      response: { 200: entity, ...errors },
    },
    onRequest,
    handler: async (request) => {
      const ref = request.params as z.infer<typeof params>;
      const stored = { ...ref, ...(request.body as z.infer<typeof body>) };
      const why = storable(stored, service.rules());
      if (why !== undefined) throw new BadRequest(why, why.startsWith('attributes.') ? (why.split(' ')[0] ?? '') : '');
      await service.entities.put([stored]);
      return stored;
    },
  });

  app.get(URL, {
    schema: { tags: TAG, summary: 'Read an entity', params, response: { 200: entity, ...errors } },
    onRequest,
    handler: async (request, reply) => {
      const [found] = await service.entities.lookup([request.params as z.infer<typeof params>]);
      if (found === undefined) return reply.code(404).send(problem('not_found', 'There is no such entity.'));
      const { type, id: ofEntity, attributes, parents } = found;
      return reply.send({ type, id: ofEntity, attributes, parents });
    },
  });

  app.delete(URL, {
    schema: {
      tags: TAG,
      summary: 'Remove an entity',
      params,
      response: { 204: z.null().describe('Removed'), ...errors },
    },
    onRequest,
    handler: async (request, reply) => {
      const removed = await service.entities.remove(request.params as z.infer<typeof params>);
      return removed ? reply.code(204).send() : reply.code(404).send(problem('not_found', 'There is no such entity.'));
    },
  });
}
