/** `/v1/capabilities`: lists what an agent may do with its own token. */
import { z } from 'zod';
import { GraphSnapshot } from '../../graph/snapshot.js';
import { findCapabilities } from '../../lists/capabilities.js';
import type { Question } from '../../model/question.js';
import { identifyListRequester, PLACEHOLDER_ID, recordSearch } from '../../lists/record.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { createRequestContext } from '../request-context.js';
import { parseQuestion } from '../authzen-request.js';
import { authenticate } from '../edge/authentication.js';
import { requireCaller } from '../edge/request-party.js';
import { LIST_TURNS } from '../edge/decision-turns.js';
import { commonErrors } from '../edge/errors.js';

const capabilitiesFormat = z
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
                'allowed: on something that is there; depends: on what the request says too; remediable: not now, but with all of the remedies, as a scope, an approval or a consent',
              ),
            remedies: z.array(z.looseObject({ type: z.string() })).describe('What would have to be added'),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'Capabilities' });

export function capabilityRoutes(app: TypedApp, service: Service): void {
  app.get('/v1/capabilities', {
    schema: {
      tags: ['decisions'],
      summary: 'What may I do? For agents, with their own token',
      response: { 200: capabilitiesFormat, ...commonErrors },
    },
    onRequest: authenticate(app, service, [], { agents: true }),
    config: { turns: LIST_TURNS },
    handler: (request) =>
      service.activePolicies.withSnapshot(async (deps) => {
        const caller = requireCaller(request);
        const requestContext = createRequestContext(request, service);
        const { agentObject = '' } = deps.rules().vocabulary;
        const subject = { type: agentObject, id: caller.kind === 'agent' ? caller.agent : '' };
        const buildQuestion = (name: string, type: string): Question =>
          parseQuestion({ subject, action: { name }, resource: { type, id: PLACEHOLDER_ID } }, requestContext);
        const template = buildQuestion(PLACEHOLDER_ID, PLACEHOLDER_ID);
        const asker = await identifyListRequester(template, deps);
        const graph = new GraphSnapshot(deps.relationships, template.consistency);
        const entries = await findCapabilities(buildQuestion, graph, deps);
        const allowed = entries.filter(({ status }) => status === 'allowed').length;
        await recordSearch('capabilities', { subject }, asker, allowed, graph, deps);
        return {
          capabilities: [...new Set(entries.map((c) => c.resourceType))].map((type) => ({
            resource_type: type,
            actions: entries
              .filter((c) => c.resourceType === type)
              .map(({ action: { name, title }, status, remedies }) => ({ name, title, status, remedies })),
          })),
        };
      }),
  });
}
