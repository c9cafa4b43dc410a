/** `/v1/approvals` and below: people read what waits for their approval, and end what they approved. */
import { z } from 'zod';
import { isTaskUser } from '../../govern/approvals/answerable-steps.js';
import { isSameRef } from '../../model/ids.js';
import { formatCallerId } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import type { TaskKey } from '../../store/approvals.js';
import type { StoredTask } from '../../store/stored-task.js';
import { approvalListFormat, approvalListQuery, approvalParams, shownApprovalFormat } from '../approval-json.js';
import { authenticate } from '../edge/authentication.js';
import { CallPlaces } from '../edge/call-places.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { requireParty, requireUser } from '../edge/request-party.js';
import { userReference } from '../grant-parties.js';
import { PageTokens } from '../page-token.js';
import { TaskReader, type SeenTask } from '../task-reader.js';
import type { TypedApp } from '../typed-app.js';
import { readVisiblePage, type PageSource } from '../visible-page.js';

export const NO_APPROVAL = createProblem('not_found', 'There is no such approval.');
const NOT_TO_END = createProblem(
  'forbidden',
  'You may not end this: the user it is for may, who approved it, and an admin.',
);
const ENDED = createProblem('conflict', 'It has ended already.');
/** Pages that are looked through at one time; one caller alone has half of them. */
const MAX_APPROVAL_LISTINGS = 4;

/** The tasks that one page looks at: the length of pages, and their number, tell nothing of other people's up to these. */
const PAGE_BOUNDS = { roundSize: 100, rounds: 10 };

export function approvalRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, [], { users: true });
  const pageTokens = new PageTokens(service.secret);
  const listings = new CallPlaces(MAX_APPROVAL_LISTINGS, service.deadlineMs);
  const tasks = new TaskReader(service);

  app.get('/v1/approvals', {
    schema: {
      tags: ['approvals'],
      summary:
        'What waits for your answer, and what is asked for you; or what has become of it. A page is short and leads on only beyond 1,000 tasks of others',
      querystring: approvalListQuery,
      response: { 200: approvalListFormat, ...inputErrors },
    },
    onRequest,
    handler: async (request) => {
      const { user } = requireUser(request);
      const person = userReference(service, user);
      const { state, limit, page_token: token } = request.query;
      const query = { list: 'approvals', caller: user, state };
      const text = pageTokens.decode({ token }, query, 'page_token');
      const now = service.now();
      return listings.run(
        request,
        async () => {
          const source: PageSource<StoredTask, SeenTask> = {
            list: (key, size) =>
              service.approvals.list(person, [state], { after: parseTaskKey(key), limit: size, now }),
            see: (stored) => tasks.selectVisible(stored, person),
            keyOf: (task) => `${task.asked} ${task.id}`,
          };
          const bounds = { ...PAGE_BOUNDS, limit, roundsWithinMs: service.deadlineMs / 2 };
          const { found, next } = await readVisiblePage(source, text, bounds);
          return { page: pageTokens.encode(next, query), results: found.map((seen) => tasks.toJson(seen, now)) };
        },
        { rests: true },
      );
    },
  });

  app.get('/v1/approvals/:id', {
    schema: {
      tags: ['approvals'],
      summary: 'One task: to the user it is asked for, and to who may answer it or has',
      params: approvalParams,
      response: { 200: shownApprovalFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const person = userReference(service, requireUser(request).user);
      const seen = await tasks.find(request.params.id, person);
      return seen === undefined ? reply.code(404).send(NO_APPROVAL) : reply.send(tasks.toJson(seen, service.now()));
    },
  });

  app.delete('/v1/approvals/:id', {
    schema: {
      tags: ['approvals'],
      summary: 'End an approval, or what still waits for one: by the user it is for, who approved it, or an admin',
      params: approvalParams,
      response: { 204: z.undefined(), ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest: authenticate(app, service, ['admin'], { users: true }),
    handler: async (request, reply) => {
      const caller = requireParty(request);
      const task = await service.approvals.find(request.params.id);
      if (task === undefined) return reply.code(404).send(NO_APPROVAL);
      if (caller.kind === 'user') {
        const person = userReference(service, caller.user);
        const mayEnd = isTaskUser(task, person) || task.answers.some(({ by }) => isSameRef(by, person));
        if (!mayEnd) {
          const [seen] = await tasks.selectVisible([task], person);
          return seen === undefined ? reply.code(404).send(NO_APPROVAL) : reply.code(403).send(NOT_TO_END);
        }
      }
      const now = service.now();
      const by = formatCallerId(caller);
      const ended =
        (await service.approvals.end(task.id, 'revoked', by, now)) ??
        (await service.approvals.end(task.id, 'cancelled', by, now));
      if (ended === undefined) return reply.code(409).send(ENDED);
      await service.elevations.settleOrLeave(ended.id);
      return reply.code(204).send();
    },
  });
}

function parseTaskKey(key: string | undefined): TaskKey | undefined {
  const [asked, id] = key?.split(' ') ?? [];
  return asked === undefined || id === undefined ? undefined : { asked, id };
}
