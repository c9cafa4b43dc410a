/** `/metrics`: what Prometheus reads. How much is asked and denied is nobody's business but the operators'. */
import { z } from 'zod';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { authenticate } from '../edge/authentication.js';
import { commonErrors } from '../edge/errors.js';

export function metricsRoutes(app: TypedApp, service: Service): void {
  app.get('/metrics', {
    schema: {
      tags: ['operations'],
      summary: 'Metrics in Prometheus’ text format, for clients with `metrics` or `admin`',
      response: { 200: z.string(), ...commonErrors },
    },
    config: { essential: true },
    onRequest: authenticate(app, service, ['metrics', 'admin']),
    handler: async (_request, reply) => {
      const { type, text } = await service.metrics.exposition();
      return reply.type(type).serializer(String).send(text);
    },
  });
}
