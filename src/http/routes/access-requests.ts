/** `/access/v1/requests` and below: callers that were denied ask for people's approval (AuthZEN's access request profile). */
import { z } from 'zod';
import { formatCallerId } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import { accessRequestBody, cancelBody, taskAnswerFormat, toTaskStatus } from '../access-request-json.js';
import { AccessRequestProblem, accessRequestProblemFormat } from '../edge/access-request-problem.js';
import { authenticate, type AuthenticationHooks } from '../edge/authentication.js';
import { createProblem, inputErrors } from '../edge/errors.js';
import { requireCaller } from '../edge/request-party.js';
import { readIdempotencyKey } from '../idempotency-key.js';
import { openAccessRequest } from '../open-request.js';
import { checkCallback } from '../requested-questions.js';
import { requireRequestedTasks, toRequestAnswer } from '../requested-tasks.js';
import type { TypedApp } from '../typed-app.js';

const taskParams = z.object({ id: z.string().max(64) });
const taskErrors = {
  ...inputErrors,
  400: accessRequestProblemFormat,
  404: accessRequestProblemFormat,
  409: accessRequestProblemFormat,
  410: accessRequestProblemFormat,
};

export function accessRequestRoutes(app: TypedApp, service: Service): void {
  // Callers that were denied: clients, and agents that asked for themselves.
  const onRequest = authenticate(app, service, ['evaluate'], { agents: true });
  addSubmission(app, service, onRequest);
  addTaskStatus(app, service, onRequest);
  addCancellation(app, service, onRequest);
}

function addSubmission(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.post('/access/v1/requests', {
    schema: {
      tags: ['approvals'],
      summary: 'Request access that was denied and that approvals would give; equal open requests are one task',
      body: accessRequestBody,
      response: { 201: taskAnswerFormat, 202: taskAnswerFormat, ...taskErrors },
    },
    onRequest,
    config: { repeatable: true },
    handler: async (request, reply) => {
      const caller = requireCaller(request);
      checkCallback(request.body, caller);
      const requested = await openAccessRequest(service, caller, request.body, readIdempotencyKey(request)?.text);
      if (requested === 'too_many')
        return reply
          .code(429)
          .send(createProblem('too_many', 'Too many requests of this agent wait for this user’s approvers already.'));
      const answer = await toRequestAnswer(requested, service, app.getBaseUrl());
      return reply
        .code(answer.task.status === 'pending' ? 202 : 201)
        .header('location', answer.task.status_endpoint)
        .send(answer);
    },
  });
}

function addTaskStatus(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.get('/access/v1/requests/:id', {
    schema: {
      tags: ['approvals'],
      summary: 'The task of an access request, to the caller that made it; once it is approved, with the approval',
      params: taskParams,
      response: { 200: taskAnswerFormat, ...taskErrors },
    },
    onRequest,
    handler: async (request) => {
      const requested = await requireRequestedTasks(service, requireCaller(request), request.params.id);
      return toRequestAnswer(requested, service, app.getBaseUrl());
    },
  });
}

function addCancellation(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.post('/access/v1/requests/:id/cancel', {
    schema: {
      tags: ['approvals'],
      summary: 'Cancel a task that waits; of several questions those that wait',
      params: taskParams,
      body: cancelBody,
      response: { 200: taskAnswerFormat, ...taskErrors },
    },
    onRequest,
    handler: async (request) => {
      const caller = requireCaller(request);
      const requested = await requireRequestedTasks(service, caller, request.params.id);
      const now = service.now();
      const tasks = 'task' in requested ? [requested.task] : requested.tasks;
      const waiting = tasks.filter((task) => toTaskStatus(task, now) === 'pending');
      const ended = await Promise.all(
        waiting.map(({ id }) => service.approvals.end(id, 'cancelled', formatCallerId(caller), now)),
      );
      if (ended.every((task) => task === undefined)) {
        const isExpired = tasks.every((task) => toTaskStatus(task, service.now()) === 'expired');
        throw isExpired
          ? new AccessRequestProblem('task_expired', 'Nobody has answered in time.')
          : new AccessRequestProblem('invalid_task_state', 'The task waits for nothing any more.');
      }
      const changed = await requireRequestedTasks(service, caller, request.params.id);
      return toRequestAnswer(changed, service, app.getBaseUrl());
    },
  });
}
