/** `/v1/entities`: admin clients store, read, list and remove attributes and parents. */
import { z } from 'zod';
import { formatProblem } from '../../diagnostics/diagnostics.js';
import { BadRequest } from '../../model/faults.js';
import { MAX_PARENTS, findEntityProblem, findUnknownType } from '../../policy/entity-validation.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { idFormat, nameFormat } from '../authzen-formats.js';
import { CallPlaces } from '../edge/call-places.js';
import { authenticate } from '../edge/authentication.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { requireClient } from '../edge/request-party.js';
import { nextPageFormat, PageTokens } from '../page-token.js';
import { queryNumber } from '../query-number.js';

const entityParams = z.object({ type: nameFormat, id: idFormat });
const entityBody = z
  .strictObject({
    attributes: z.record(z.string(), z.unknown()).default({}),
    parents: z
      .array(z.strictObject({ type: nameFormat, id: idFormat }))
      .max(MAX_PARENTS)
      .default([]),
  })
  .meta({ id: 'EntityAttributes', example: { attributes: { status: 'active', name: 'Ann' }, parents: [] } });
const entityFormat = z
  .object({
    type: z.string(),
    id: z.string(),
    attributes: z.record(z.string(), z.unknown()),
    parents: z.array(z.object({ type: z.string(), id: z.string() })),
  })
  .meta({ id: 'Entity' });
const ENTITY_URL = '/v1/entities/:type/:id';

/** Entities may be as long as a body, so few are read at one time. */
const MAX_ENTITIES = 200;
const DEFAULT_ENTITIES = 100;
/** Pages that are read at one time; one caller reads one. */
const MAX_ENTITY_LISTINGS = 2;
const entitiesQuery = z.strictObject({
  limit: queryNumber(1, MAX_ENTITIES, DEFAULT_ENTITIES),
  page_token: z.string().max(4096).optional().describe('`next_token` of the page before'),
});
const entityListFormat = z.object({ page: nextPageFormat, results: z.array(entityFormat) }).meta({ id: 'EntityList' });

export function entityRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['admin']);
  const pageTokens = new PageTokens(service.secret);
  const listings = new CallPlaces(MAX_ENTITY_LISTINGS, service.deadlineMs);

  app.get('/v1/entities/:type', {
    schema: {
      tags: ['administration'],
      summary: 'List the entities of a type, in the order of their ids. A page may be short and lead on',
      params: z.object({ type: nameFormat }),
      querystring: entitiesQuery,
      response: { 200: entityListFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const { type } = request.params;
      const { limit, page_token: token } = request.query;
      const query = { list: 'entities', caller: requireClient(request).id, type };
      const after = pageTokens.decode({ token }, query, 'page_token');
      const list = () => service.entities.pageOfType(type, after, limit);
      const { entities, next } = await listings.run(request, list, { rests: true });
      // One that the schemas have lost may have entities all the same.
      const problem = entities.length > 0 ? undefined : findUnknownType(type, service.activePolicies.rules);
      if (problem !== undefined) return reply.code(404).send(createProblem('not_found', formatProblem(problem)));
      return reply.send({ page: pageTokens.encode(next, query), results: [...entities] });
    },
  });

  app.put(ENTITY_URL, {
    schema: {
      tags: ['administration'],
      summary: 'Store an entity, replacing what was there',
      params: entityParams,
      body: entityBody,
      response: { 200: entityFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request) => {
      const stored = { ...request.params, ...request.body };
      const problem = findEntityProblem(stored, service.activePolicies.rules);
      if (problem !== undefined) throw new BadRequest(formatProblem(problem), problem.path);
      await service.entities.put([stored]);
      return stored;
    },
  });

  app.get(ENTITY_URL, {
    schema: {
      tags: ['administration'],
      summary: 'Read an entity',
      params: entityParams,
      response: { 200: entityFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const [entity] = await service.entities.lookup([request.params]);
      if (entity === undefined) return reply.code(404).send(createProblem('not_found', 'There is no such entity.'));
      const { type, id, attributes, parents } = entity;
      return reply.send({ type, id, attributes, parents });
    },
  });

  app.delete(ENTITY_URL, {
    schema: {
      tags: ['administration'],
      summary: 'Remove an entity',
      params: entityParams,
      response: { 204: z.null().describe('Removed'), ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const removed = await service.entities.remove(request.params);
      return removed
        ? reply.code(204).send()
        : reply.code(404).send(createProblem('not_found', 'There is no such entity.'));
    },
  });
}
