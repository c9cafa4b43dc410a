/** `/v1/capabilities`: what an agent may do, asked with its own token. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { capabilities } from '../../lists/capabilities.js';
import type { Question } from '../../model/question.js';
import { askerOf, NOBODY, recordSearch } from '../../lists/record.js';
import type { Service } from '../../service/service.js';
import { askingOf } from '../request-context.js';
import { toQuestion } from '../authzen-request.js';
import { admitted, callerOf } from '../edge/authentication.js';
import { problemBody } from '../edge/errors.js';

const answer = z
  .object({
    capabilities: z.array(
      z.object({
        resource_type: z.string(),
        actions: z.array(
          z.object({
            name: z.string(),
            title: z.string(),
            status: z
              .enum(['allowed', 'depends', 'remediable'])
              .describe(
                'allowed: on something that is there; depends: on what the request says too; remediable: not now, but with the remedies',
              ),
            remedies: z.array(z.looseObject({ type: z.string() })).describe('What would have to be added'),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'Capabilities' });
const errors = { 401: problemBody, 403: problemBody, 429: problemBody, 503: problemBody };

export function capabilityRoutes(app: FastifyInstance, service: Service): void {
  app.get('/v1/capabilities', {
    schema: {
      tags: ['decisions'],
      summary: 'What may I do? For agents, with their own token',
      response: { 200: answer, ...errors },
    },
    onRequest: admitted(app, service, [], { agents: true }),
    handler: (request) =>
      service.inForce.using(async (deciding) => {
        const caller = callerOf(request);
        const asking = askingOf(request, service);
        const { agentObject = '' } = deciding.rules().vocabulary;
        const subject = { type: agentObject, id: caller.kind === 'agent' ? caller.agent : '' };
        const ask = (name: string, type: string): Question =>
          toQuestion({ subject, action: { name }, resource: { type, id: NOBODY } }, asking);
        const asker = await askerOf(ask(NOBODY, NOBODY), deciding);
        const found = await capabilities(ask, deciding);
        const allowed = found.filter(({ status }) => status === 'allowed').length;
        await recordSearch('capabilities', { subject }, asker, allowed, deciding);
        return {
          capabilities: [...new Set(found.map((c) => c.resourceType))].map((type) => ({
            resource_type: type,
            actions: found
              .filter((c) => c.resourceType === type)
              .map(({ action: { name, title }, status, remedies }) => ({ name, title, status, remedies })),
          })),
        };
      }),
  });
}
