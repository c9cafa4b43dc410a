/** `/v1/approvals` and below: people read what waits for their approval, answer it, and end what they approved. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { findOutdated, type OutdatedTask } from '../../govern/approvals/current-rules.js';
import { findAnswerableSteps, isTaskUser } from '../../govern/approvals/answerable-steps.js';
import { approveSteps, isUserStep, readTaskState } from '../../govern/approvals/task-progress.js';
import { BadRequest } from '../../model/faults.js';
import { isSameRef, type EntityRef } from '../../model/ids.js';
import type { Deadline } from '../../runtime/deadline.js';
import type { Service } from '../../service/service.js';
import type { StoredTask, TaskAnswer, TaskKey } from '../../store/approvals.js';
import {
  approvalDecisionBody,
  shownApprovalFormat,
  approvalListFormat,
  approvalListQuery,
  toApprovalJson,
  type ApprovalDecisionBody,
  type ApprovalJson,
} from '../approval-json.js';
import { askApproverGraph, type ApproverGraph } from '../approver-graph.js';
import { authenticate } from '../edge/authentication.js';
import { CallPlaces } from '../edge/call-places.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { hasSignedInLately, sendSignInNeeded } from '../edge/recent-sign-in.js';
import { requireParty, requireUser } from '../edge/request-party.js';
import { userReference } from '../grant-parties.js';
import { PageTokens } from '../page-token.js';
import type { TypedApp } from '../typed-app.js';
import { readVisiblePage, type PageSource } from '../visible-page.js';

const approvalParams = z.object({ id: z.string().max(64) });
const NO_APPROVAL = createProblem('not_found', 'There is no such approval.');
const NOT_ALLOWED = createProblem('forbidden', 'You may not answer this: another person has to.');
const NOT_TO_END = createProblem(
  'forbidden',
  'You may not end this: the user it is for may, who approved it, and an admin.',
);
const ANSWERED = createProblem('conflict', 'It waits for no answer of yours any more.');
const ENDED = createProblem('conflict', 'It has ended already.');
/** Pages that are looked through at one time; one caller alone has half of them. */
const MAX_APPROVAL_LISTINGS = 4;

/** The tasks that one page looks at: the length of pages, and their number, tell nothing of other people's up to these. */
const PAGE_BOUNDS = { roundSize: 100, rounds: 10 };

/** A task that its reader may see. */
interface SeenTask {
  readonly task: StoredTask;
  /** The open steps that the reader may answer. */
  readonly answerable: readonly number[];
}

const OUTDATED: Readonly<Record<OutdatedTask, ReturnType<typeof createProblem>>> = {
  rules_changed: createProblem('conflict', 'The rules have changed since this was asked: it has to be asked again.'),
  condition_lost: createProblem('conflict', 'The user may not ask for this right any more.'),
};

export function approvalRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, [], { users: true });
  const pageTokens = new PageTokens(service.secret);
  const listings = new CallPlaces(MAX_APPROVAL_LISTINGS, service.deadlineMs);
  const terms = service.config.approvals;

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
            see: (tasks) => seeTasks(tasks, person),
            keyOf: (task) => `${task.asked} ${task.id}`,
          };
          const bounds = { ...PAGE_BOUNDS, limit, roundsWithinMs: service.deadlineMs / 2 };
          const { found, next } = await readVisiblePage(source, text, bounds);
          return { page: pageTokens.encode(next, query), results: found.map((one) => toJson(one, now)) };
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
      const seen = await findSeen(request, request.params.id);
      return seen === undefined ? reply.code(404).send(NO_APPROVAL) : reply.send(toJson(seen, service.now()));
    },
  });

  app.post('/v1/approvals/:id/decision', {
    schema: {
      tags: ['approvals'],
      summary:
        'Approve every step that you may answer, or deny the whole. Approving needs a sign-in of the last five minutes',
      params: approvalParams,
      body: approvalDecisionBody,
      response: { 200: shownApprovalFormat, ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const caller = requireUser(request);
      const { body } = request;
      const by = userReference(service, caller.user);
      // Who answers another step at the same moment changes the task first: then this answer is made to what it is by then. Each
      // of the others has answered a step more, so there are no more tries than steps.
      for (let known = -1; ;) {
        const isFirst = known < 0;
        const seen = await findSeen(request, request.params.id);
        if (seen === undefined) return isFirst ? reply.code(404).send(NO_APPROVAL) : reply.code(409).send(ANSWERED);
        const { task, answerable } = seen;
        const now = service.now();
        if (isRepeated(task, body, by, answerable)) return reply.send(toJson(seen, now));
        if (readTaskState(task, now) !== 'pending' || task.answers.length <= known)
          return reply.code(409).send(ANSWERED);
        if (answerable.length === 0)
          return isFirst ? reply.code(403).send(NOT_ALLOWED) : reply.code(409).send(ANSWERED);
        if (body.decision === 'approve' && !hasSignedInLately(caller, now)) return sendSignInNeeded(reply);
        const outdated =
          body.decision === 'approve'
            ? await askGraph((deps, deadline) => deadline.race(findOutdated(task, deps)))
            : undefined;
        if (outdated !== undefined) return reply.code(409).send(OUTDATED[outdated]);
        const answered = await service.approvals.answer(task, toAnswer(task, answerable, body, by, now), now);
        known = task.answers.length;
        if (answered === undefined) continue;
        if (answered.state === 'approved') await service.elevations.settleOrLeave(answered.id);
        return reply.send(toJson({ task: answered, answerable: [] }, now));
      }
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
          const [seen] = await seeTasks([task], person);
          return seen === undefined ? reply.code(404).send(NO_APPROVAL) : reply.code(403).send(NOT_TO_END);
        }
      }
      const now = service.now();
      const ended =
        (await service.approvals.end(task.id, 'revoked', now)) ??
        (await service.approvals.end(task.id, 'cancelled', now));
      if (ended === undefined) return reply.code(409).send(ENDED);
      await service.elevations.settleOrLeave(ended.id);
      return reply.code(204).send();
    },
  });

  function toJson({ task, answerable }: SeenTask, now: Date): ApprovalJson {
    return toApprovalJson(task, answerable, { now, rules: service.activePolicies.rules, terms });
  }

  async function findSeen(request: FastifyRequest, id: string): Promise<SeenTask | undefined> {
    const { user } = requireUser(request);
    const task = await service.approvals.find(id);
    if (task === undefined) return undefined;
    const [seen] = await seeTasks([task], userReference(service, user));
    return seen;
  }

  /** Tells which tasks the person may see: their own, those that they answered, and those that they may answer. */
  async function seeTasks(tasks: readonly StoredTask[], person: EntityRef): Promise<(SeenTask | undefined)[]> {
    const now = service.now();
    const waiting = tasks.filter((task) => readTaskState(task, now) === 'pending');
    const steps = waiting.length === 0 ? [] : await findAnswerable(waiting, person);
    const answerable = new Map(waiting.map(({ id }, i) => [id, steps[i] ?? []]));
    return tasks.map((task) => {
      const open = answerable.get(task.id) ?? [];
      const hasAnswered = [...task.answers, ...(task.denied === undefined ? [] : [task.denied])].some(({ by }) =>
        isSameRef(by, person),
      );
      return open.length > 0 || isTaskUser(task, person) || hasAnswered ? { task, answerable: open } : undefined;
    });
  }

  function findAnswerable(tasks: readonly StoredTask[], person: EntityRef): ReturnType<typeof findAnswerableSteps> {
    return askGraph((deps, deadline) => findAnswerableSteps(tasks, person, deps, deadline));
  }

  function askGraph<T>(ask: (graph: ApproverGraph, deadline: Deadline) => Promise<T>): Promise<T> {
    return askApproverGraph(service, service.deadlineMs, ask);
  }

  /** @throws BadRequest where the end is none that the approval can have */
  function toAnswer(
    task: StoredTask,
    answerable: readonly number[],
    { decision, scope, until, note }: ApprovalDecisionBody,
    by: EntityRef,
    at: Date,
  ): TaskAnswer {
    const { answers } = task;
    if (decision === 'deny') {
      const denied = { by, at: at.toISOString(), ...(note === undefined ? {} : { note }) };
      return { answers, state: 'denied', scope: task.scope, denied };
    }
    if (scope === 'until' && answerable.some((step) => isUserStep(task, step)))
      throw new BadRequest(
        'must be "once": your own yes is to this one question, and you are asked each time',
        'scope',
      );
    const end = scope === 'until' ? (until ?? task.requested_until) : undefined;
    if (scope === 'until' && end === undefined) throw new BadRequest('is required: the request names none', 'until');
    const ends = end === undefined ? undefined : new Date(end);
    if (ends !== undefined && ends <= at) throw new BadRequest('must lie in the future', 'until');
    return approveSteps(task, answerable, { by, at, scope, until: ends, note }, terms);
  }
}

/** Whether the person has said the same before, so that an answer whose reply was lost can be made again. */
function isRepeated(
  { state, answers, denied, scope }: StoredTask,
  body: ApprovalDecisionBody,
  by: EntityRef,
  answerable: readonly number[],
): boolean {
  if (body.decision === 'deny') return denied !== undefined && isSameRef(denied.by, by) && denied.note === body.note;
  const hasApproved = answers.some((answer) => isSameRef(answer.by, by) && answer.note === body.note);
  return (
    hasApproved && answerable.length === 0 && scope === body.scope && (state === 'pending' || state === 'approved')
  );
}

function parseTaskKey(key: string | undefined): TaskKey | undefined {
  const [asked, id] = key?.split(' ') ?? [];
  return asked === undefined || id === undefined ? undefined : { asked, id };
}
