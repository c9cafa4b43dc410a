/** `/metrics`: what Prometheus reads. How much is asked and denied is nobody's business but the operators'. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Service } from '../../service/service.js';
import { authenticate } from '../edge/authentication.js';
import { problemFormat } from '../edge/errors.js';

export function metricsRoutes(app: FastifyInstance, service: Service): void {
  app.get('/metrics', {
    schema: {
      tags: ['operations'],
      summary: 'Metrics in Prometheus’ text format, for clients with `metrics` or `admin`',
      response: { 200: z.string(), 401: problemFormat, 403: problemFormat, 429: problemFormat },
    },
    config: { essential: true },
    onRequest: authenticate(app, service, ['metrics', 'admin']),
    handler: async (_request, reply) => {
      const { type, text } = await service.metrics.text();
      return reply.type(type).serializer(String).send(text);
    },
  });
}
