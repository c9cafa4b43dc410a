/** `/v1/relationships`: admin clients write and read the graph. */
import { z } from 'zod';
import { MAX_UPDATES_PER_WRITE } from '../../graph/port.js';
import { formatProblem } from '../../diagnostics/diagnostics.js';
import { BadRequest } from '../../model/faults.js';
import type { Relationship, UpdateOperation } from '../../model/relationships.js';
import { relationshipKey, parseRelationship, parseStoredRelationship } from '../../graph/relationship-text.js';
import { relationshipProblem } from '../../graph/schema/validate-relationship.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { idFormat } from '../authzen-formats.js';
import { authenticate } from '../edge/authentication.js';
import { requireClient } from '../edge/request-party.js';
import { inputErrors, problemFormat } from '../edge/errors.js';
import { queryNumber } from '../query-number.js';
import {
  fromRelationshipJson,
  relationFormat,
  relationshipFormat,
  storedRelationshipFormat,
  toRelationshipJson,
  typeFormat,
} from '../relationship-json.js';

const updatesBody = z
  .object({
    updates: z
      .array(z.strictObject({ operation: z.enum(['touch', 'create', 'delete']), relationship: relationshipFormat }))
      .min(1)
      .max(MAX_UPDATES_PER_WRITE),
  })
  .meta({
    id: 'RelationshipUpdates',
    example: {
      updates: [
        {
          operation: 'touch',
          relationship: {
            resource: { type: 'team', id: 'core' },
            relation: 'member',
            subject: { type: 'user', id: 'ben' },
          },
        },
      ],
    },
  });

const relationshipsQuery = z.strictObject({
  resource_type: typeFormat,
  resource_id: idFormat.optional(),
  relation: relationFormat.optional(),
  subject_type: typeFormat.optional(),
  subject_id: idFormat.optional(),
  limit: queryNumber(1, 1000, 100),
});
const relationshipListFormat = z
  .object({
    relationships: z.array(storedRelationshipFormat),
    truncated: z.boolean().describe('There are more than the limit'),
  })
  .meta({ id: 'Relationships' });

export function relationshipRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['admin']);

  app.post('/v1/relationships', {
    schema: {
      tags: ['administration'],
      summary: 'Write relationships: all or none',
      body: updatesBody,
      response: { 200: z.object({ zedtoken: z.string() }), ...inputErrors, 409: problemFormat },
    },
    onRequest,
    handler: async (request) => {
      const { updates } = request.body;
      const parsedUpdates = updates.map(({ operation, relationship: r }, i) => ({
        operation,
        relationship: parseAt(`updates[${i}].relationship`, () =>
          typeof r === 'string' ? parseTextOf(operation)(r) : fromRelationshipJson(r),
        ),
      }));
      // Only deletes may name what is no longer accepted.
      for (const [i, { operation, relationship }] of parsedUpdates.entries()) {
        const problem =
          operation === 'delete' ? undefined : relationshipProblem(relationship, service.activePolicies.rules.graph);
        if (problem !== undefined) throw new BadRequest(formatProblem(problem), `updates[${i}].relationship`);
      }
      const keys = parsedUpdates.map((u) => relationshipKey(u.relationship));
      const repeated = keys.findIndex((key, i) => keys.indexOf(key) !== i);
      if (repeated !== -1)
        throw new BadRequest('repeats the relationship of an earlier update', `updates[${repeated}].relationship`);
      return { zedtoken: await service.activePolicies.engine.write(parsedUpdates, requireClient(request).id) };
    },
  });

  app.get('/v1/relationships', {
    schema: {
      tags: ['administration'],
      summary: 'Read relationships',
      querystring: relationshipsQuery,
      response: { 200: relationshipListFormat, ...inputErrors },
    },
    onRequest,
    handler: async (request) => {
      const query = request.query;
      if (query.subject_id !== undefined && query.subject_type === undefined)
        throw new BadRequest('is required with subject_id', 'subject_type');
      const { relationships } = await service.activePolicies.engine.read(
        {
          resourceType: query.resource_type,
          resourceId: query.resource_id,
          relation: query.relation,
          subjectType: query.subject_type,
          subjectId: query.subject_id,
        },
        query.limit + 1,
        'full',
      );
      return {
        relationships: relationships.slice(0, query.limit).map(toRelationshipJson),
        truncated: relationships.length > query.limit,
      };
    },
  });
}

/** Returns the parser for an operation: what another application wrote can be deleted, with whatever ids. */
function parseTextOf(operation: UpdateOperation): (text: string) => Relationship {
  return operation === 'delete' ? parseStoredRelationship : parseRelationship;
}

function parseAt<T>(place: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof TypeError) throw new BadRequest(error.message, place);
    throw error;
  }
}
