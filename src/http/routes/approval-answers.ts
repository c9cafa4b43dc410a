/** `/v1/approvals/{id}/decision`: people say yes or no to what is asked of them. */
import { findOutdated, type OutdatedTask } from '../../govern/approvals/current-rules.js';
import { approveSteps, isUserStep, readTaskState, type ApprovalTerms } from '../../govern/approvals/task-progress.js';
import type { AuthorizationDetail } from '../../model/acting.js';
import { checkRequestedDetails } from '../../govern/requested-details.js';
import type { Rules } from '../../policy/load.js';
import { formatCanonicalJson } from '../../runtime/canonical-json.js';
import { detailsCover } from '../../tokens/detail-narrowing.js';
import { BadRequest } from '../../model/faults.js';
import type { TaskState } from '../../model/approvals.js';
import { isSameRef, type EntityRef } from '../../model/ids.js';
import type { Service } from '../../service/service.js';
import type { StoredAnswer, StoredTask, TaskAnswer } from '../../store/stored-task.js';
import {
  approvalDecisionBody,
  approvalParams,
  shownApprovalFormat,
  type ApprovalDecisionBody,
} from '../approval-json.js';
import { askApproverGraph } from '../approver-graph.js';
import { authenticate } from '../edge/authentication.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { hasSignedInLately, sendSignInNeeded } from '../edge/recent-sign-in.js';
import { requireUser } from '../edge/request-party.js';
import { userReference } from '../grant-parties.js';
import { TaskReader, type SeenTask } from '../task-reader.js';
import type { TypedApp } from '../typed-app.js';
import { NO_APPROVAL } from './approvals.js';

const NOT_ALLOWED = createProblem('forbidden', 'You may not answer this: another person has to.');
/** The outcomes of tasks, as those are told who could have answered. */
const OUTCOMES: Readonly<Record<TaskState, ReturnType<typeof createProblem>>> = {
  pending: createProblem('conflict', 'It waits for no answer of yours any more: another person has given it.'),
  approved: createProblem('conflict', 'It has been approved already.'),
  denied: createProblem('conflict', 'It has been denied already.'),
  cancelled: createProblem('conflict', 'It has been cancelled.'),
  revoked: createProblem('conflict', 'It was approved, and that has been ended.'),
  expired: createProblem('conflict', 'It was not answered in time.'),
};
const ANSWERED_OTHERWISE = createProblem(
  'answered_otherwise',
  'You have given another answer to this, which stands. An approval can be ended (DELETE).',
);
/** The states in which an answer that was given stands. */
const STANDING_STATES: readonly TaskState[] = ['pending', 'approved', 'denied'];
const OUTDATED: Readonly<Record<OutdatedTask, ReturnType<typeof createProblem>>> = {
  rules_changed: createProblem('conflict', 'The rules have changed since this was asked: it has to be asked again.'),
  condition_lost: createProblem('conflict', 'The user may not ask for this right any more.'),
};

export function approvalAnswerRoutes(app: TypedApp, service: Service): void {
  const tasks = new TaskReader(service);

  app.post('/v1/approvals/:id/decision', {
    schema: {
      tags: ['approvals'],
      summary:
        'Approve every step that you may answer, or deny the whole. Approving needs a sign-in of the last five minutes',
      params: approvalParams,
      body: approvalDecisionBody,
      response: { 200: shownApprovalFormat, ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest: authenticate(app, service, [], { users: true }),
    handler: async (request, reply) => {
      const caller = requireUser(request);
      const { body } = request;
      const by = userReference(service, caller.user);
      // Who answers another step at the same moment changes the task first: then this answer is made to what it is by then. Each
      // of the others has answered a step more, so there are no more tries than steps.
      for (let known = -1; ;) {
        const isFirst = known < 0;
        const seen = await tasks.find(request.params.id, by);
        if (seen === undefined) {
          const state = await tasks.findMissed(request.params.id, by);
          if (state === undefined && isFirst) return reply.code(404).send(NO_APPROVAL);
          return reply.code(409).send(OUTCOMES[state ?? 'pending']);
        }
        const { task, answerable } = seen;
        const now = service.now();
        const hasNothingOpen = answerable.length === 0;
        if (hasNothingOpen && isRepeated(task, body, by, service.config.approvals))
          return reply.send(tasks.toJson(seen, now));
        const state = readTaskState(task, now);
        if (hasNothingOpen && STANDING_STATES.includes(state) && hasAnswered(task, by))
          return reply.code(409).send(ANSWERED_OTHERWISE);
        if (state !== 'pending' || task.answers.length <= known) return reply.code(409).send(OUTCOMES[state]);
        if (hasNothingOpen) return isFirst ? reply.code(403).send(NOT_ALLOWED) : reply.code(409).send(OUTCOMES[state]);
        if (body.decision === 'approve' && !hasSignedInLately(caller, now)) return sendSignInNeeded(reply);
        const outdated =
          body.decision === 'approve'
            ? await askApproverGraph(service, service.deadlineMs, (deps, deadline) =>
                deadline.race(findOutdated(task, deps)),
              )
            : undefined;
        if (outdated !== undefined) return reply.code(409).send(OUTDATED[outdated]);
        const answered = await service.approvals.answer(
          task,
          readAnswer(seen, body, { by, at: now, terms: service.config.approvals, rules: service.activePolicies.rules }),
          now,
        );
        known = task.answers.length;
        if (answered === undefined) continue;
        if (answered.state === 'approved') await service.elevations.settleOrLeave(answered.id);
        return reply.send(tasks.toJson({ task: answered, answerable: [] }, now));
      }
    },
  });
}

/** @throws BadRequest where the end is none that the approval can have */
function readAnswer(
  { task, answerable }: SeenTask,
  { decision, scope, until, note, details }: ApprovalDecisionBody,
  {
    by,
    at,
    terms,
    rules,
  }: { readonly by: EntityRef; readonly at: Date; readonly terms: ApprovalTerms; readonly rules: Rules },
): TaskAnswer {
  const { answers } = task;
  if (decision === 'deny') {
    const denied = { by, at: at.toISOString(), ...(note === undefined ? {} : { note }) };
    return { answers, state: 'denied', scope: task.scope, denied };
  }
  if (scope === 'until' && answerable.some((step) => isUserStep(task, step)))
    throw new BadRequest('must be "once": your own yes is to this one question, and you are asked each time', 'scope');
  if (details !== undefined) requireNarrowerClass(task, details, rules);
  if (scope === 'once' && task.details !== undefined)
    throw new BadRequest('must be "until": it is for a class of questions, and not for one', 'scope');
  const end = findAskedEnd(task, { scope, until });
  if (scope === 'until' && end === undefined) throw new BadRequest('is required: the request names none', 'until');
  const ends = end === undefined ? undefined : new Date(end);
  if (ends !== undefined && ends <= at) throw new BadRequest('must lie in the future', 'until');
  return approveSteps(task, answerable, { by, at, scope, until: ends, note, details }, terms);
}

/** @throws BadRequest where the details are wider than what is asked for, or none were */
function requireNarrowerClass(
  { details: asked }: StoredTask,
  details: readonly AuthorizationDetail[],
  rules: Rules,
): void {
  if (asked === undefined)
    throw new BadRequest('is for requests of a class of questions: this is one question', 'details');
  checkRequestedDetails(details, rules, 'details');
  if (!detailsCover(asked, details))
    throw new BadRequest(
      'must each be covered by a detail that is asked for, as far as others have agreed to it',
      'details',
    );
}

/** The end that a yes asks for: its own, or else the request's. */
function findAskedEnd(
  { requested_until: requested }: StoredTask,
  { scope, until }: Pick<ApprovalDecisionBody, 'scope' | 'until'>,
): string | undefined {
  return scope === 'until' ? (until ?? requested) : undefined;
}

/** Whether the person has said the same before, so that an answer whose reply was lost can be made again. */
function isRepeated(task: StoredTask, body: ApprovalDecisionBody, by: EntityRef, terms: ApprovalTerms): boolean {
  const { state, answers, denied } = task;
  if (body.decision === 'deny') return denied !== undefined && isSameRef(denied.by, by) && denied.note === body.note;
  if (state !== 'pending' && state !== 'approved') return false;
  return answers.some((answer) => isSameRef(answer.by, by) && isSameYes(task, answer, body, terms));
}

/** Whether a yes on the terms of the body would have been this answer. */
function isSameYes(
  task: StoredTask,
  answer: StoredAnswer,
  { scope, until, note, details }: ApprovalDecisionBody,
  terms: ApprovalTerms,
): boolean {
  const { step, by } = answer;
  const before = task.answers.slice(0, task.answers.indexOf(answer));
  const available = before.filter((other) => !isSameRef(other.by, by)).at(-1)?.details ?? task.asked_details;
  const end = findAskedEnd(task, { scope, until });
  if (scope === 'until' && end === undefined) return false;
  const given = {
    by,
    at: new Date(answer.at),
    scope,
    until: end === undefined ? undefined : new Date(end),
    note,
    details: details ?? available,
  };
  const yes = approveSteps({ ...task, answers: [] }, [step], given, terms).answers[0];
  if (yes?.scope !== answer.scope || yes.note !== answer.note) return false;
  if (formatCanonicalJson(yes.details ?? null) !== formatCanonicalJson(answer.details ?? null)) return false;
  // How long one use may wait is no part of the answer.
  return yes.scope === 'once' || yes.until === answer.until;
}

/** Whether the person has answered it. */
function hasAnswered({ answers, denied }: StoredTask, person: EntityRef): boolean {
  return [...answers, ...(denied === undefined ? [] : [denied])].some(({ by }) => isSameRef(by, person));
}
