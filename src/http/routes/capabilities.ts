/** `/v1/capabilities`: lists what an agent may do with its own token, to the agent or to a client that has it. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { GraphSnapshot } from '../../graph/snapshot.js';
import { findCapabilities } from '../../lists/capabilities.js';
import { findListRefusal } from '../../lists/refusal.js';
import { BadRequest } from '../../model/faults.js';
import { OBLIGATION_TYPES } from '../../model/obligations.js';
import { omitNulls, type Question } from '../../model/question.js';
import { identifyListRequester, PLACEHOLDER_ID, recordSearch } from '../../lists/record.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { createRequestContext } from '../request-context.js';
import { remedyFormat } from '../answer-parts.js';
import { contextFormat } from '../authzen-formats.js';
import { parseQuestion } from '../authzen-request.js';
import { describeRefusal, listContextFormat } from '../list-refusal.js';
import { authenticate } from '../edge/authentication.js';
import { requireCaller } from '../edge/request-party.js';
import { LIST_TURNS } from '../edge/decision-turns.js';
import { commonErrors, inputErrors } from '../edge/errors.js';
import { nameDecision } from '../edge/observability.js';

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
            remedies: z.array(remedyFormat).describe('What would have to be added'),
          }),
        ),
      }),
    ),
    context: listContextFormat.optional(),
  })
  .meta({ id: 'Capabilities' });
const capabilitiesBody = z
  .object({
    context: contextFormat
      .nullish()
      .describe(
        'With the agent’s `token`, and the `proof` that came with it; absent where `Remit-Token` has the token',
      ),
  })
  .meta({ id: 'CapabilitiesRequest', example: { context: { token: '<the agent’s token>' } } });

export function capabilityRoutes(app: TypedApp, service: Service): void {
  app.get('/v1/capabilities', {
    schema: {
      tags: ['decisions'],
      summary: 'What may I do? For agents, with their own token',
      response: { 200: capabilitiesFormat, ...commonErrors },
    },
    onRequest: authenticate(app, service, [], { agents: true }),
    config: { turns: LIST_TURNS, namesDecision: true },
    handler: (request, reply) => answerCapabilities(service, request, reply, {}),
  });

  app.post('/v1/capabilities', {
    schema: {
      tags: ['decisions'],
      summary: 'What may the agent of this token do? For clients',
      body: capabilitiesBody,
      response: { 200: capabilitiesFormat, ...inputErrors },
    },
    onRequest: authenticate(app, service, ['search']),
    config: { turns: LIST_TURNS, passesToken: true, namesDecision: true },
    handler: (request, reply) => answerCapabilities(service, request, reply, request.body.context ?? {}),
  });
}

function answerCapabilities(
  service: Service,
  request: FastifyRequest,
  reply: FastifyReply,
  stated: z.infer<typeof contextFormat>,
): Promise<z.infer<typeof capabilitiesFormat>> {
  return service.activePolicies.withSnapshot(async (deps) => {
    const caller = requireCaller(request);
    const requestContext = createRequestContext(request, service);
    // The agent's own question carries nothing out either: it learns what it may do, so all obligations count.
    const context = { supported_obligations: [...OBLIGATION_TYPES], ...omitNulls(stated) };
    const { agentObject = '', actions } = deps.rules().vocabulary;
    const buildAgentQuestion = (agent: string, name: string, type: string): Question =>
      parseQuestion(
        {
          subject: { type: agentObject, id: agent },
          action: { name },
          resource: { type, id: PLACEHOLDER_ID },
          context,
        },
        requestContext,
      );
    if (caller.kind === 'client' && requestContext.headerToken === undefined && stated.token === undefined)
      throw new BadRequest('is required: capabilities are those of an agent on its token', 'context.token');
    const opening = buildAgentQuestion(PLACEHOLDER_ID, PLACEHOLDER_ID, PLACEHOLDER_ID);
    const asker = await identifyListRequester(opening, deps);
    const agent = caller.kind === 'agent' ? caller.agent : (asker.token?.actors[0]?.id ?? PLACEHOLDER_ID);
    const buildQuestion = (name: string, type: string): Question => buildAgentQuestion(agent, name, type);
    const graph = new GraphSnapshot(deps.relationships, opening.consistency);
    const entries = await findCapabilities(buildQuestion, graph, deps);
    const [action] = actions;
    const template = buildQuestion(action?.name ?? PLACEHOLDER_ID, action?.resourceTypes[0]?.object ?? PLACEHOLDER_ID);
    const refusal = entries.length > 0 ? undefined : await findListRefusal([template], graph, deps, 'action');
    const subject = { type: agentObject, ...(agent === PLACEHOLDER_ID ? {} : { id: agent }) };
    const found = entries.filter(({ status }) => status === 'allowed').length;
    const items = entries.map(({ resourceType, action: { name }, status }) => ({
      resource_type: resourceType,
      name,
      status,
    }));
    const { id } = await recordSearch('capabilities', { subject }, asker, { found, items }, graph, deps);
    nameDecision(request, reply, id);
    return {
      capabilities: [...new Set(entries.map((c) => c.resourceType))].map((type) => ({
        resource_type: type,
        actions: entries
          .filter((c) => c.resourceType === type)
          .map(({ action: { name, title }, status, remedies }) => ({
            name,
            title,
            status,
            remedies: remedies.map((remedy) => ({ ...remedy })),
          })),
      })),
      ...describeRefusal(refusal, caller, service.config.delegations.delegateUrl),
    };
  });
}
