/** What operators and discovery read: health and the AuthZEN metadata. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { OBLIGATION_TYPES } from '../rules/duties.js';
import type { Service } from '../service.js';

const metadata = z
  .object({
    policy_decision_point: z.string(),
    access_evaluation_endpoint: z.string(),
    access_evaluations_endpoint: z.string(),
    obligations_supported: z.array(z.string()),
  })
  .meta({ id: 'Metadata' });
const readiness = z.object({
  status: z.enum(['ready', 'unready']),
  checks: z.record(z.string(), z.enum(['ok', 'failed'])),
  policy_version: z.string(),
});

export function operationRoutes(app: FastifyInstance, service: Service, base: () => string): void {
  app.get('/.well-known/authzen-configuration', {
    schema: { tags: ['operations'], summary: 'AuthZEN metadata', response: { 200: metadata } },
    handler: () => ({
      policy_decision_point: base(),
      access_evaluation_endpoint: `${base()}/access/v1/evaluation`,
      access_evaluations_endpoint: `${base()}/access/v1/evaluations`,
      obligations_supported: OBLIGATION_TYPES,
    }),
  });

  app.get('/health/live', {
    schema: {
      tags: ['operations'],
      summary: 'The process answers',
      response: { 200: z.object({ status: z.literal('ok') }) },
    },
    handler: () => ({ status: 'ok' }),
  });

  app.get('/health/ready', {
    schema: { tags: ['operations'], summary: 'Decisions can be made', response: { 200: readiness, 503: readiness } },
    handler: async (_request, reply) => {
      const works = async (check: Promise<unknown>): Promise<'ok' | 'failed'> =>
        check.then(() => 'ok' as const).catch(() => 'failed' as const);
      const [database, relationships] = await Promise.all([
        works(service.database.run([{ sql: 'select 1' }])),
        works(service.relationships.read({ resourceType: service.rules().graph.definitionNames()[0] ?? '' }, 1)),
      ]);
      const ready = database === 'ok' && relationships === 'ok';
      return reply.code(ready ? 200 : 503).send({
        status: ready ? 'ready' : 'unready',
        checks: { database, relationships },
        policy_version: service.rules().version,
      });
    },
  });
}
