/** `/access/v1/search/{resource,subject,action}`: on what, who, and what, by AuthZEN's search APIs. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { callerId, type Question } from '../../model/question.js';
import {
  candidateAgents,
  candidateResources,
  candidateSubjects,
  inOrder,
  LOOKING,
  type Searching,
} from '../../lists/candidates.js';
import { askerOf, NOBODY, recordSearch } from '../../lists/record.js';
import { firstAllowed } from '../../lists/search.js';
import type { Service } from '../../service/service.js';
import { Deadline } from '../../runtime/deadline.js';
import { BadRequest } from '../../model/faults.js';
import { action, context, id, name, resource, subject, toQuestion } from '../authzen-request.js';
import { callerOf, admitted } from '../edge/authentication.js';
import { nextPage, page, Pages } from '../page-token.js';
import { badRequest, problemBody } from '../edge/errors.js';
import { askingOf } from '../request-context.js';

const open = z.object({ type: name, properties: z.record(z.string(), z.unknown()).optional() });
const common = { context: context.optional(), page };
const bodies = {
  resource: z.object({ subject, action, resource: open, ...common }).meta({ id: 'ResourceSearchRequest' }),
  subject: z.object({ subject: open, action, resource, ...common }).meta({ id: 'SubjectSearchRequest' }),
  action: z.object({ subject, resource, ...common }).meta({ id: 'ActionSearchRequest' }),
};
const entities = z
  .object({ page: nextPage, results: z.array(z.object({ type: z.string(), id: z.string() })) })
  .meta({ id: 'EntitySearchResponse' });
const actions = z
  .object({ page: nextPage, results: z.array(z.object({ name: z.string() })) })
  .meta({ id: 'ActionSearchResponse' });

const TAG = ['decisions'];
const errors = { 400: problemBody, 401: problemBody, 403: problemBody, 429: problemBody, 503: problemBody };
/** What a record keeps of the question: who, what and on what, without properties. */
function askedFor(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const bare = (part: unknown): object => {
    const { type, id, name: called } = part as Record<string, unknown>;
    return { ...(called === undefined ? { type, id } : { name: called }) };
  };
  return Object.fromEntries(Object.entries(body).map(([part, value]) => [part, bare(value)]));
}

/** Whom agents are searched for, where no token says it. @throws BadRequest */
function beneficiary(properties: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const given = properties?.['on_behalf_of'];
  if (given === undefined) return undefined;
  const read = id.safeParse(given);
  if (read.success) return read.data;
  throw new BadRequest(badRequest(read.error).message, 'subject.properties.on_behalf_of');
}

export function searchRoutes(app: FastifyInstance, service: Service): void {
  const onRequest = admitted(app, service, ['search'], { agents: true });
  const pages = new Pages(service.secret);

  app.post('/access/v1/search/resource', {
    schema: { tags: TAG, summary: 'On what may this be done?', body: bodies.resource, response: { 200: entities, ...errors } },
    onRequest,
    handler: async (request) => {
      const body = request.body as z.infer<typeof bodies.resource>;
      const { type, properties } = body.resource;
      const asked = question(request, { ...body, resource: { type, id: NOBODY, properties } });
      return found('resource', request, body, asked, (using) => candidateResources(asked, using), (id) => ({ ...asked, resource: { ...asked.resource, id } }), (id) => ({ type, id }));
    },
  }); // prettier-ignore

  app.post('/access/v1/search/subject', {
    schema: { tags: TAG, summary: 'Who may do this?', body: bodies.subject, response: { 200: entities, ...errors } },
    onRequest,
    handler: async (request) => {
      const body = request.body as z.infer<typeof bodies.subject>;
      const { type, properties } = body.subject;
      const asked = question(request, { ...body, subject: { type, id: NOBODY, properties } });
      const { userObject, agentObject } = service.rules().vocabulary;
      const user = type === agentObject && asked.token === undefined ? beneficiary(properties) : undefined;
      if (user !== undefined && userObject !== undefined) {
        const whose = { ...asked, subject: { type: userObject, id: user, properties: {} } };
        return found('subject', request, body, whose, (using) => candidateAgents(whose.subject, whose, using), (agent) => ({ ...whose, assertedAgent: agent }), (id) => ({ type, id }));
      }
      return found('subject', request, body, asked, (using) => candidateSubjects(asked, using), (id) => ({ ...asked, subject: { ...asked.subject, id } }), (id) => ({ type, id }));
    },
  }); // prettier-ignore

  app.post('/access/v1/search/action', {
    schema: { tags: TAG, summary: 'What may be done here?', body: bodies.action, response: { 200: actions, ...errors } },
    onRequest,
    handler: async (request) => {
      const body = request.body as z.infer<typeof bodies.action>;
      const asked = question(request, { ...body, action: { name: NOBODY } });
      const names = (using: Searching): string[] =>
        using
          .rules()
          .vocabulary.actions.filter((a) => a.resourceTypes.some((t) => t.object === body.resource.type))
          .map((a) => a.name)
          .sort(inOrder);
      return found('action', request, body, asked, (using) => Promise.resolve(names(using)), (one) => ({ ...asked, action: { ...asked.action, name: one } }), (one) => ({ name: one }));
    },
  }); // prettier-ignore

  function question(request: FastifyRequest, body: object): Question {
    return toQuestion(body, askingOf(request, service));
  }

  /** A page of what is allowed, on record before it is answered. */
  async function found<T>(
    search: 'resource' | 'subject' | 'action',
    request: FastifyRequest,
    body: { readonly page?: z.infer<typeof page>; readonly context?: z.infer<typeof context> | undefined },
    asked: Question,
    candidates: (using: Searching) => Promise<readonly string[]>,
    ask: (id: string) => Question,
    shape: (id: string) => T,
  ): Promise<{ page: { next_token: string }; results: T[] }> {
    const { page: turn, context: { token: _t, proof: _p, ...said } = {}, ...rest } = body;
    const query = { search, caller: callerId(callerOf(request)), ...rest, said };
    const after = pages.begin(turn, query);
    return service.inForce.using(async (deciding) => {
      const asker = await askerOf(asked, deciding);
      const all = await Deadline.of(service.deadlineMs * LOOKING, (deadline) => deadline.hold(candidates(deciding)));
      const ids = all.filter((id) => after === undefined || inOrder(id, after) > 0);
      const allowed = await firstAllowed(ids, pages.limit(turn), ask, deciding);
      await recordSearch(search, askedFor(rest), asker, allowed.results.length, deciding);
      return { page: pages.next(allowed.after, query), results: allowed.results.map(shape) };
    });
  }
}
