/** `/v1/relationships`: writing and reading the graph, for admin clients. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { MAX_UPDATES } from '../../graph/port.js';
import { BadRequest } from '../../model/faults.js';
import { typeProblem } from '../../model/ids.js';
import { nameProblem, type Relationship } from '../../model/relationships.js';
import { instant } from '../../graph/relationship-text.js';
import { relationshipKey } from '../../graph/relationship-text.js';
import { relationshipText } from '../../graph/relationship-text.js';
import { parseRelationship } from '../../graph/relationship-text.js';
import type { Service } from '../../service/service.js';
import { id } from '../authzen-request.js';
import { admitted, clientOf } from '../edge/authentication.js';
import { problemBody } from '../edge/errors.js';

const checked = (problem: (text: string) => string | undefined, description: string) =>
  z
    .string()
    .superRefine((value, ctx) => {
      const why = problem(value);
      if (why !== undefined) ctx.addIssue({ code: 'custom', message: why });
    })
    .describe(description);
const type = checked(typeProblem, 'SpiceDB definition');
const relation = checked(nameProblem, 'Relation');

const relationshipJson = z.strictObject({
  resource: z.strictObject({ type, id }),
  relation,
  subject: z.strictObject({ type, id, relation: relation.optional() }),
  caveat: z
    .strictObject({ name: z.string().min(1).max(128), context: z.record(z.string(), z.unknown()).default({}) })
    .optional(),
  expires_at: z.string().optional(),
});
const relationship = z
  .union([z.string().min(1).max(4096), relationshipJson])
  .describe('As text, with encoded ids ("repository:api#owner@team:core#member"), or as JSON with raw ids');
const body = z
  .object({
    updates: z
      .array(z.strictObject({ operation: z.enum(['touch', 'create', 'delete']), relationship }))
      .min(1)
      .max(MAX_UPDATES),
  })
  .meta({ id: 'RelationshipUpdates' });

const query = z.strictObject({
  resource_type: type,
  resource_id: id.optional(),
  relation: relation.optional(),
  subject_type: type.optional(),
  subject_id: id.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
const listing = z
  .object({
    relationships: z.array(relationshipJson.extend({ relationship: z.string().describe('The same as text') })),
    truncated: z.boolean().describe('There are more than the limit'),
  })
  .meta({ id: 'Relationships' });

const errors = { 400: problemBody, 401: problemBody, 403: problemBody, 409: problemBody, 503: problemBody };

export function relationshipRoutes(app: FastifyInstance, service: Service): void {
  const onRequest = admitted(app, service, ['admin']);

  app.post('/v1/relationships', {
    schema: {
      tags: ['administration'],
      summary: 'Write relationships: all or none',
      body,
      response: { 200: z.object({ zedtoken: z.string() }), ...errors },
    },
    onRequest,
    handler: async (request) => {
      const { updates } = request.body as z.infer<typeof body>;
      const parsed = updates.map(({ operation, relationship: r }, i) => ({
        operation,
        relationship: at(`updates[${i}].relationship`, () =>
          typeof r === 'string' ? parseRelationship(r) : fromJson(r),
        ),
      }));
      const keys = parsed.map((u) => relationshipKey(u.relationship));
      const twice = keys.findIndex((key, i) => keys.indexOf(key) !== i);
      if (twice !== -1) throw new BadRequest('is the same as one before it', `updates[${twice}].relationship`);
      return { zedtoken: await service.relationships.write(parsed, clientOf(request).id) };
    },
  });

  app.get('/v1/relationships', {
    schema: {
      tags: ['administration'],
      summary: 'Read relationships',
      querystring: query,
      response: { 200: listing, ...errors },
    },
    onRequest,
    handler: async (request) => {
      const q = request.query as z.infer<typeof query>;
      if (q.subject_id !== undefined && q.subject_type === undefined)
        throw new BadRequest('is required with subject_id', 'subject_type');
      const found = await service.relationships.read(
        {
          resourceType: q.resource_type,
          resourceId: q.resource_id,
          relation: q.relation,
          subjectType: q.subject_type,
          subjectId: q.subject_id,
        },
        q.limit + 1,
      );
      return { relationships: found.slice(0, q.limit).map(toJson), truncated: found.length > q.limit };
    },
  });
}

function fromJson(json: z.infer<typeof relationshipJson>): Relationship {
  const { expires_at, caveat, subject, ...rest } = json;
  return {
    ...rest,
    subject,
    ...(caveat === undefined ? {} : { caveat }),
    ...(expires_at === undefined ? {} : { expiresAt: instant(expires_at) }),
  };
}

function toJson(r: Relationship): z.infer<typeof listing>['relationships'][number] {
  return {
    relationship: relationshipText(r),
    resource: { ...r.resource },
    relation: r.relation,
    subject: {
      type: r.subject.type,
      id: r.subject.id,
      ...(r.subject.relation === undefined ? {} : { relation: r.subject.relation }),
    },
    ...(r.caveat === undefined ? {} : { caveat: r.caveat }),
    ...(r.expiresAt === undefined ? {} : { expires_at: r.expiresAt }),
  };
}

function at<T>(place: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof TypeError) throw new BadRequest(error.message, place);
    throw error;
  }
}
