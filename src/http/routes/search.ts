/** `/access/v1/search/{resource,subject,action}`: the AuthZEN search APIs, in pages. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { formatCallerId, type Question } from '../../model/question.js';
import {
  findCandidateAgents,
  findCandidateResources,
  findCandidateSubjects,
  compareByCodePoint,
  CANDIDATE_DEADLINES,
  type SearchDeps,
} from '../../lists/candidates.js';
import { identifyListRequester, PLACEHOLDER_ID, recordSearch } from '../../lists/record.js';
import { findAllowed } from '../../lists/search.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { Deadline } from '../../runtime/deadline.js';
import { BadRequest } from '../../model/faults.js';
import {
  actionFormat,
  contextFormat,
  idFormat,
  nameFormat,
  resourceFormat,
  subjectFormat,
  parseQuestion,
} from '../authzen-request.js';
import { requireCaller, authenticate } from '../edge/authentication.js';
import { nextPageFormat, pageFormat, PageTokens } from '../page-token.js';
import { inputErrors, toBadRequest } from '../edge/errors.js';
import { createRequestContext } from '../request-context.js';

const searchedEntityFormat = z.object({ type: nameFormat, properties: z.record(z.string(), z.unknown()).optional() });
const commonMembers = { context: contextFormat.optional(), page: pageFormat };
const searchBodies = {
  resource: z
    .object({ subject: subjectFormat, action: actionFormat, resource: searchedEntityFormat, ...commonMembers })
    .meta({ id: 'ResourceSearchRequest' }),
  subject: z
    .object({ subject: searchedEntityFormat, action: actionFormat, resource: resourceFormat, ...commonMembers })
    .meta({ id: 'SubjectSearchRequest' }),
  action: z
    .object({ subject: subjectFormat, resource: resourceFormat, ...commonMembers })
    .meta({ id: 'ActionSearchRequest' }),
};
const entityResultsFormat = z
  .object({ page: nextPageFormat, results: z.array(z.object({ type: z.string(), id: z.string() })) })
  .meta({ id: 'EntitySearchResponse' });
const actionResultsFormat = z
  .object({ page: nextPageFormat, results: z.array(z.object({ name: z.string() })) })
  .meta({ id: 'ActionSearchResponse' });

const TAG = ['decisions'];
/** What the record keeps of a search: subject, action and resource, without properties. */
function toRecordedQuestion(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const withoutProperties = (part: unknown): object => {
    const { type, id, name } = part as Record<string, unknown>;
    return { ...(name === undefined ? { type, id } : { name }) };
  };
  return Object.fromEntries(Object.entries(body).map(([part, value]) => [part, withoutProperties(value)]));
}

/** The user that agents are searched for, where no token names one. @throws BadRequest */
function parseBeneficiary(properties: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const value = properties?.['on_behalf_of'];
  if (value === undefined) return undefined;
  const parsed = idFormat.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BadRequest(toBadRequest(parsed.error).message, 'subject.properties.on_behalf_of');
}

export function searchRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['search'], { agents: true });
  const pageTokens = new PageTokens(service.secret);

  app.post('/access/v1/search/resource', {
    schema: { tags: TAG, summary: 'On what may this be done?', body: searchBodies.resource, response: { 200: entityResultsFormat, ...inputErrors } },
    onRequest,
    handler: async (request) => {
      const body = request.body;
      const { type, properties } = body.resource;
      const question = parseSearchQuestion(request, { ...body, resource: { type, id: PLACEHOLDER_ID, properties } });
      return searchPage('resource', request, body, question, (deps) => findCandidateResources(question, deps), (id) => ({ ...question, resource: { ...question.resource, id } }), (id) => ({ type, id }));
    },
  }); // prettier-ignore

  app.post('/access/v1/search/subject', {
    schema: { tags: TAG, summary: 'Who may do this?', body: searchBodies.subject, response: { 200: entityResultsFormat, ...inputErrors } },
    onRequest,
    handler: async (request) => {
      const body = request.body;
      const { type, properties } = body.subject;
      const question = parseSearchQuestion(request, { ...body, subject: { type, id: PLACEHOLDER_ID, properties } });
      const { userObject, agentObject } = service.activePolicies.rules.vocabulary;
      const user = type === agentObject && question.token === undefined ? parseBeneficiary(properties) : undefined;
      if (user !== undefined && userObject !== undefined) {
        const userQuestion = { ...question, subject: { type: userObject, id: user, properties: {} } };
        return searchPage('subject', request, body, userQuestion, (deps) => findCandidateAgents(userQuestion.subject, userQuestion, deps), (agent) => ({ ...userQuestion, assertedAgent: agent }), (id) => ({ type, id }));
      }
      return searchPage('subject', request, body, question, (deps) => findCandidateSubjects(question, deps), (id) => ({ ...question, subject: { ...question.subject, id } }), (id) => ({ type, id }));
    },
  }); // prettier-ignore

  app.post('/access/v1/search/action', {
    schema: { tags: TAG, summary: 'What may be done here?', body: searchBodies.action, response: { 200: actionResultsFormat, ...inputErrors } },
    onRequest,
    handler: async (request) => {
      const body = request.body;
      const question = parseSearchQuestion(request, { ...body, action: { name: PLACEHOLDER_ID } });
      const names = (deps: SearchDeps): string[] =>
        deps
          .rules()
          .vocabulary.actions.filter((a) => a.resourceTypes.some((t) => t.object === body.resource.type))
          .map((a) => a.name)
          .sort(compareByCodePoint);
      return searchPage('action', request, body, question, (deps) => Promise.resolve(names(deps)), (name) => ({ ...question, action: { ...question.action, name } }), (name) => ({ name }));
    },
  }); // prettier-ignore

  function parseSearchQuestion(request: FastifyRequest, body: object): Question {
    return parseQuestion(body, createRequestContext(request, service));
  }

  /** Finds a page of permitted results and records the search before it is answered. */
  async function searchPage<T>(
    search: 'resource' | 'subject' | 'action',
    request: FastifyRequest,
    body: { readonly page?: z.infer<typeof pageFormat>; readonly context?: z.infer<typeof contextFormat> | undefined },
    question: Question,
    candidates: (deps: SearchDeps) => Promise<readonly string[]>,
    toCandidateQuestion: (id: string) => Question,
    toResult: (id: string) => T,
  ): Promise<{ page: { next_token: string }; results: T[] }> {
    const { page: requestedPage, context: { token: _t, proof: _p, ...clientContext } = {}, ...rest } = body;
    const query = { search, caller: formatCallerId(requireCaller(request)), ...rest, said: clientContext };
    const after = pageTokens.decode(requestedPage, query);
    return service.activePolicies.withSnapshot(async (deps) => {
      const asker = await identifyListRequester(question, deps);
      const candidateIds = await Deadline.run(service.deadlineMs * CANDIDATE_DEADLINES, (deadline) =>
        deadline.race(candidates(deps)),
      );
      const ids = candidateIds.filter((id) => after === undefined || compareByCodePoint(id, after) > 0);
      const allowed = await findAllowed(ids, pageTokens.limit(requestedPage), toCandidateQuestion, deps);
      await recordSearch(search, toRecordedQuestion(rest), asker, allowed.results.length, deps);
      return { page: pageTokens.encode(allowed.after, query), results: allowed.results.map(toResult) };
    });
  }
}
