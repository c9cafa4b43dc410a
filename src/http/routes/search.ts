/** `/access/v1/search/{resource,subject,action}`: the AuthZEN search APIs, in pages. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ListedItem } from '../../model/decision.js';
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
import { GraphSnapshot } from '../../graph/snapshot.js';
import { findListRefusal } from '../../lists/refusal.js';
import { findAllowed } from '../../lists/search.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { Deadline } from '../../runtime/deadline.js';
import { BadRequest } from '../../model/faults.js';
import {
  actionFormat,
  contextFormat,
  EXAMPLE_QUESTION,
  idFormat,
  nameFormat,
  resourceFormat,
  subjectFormat,
} from '../authzen-formats.js';
import { parseQuestion } from '../authzen-request.js';
import { describeRefusal, listContextFormat } from '../list-refusal.js';
import { authenticate } from '../edge/authentication.js';
import { nameDecision } from '../edge/observability.js';
import { requireCaller } from '../edge/request-party.js';
import { LIST_TURNS } from '../edge/decision-turns.js';
import { nextPageFormat, pageFormat, PageTokens } from '../page-token.js';
import { inputErrors, toBadRequest } from '../edge/errors.js';
import { createRequestContext } from '../request-context.js';

const searchedEntityFormat = z.object({ type: nameFormat, properties: z.record(z.string(), z.unknown()).nullish() });
const commonMembers = { context: contextFormat.nullish(), page: pageFormat };
const searchBodies = {
  resource: z
    .object({ subject: subjectFormat, action: actionFormat, resource: searchedEntityFormat, ...commonMembers })
    .meta({
      id: 'ResourceSearchRequest',
      example: { ...EXAMPLE_QUESTION, resource: { type: 'document' }, page: { limit: 10 } },
    }),
  subject: z
    .object({ subject: searchedEntityFormat, action: actionFormat, resource: resourceFormat, ...commonMembers })
    .meta({
      id: 'SubjectSearchRequest',
      example: {
        subject: { type: 'agent', properties: { on_behalf_of: 'ann' } },
        action: EXAMPLE_QUESTION.action,
        resource: { type: 'document', id: 'plan' },
      },
    }),
  action: z.object({ subject: subjectFormat, resource: resourceFormat, ...commonMembers }).meta({
    id: 'ActionSearchRequest',
    example: {
      subject: EXAMPLE_QUESTION.subject,
      resource: { type: 'document', id: 'plan' },
      context: EXAMPLE_QUESTION.context,
    },
  }),
};
const entityResultsFormat = z
  .object({
    page: nextPageFormat,
    results: z.array(z.object({ type: z.string(), id: z.string() })),
    context: listContextFormat.optional(),
  })
  .meta({ id: 'EntitySearchResponse' });
const actionResultsFormat = z
  .object({
    page: nextPageFormat,
    results: z.array(z.object({ name: z.string() })),
    context: listContextFormat.optional(),
  })
  .meta({ id: 'ActionSearchResponse' });

/** Returns what the record keeps of a search: subject, action and resource, without properties. */
function toRecordedQuestion(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const withoutProperties = (part: unknown): object => {
    const { type, id, name } = part as Record<string, unknown>;
    return { ...(name === undefined ? { type, id } : { name }) };
  };
  return Object.fromEntries(Object.entries(body).map(([part, value]) => [part, withoutProperties(value)]));
}

/** The user that agents are searched for, where no token names one. @throws BadRequest */
function parseBeneficiary(properties: Readonly<Record<string, unknown>> | null | undefined): string | undefined {
  const value = properties?.['on_behalf_of'];
  if (value === undefined || value === null) return undefined;
  const parsed = idFormat.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BadRequest(toBadRequest(parsed.error).message, 'subject.properties.on_behalf_of');
}

export function searchRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['search'], { agents: true });
  const pageTokens = new PageTokens(service.secret);

  app.post('/access/v1/search/resource', {
    schema: {
      tags: ['decisions'],
      summary: 'On what may this be done?',
      body: searchBodies.resource,
      response: { 200: entityResultsFormat, ...inputErrors },
    },
    onRequest,
    config: { turns: LIST_TURNS, passesToken: true, compresses: true, namesDecision: true },
    handler: (request, reply) => {
      const { body } = request;
      const { type, properties } = body.resource;
      const question = parseSearchQuestion(request, { ...body, resource: { type, id: PLACEHOLDER_ID, properties } });
      return searchPage(request, reply, {
        search: 'resource',
        body,
        question,
        findCandidates: (graph, deps) => findCandidateResources(question, graph, deps),
        toCandidateQuestion: (id) => ({ ...question, resource: { ...question.resource, id } }),
        toResult: (id) => ({ type, id }),
      });
    },
  });

  app.post('/access/v1/search/subject', {
    schema: {
      tags: ['decisions'],
      summary: 'Who may do this?',
      body: searchBodies.subject,
      response: { 200: entityResultsFormat, ...inputErrors },
    },
    onRequest,
    config: { turns: LIST_TURNS, passesToken: true, compresses: true, namesDecision: true },
    handler: (request, reply) => {
      const { body } = request;
      const { type, properties } = body.subject;
      const question = parseSearchQuestion(request, { ...body, subject: { type, id: PLACEHOLDER_ID, properties } });
      const { userObject, agentObject } = service.activePolicies.rules.vocabulary;
      const user = type === agentObject && question.token === undefined ? parseBeneficiary(properties) : undefined;
      const toResult = (id: string): SearchedEntity => ({ type, id });
      if (user === undefined || userObject === undefined)
        return searchPage(request, reply, {
          search: 'subject',
          body,
          question,
          findCandidates: (graph, deps) => findCandidateSubjects(question, graph, deps),
          toCandidateQuestion: (id) => ({ ...question, subject: { ...question.subject, id } }),
          toResult,
        });
      const userQuestion = { ...question, subject: { type: userObject, id: user, properties: {} } };
      return searchPage(request, reply, {
        search: 'subject',
        body,
        question: userQuestion,
        findCandidates: (graph, deps) => findCandidateAgents(userQuestion.subject, userQuestion, graph, deps),
        toCandidateQuestion: (agent) => ({ ...userQuestion, assertedAgent: agent }),
        toResult,
      });
    },
  });

  app.post('/access/v1/search/action', {
    schema: {
      tags: ['decisions'],
      summary: 'What may be done here?',
      body: searchBodies.action,
      response: { 200: actionResultsFormat, ...inputErrors },
    },
    onRequest,
    config: { turns: LIST_TURNS, passesToken: true, compresses: true, namesDecision: true },
    handler: (request, reply) => {
      const { body } = request;
      const question = parseSearchQuestion(request, { ...body, action: { name: PLACEHOLDER_ID } });
      return searchPage(request, reply, {
        search: 'action',
        body,
        question,
        findCandidates: (_graph, deps) => Promise.resolve(listActionNames(body.resource.type, deps)),
        toCandidateQuestion: (name) => ({ ...question, action: { ...question.action, name } }),
        toResult: (name) => ({ name }),
      });
    },
  });

  function parseSearchQuestion(request: FastifyRequest, body: object): Question {
    return parseQuestion(body, createRequestContext(request, service));
  }

  /** Finds a page of permitted results and records the search before it is answered. */
  async function searchPage<T extends ListedItem>(
    request: FastifyRequest,
    reply: FastifyReply,
    { search, body, question, findCandidates, toCandidateQuestion, toResult }: Search<T>,
  ): Promise<SearchAnswer<T>> {
    const { page: requestedPage, context, ...rest } = body;
    const { token: _t, proof: _p, ...clientContext } = context ?? {};
    const query = { search, caller: formatCallerId(requireCaller(request)), ...rest, said: clientContext };
    const after = pageTokens.decode(requestedPage, query);
    return service.activePolicies.withSnapshot(async (deps) => {
      const asker = await identifyListRequester(question, deps);
      const graph = new GraphSnapshot(deps.relationships, question.consistency);
      const candidates = await Deadline.run(service.deadlineMs * CANDIDATE_DEADLINES, (deadline) =>
        deadline.race(findCandidates(graph, deps)),
      );
      const remaining = candidates.filter((id) => after === undefined || compareByCodePoint(id, after) > 0);
      const limit = pageTokens.limit(requestedPage);
      const allowed = await findAllowed(remaining, limit, toCandidateQuestion, graph, deps);
      // A token names the subject, and the type of the resource its actions: the first stands for all.
      const template = search === 'resource' ? question : toCandidateQuestion(candidates[0] ?? PLACEHOLDER_ID);
      const listed = search === 'subject' && question.token !== undefined ? 'resource' : search;
      const refusal =
        after === undefined && allowed.results.length === 0
          ? await findListRefusal([template], graph, deps, listed)
          : undefined;
      const contents = { items: allowed.results.map(toResult), left_out: allowed.leftOut };
      const { id } = await recordSearch(search, toRecordedQuestion(rest), asker, contents, graph, deps);
      nameDecision(request, reply, id);
      return {
        page: pageTokens.encode(allowed.after, query),
        results: allowed.results.map(toResult),
        ...describeRefusal(refusal, requireCaller(request), service.config.delegations.delegateUrl),
      };
    });
  }
}

interface SearchAnswer<T> {
  readonly page: { next_token: string };
  readonly results: T[];
  readonly context?: z.infer<typeof listContextFormat>;
}

/** A search of one kind: its candidates, and how each is asked about and answered. */
interface Search<T extends ListedItem> {
  readonly search: 'resource' | 'subject' | 'action';
  readonly body: {
    readonly page?: z.infer<typeof pageFormat>;
    readonly context?: z.infer<typeof contextFormat> | null | undefined;
  };
  /** The question with a placeholder for what is searched for. */
  readonly question: Question;
  readonly findCandidates: (graph: GraphSnapshot, deps: SearchDeps) => Promise<readonly string[]>;
  readonly toCandidateQuestion: (candidate: string) => Question;
  readonly toResult: (candidate: string) => T;
}

interface SearchedEntity {
  readonly type: string;
  readonly id: string;
}

function listActionNames(resourceType: string, deps: SearchDeps): string[] {
  return deps
    .rules()
    .vocabulary.actions.filter((action) => action.resourceTypes.some(({ object }) => object === resourceType))
    .map(({ name }) => name)
    .sort(compareByCodePoint);
}
