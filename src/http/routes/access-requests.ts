/** `/access/v1/requests` and below: callers that were denied ask for people's approval (AuthZEN's access request profile). */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { listBoundNames } from '../../decide/approval-binding.js';
import { describeShownQuestion } from '../../decide/shown-question.js';
import type { SubmittedQuestion } from '../../decide/submitted-question.js';
import { BadRequest } from '../../model/faults.js';
import { formatCallerId, omitNulls, type Caller } from '../../model/question.js';
import type { Rules } from '../../policy/load.js';
import { formatStatedJson } from '../../runtime/canonical-json.js';
import { sha256 } from '../../runtime/sha256.js';
import type { Service } from '../../service/service.js';
import type { AskedTask, StoredTask } from '../../store/stored-task.js';
import type { TaskOpening } from '../../store/asked-questions.js';
import { openTasks, type OpenedTasks } from '../../store/open-tasks.js';
import { findBundle, findEarlierRequest, type RequestRepeat, type StoredBundle } from '../../store/request-bundles.js';
import {
  accessRequestBody,
  cancelBody,
  taskAnswerFormat,
  toBundleAnswer,
  toTaskAnswer,
  toTaskStatus,
  type AccessRequestBody,
  type RequestedAccess,
  type SubmittedItem,
  type SubmittedDenial,
  type TaskAnswerJson,
  type TaskJsonContext,
} from '../access-request-json.js';
import { findDenial, requireProvenActor, requireSameQuestion, type RequestableDenial } from '../denied-question.js';
import { AccessRequestProblem, accessRequestProblemFormat } from '../edge/access-request-problem.js';
import { authenticate } from '../edge/authentication.js';
import { createProblem, inputErrors } from '../edge/errors.js';
import { requireCaller } from '../edge/request-party.js';
import { readIdempotencyKey } from '../idempotency-key.js';
import { findTaskTitle } from '../task-title.js';
import type { TypedApp } from '../typed-app.js';

const taskParams = z.object({ id: z.string().max(64) });
const taskErrors = {
  ...inputErrors,
  400: accessRequestProblemFormat,
  404: accessRequestProblemFormat,
  409: accessRequestProblemFormat,
  410: accessRequestProblemFormat,
};
const DENIED_LATELY =
  'The same was denied by an approver a short while ago. What policies don’t read makes no other question of it.';
const UNKNOWN = 'There is no such task of this caller.';

/** One question of a request, with the denial that it is for. */
interface RequestedItem {
  readonly at: string;
  readonly question: SubmittedQuestion;
  readonly denial: SubmittedDenial | undefined;
  readonly requested: RequestedAccess;
  /** The same as it was submitted. */
  readonly stated: Required<Pick<SubmittedItem, 'resource' | 'action'>>;
}

/** A task, or several that were asked for together. */
type Handle = { readonly task: StoredTask } | { readonly bundle: StoredBundle; readonly tasks: readonly StoredTask[] };

export function accessRequestRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['evaluate'], { agents: true });

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
      const { body } = request;
      checkCallback(body, caller);
      const key = readIdempotencyKey(request);
      const repeat = key === undefined ? undefined : { key: scopeKey(caller, key.text), bodySha256: hashBody(body) };
      const handle = (await findEarlier(caller, repeat)) ?? (await open(caller, body, repeat));
      if (handle === 'too_many')
        return reply
          .code(429)
          .send(createProblem('too_many', 'Too many requests of this agent wait for this user’s approvers already.'));
      const answer = await toAnswer(handle);
      return reply
        .code(answer.task.status === 'pending' ? 202 : 201)
        .header('location', answer.task.status_endpoint)
        .send(answer);
    },
  });

  app.get('/access/v1/requests/:id', {
    schema: {
      tags: ['approvals'],
      summary: 'The task of an access request, to the caller that made it; once it is approved, with the approval',
      params: taskParams,
      response: { 200: taskAnswerFormat, ...taskErrors },
    },
    onRequest,
    handler: async (request) => toAnswer(await requireHandle(request, request.params.id)),
  });

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
      const handle = await requireHandle(request, request.params.id);
      const now = service.now();
      const tasks = 'task' in handle ? [handle.task] : handle.tasks;
      const waiting = tasks.filter((task) => toTaskStatus(task, now) === 'pending');
      const ended = await Promise.all(waiting.map(({ id }) => service.approvals.end(id, 'cancelled', now)));
      if (ended.every((task) => task === undefined)) {
        const isExpired = tasks.every((task) => toTaskStatus(task, service.now()) === 'expired');
        throw isExpired
          ? new AccessRequestProblem('task_expired', 'Nobody has answered in time.')
          : new AccessRequestProblem('invalid_task_state', 'The task waits for nothing any more.');
      }
      return toAnswer(await requireHandle(request, request.params.id));
    },
  });

  /** Opens the tasks of a request, or finds those that are open. */
  async function open(
    caller: Caller,
    body: AccessRequestBody,
    repeat: RequestRepeat | undefined,
  ): Promise<Handle | 'too_many'> {
    const items = listItems(body);
    const openings: TaskOpening[] = [];
    for (const item of items) {
      const denial = await findDenial(service, caller, item.denial, joinPlace(item.at, 'denial'));
      requireSameQuestion(denial, item.question, item.at);
      requireProvenActor(denial, body.client?.actor);
      const { user, agent } = denial;
      openings.push({ user, agent, task: describeTask(denial, item, service.now(), service.activePolicies.rules) });
    }
    const now = service.now();
    const expires = new Date(now.getTime() + service.config.approvals.waitingMs);
    const requester = formatCallerId(caller);
    const bundle =
      body.items === undefined
        ? undefined
        : { user: openings[0]?.user?.id ?? '', items: items.map(({ stated }) => stated) };
    const asked = { requester, openings, expires, repeat, bundle };
    const opened = await openTasks(service.database, asked, service.config.approvals, now);
    switch (opened.kind) {
      case 'opened':
        return toHandle(opened);
      case 'too_many':
        return 'too_many';
      case 'cooling_down':
        throw new AccessRequestProblem('not_requestable', DENIED_LATELY, items[opened.index]?.at);
      case 'other_body':
        throw createDuplicateProblem();
      case 'repeated':
        // Another request with the same key was faster.
        return (await findEarlier(caller, repeat)) ?? 'too_many';
    }
  }

  async function findEarlier(caller: Caller, repeat: RequestRepeat | undefined): Promise<Handle | undefined> {
    if (repeat === undefined) return undefined;
    const earlier = await findEarlierRequest(service.database, { requester: formatCallerId(caller), key: repeat.key });
    if (earlier === undefined) return undefined;
    if (earlier.bodySha256 !== repeat.bodySha256) throw createDuplicateProblem();
    return findHandle(caller, earlier.task ?? earlier.bundle ?? '');
  }

  /** Finds a task or bundle that the caller itself asked for. */
  async function findHandle(caller: Caller, id: string): Promise<Handle | undefined> {
    const task = await service.approvals.find(id);
    if (task !== undefined) return isOwn(caller, task.requester, task.user?.id) ? { task } : undefined;
    const bundle = await findBundle(service.database, id);
    if (bundle === undefined || !isOwn(caller, bundle.requester, bundle.user === '' ? undefined : bundle.user))
      return undefined;
    return { bundle, tasks: await service.approvals.findAll(bundle.items.map((item) => item.task)) };
  }

  async function requireHandle(request: FastifyRequest, id: string): Promise<Handle> {
    const handle = await findHandle(requireCaller(request), id);
    if (handle === undefined) throw new AccessRequestProblem('unknown_task', UNKNOWN);
    return handle;
  }

  function toAnswer(handle: Handle): Promise<TaskAnswerJson> {
    const now = service.now();
    const context: TaskJsonContext = {
      now,
      baseUrl: app.getBaseUrl(),
      sign: (approval) => service.signing.signApprovalState(approval, app.getBaseUrl(), now),
      titleOf: ({ question }) => findTaskTitle(question, service.activePolicies.rules),
    };
    if ('task' in handle) return toTaskAnswer(handle.task, context);
    return toBundleAnswer(handle.bundle, new Map(handle.tasks.map((task) => [task.id, task])), context);
  }
}

function toHandle({ tasks, bundle }: Extract<OpenedTasks, { kind: 'opened' }>): Handle {
  if (bundle !== undefined) return { bundle, tasks };
  const [task] = tasks;
  if (task === undefined) throw new TypeError('a request without a question');
  return { task };
}

/** Whether the caller asked for it: an agent with a token for the same user. */
function isOwn(caller: Caller, requester: string, user: string | undefined): boolean {
  return formatCallerId(caller) === requester && (caller.kind === 'client' || caller.user === user);
}

/** The keys of one agent's requests for several users are apart. */
function scopeKey(caller: Caller, key: string): string {
  return caller.kind === 'agent' ? JSON.stringify([caller.user ?? null, key]) : key;
}

function hashBody(body: AccessRequestBody): string {
  return sha256(formatStatedJson(body));
}

function createDuplicateProblem(): AccessRequestProblem {
  return new AccessRequestProblem(
    'duplicate_request',
    'The Idempotency-Key was used for another request.',
    'Idempotency-Key',
  );
}

/** @throws BadRequest where the request names another URL than its client's configuration */
function checkCallback({ callback }: AccessRequestBody, caller: Caller): void {
  if (callback === undefined) return;
  const allowed = caller.kind === 'client' ? (caller.client.callbacks ?? []) : [];
  if (!allowed.includes(callback.endpoint))
    throw new BadRequest('is none of the "callbacks" that the client’s configuration names', 'callback.endpoint');
}

/** @throws BadRequest where the request is for no question, or in two ways */
function listItems(body: AccessRequestBody): RequestedItem[] {
  const { subject, resource, action, items, context = {}, denial, requested_access: requested = {} } = body;
  const toItem = (
    at: string,
    stated: RequestedItem['stated'],
    own: Pick<RequestedItem, 'denial' | 'requested'>,
  ): RequestedItem => ({
    at,
    stated,
    ...own,
    question: {
      subject: { ...subject, properties: omitNulls(subject.properties ?? {}) },
      action: { name: stated.action.name, properties: omitNulls(stated.action.properties ?? {}) },
      resource: { ...stated.resource, properties: omitNulls(stated.resource.properties ?? {}) },
      context: omitNulls(context),
    },
  });
  if (items === undefined) {
    if (resource === undefined) throw new BadRequest('is required', 'resource');
    if (action === undefined) throw new BadRequest('is required', 'action');
    return [toItem('', { resource, action }, { denial, requested })];
  }
  for (const [name, value] of Object.entries({ resource, action, denial }))
    if (value !== undefined) throw new BadRequest('can not stand beside "items": each item has its own', name);
  return items.map((item, i) =>
    toItem(
      `items[${i}]`,
      { resource: item.resource, action: item.action },
      { denial: item.denial, requested: { ...requested, ...item.requested_access } },
    ),
  );
}

/** @throws BadRequest, AccessRequestProblem */
function describeTask(
  { record, offer, chain }: RequestableDenial,
  item: RequestedItem,
  now: Date,
  { vocabulary }: Pick<Rules, 'vocabulary'>,
): AskedTask {
  const { question, requested, at } = item;
  const { requested_until: until, emergency = false, details } = requested;
  if (details !== undefined)
    throw new BadRequest(
      'is not supported: an approval is for one question',
      joinPlace(at, 'requested_access.details'),
    );
  if (until !== undefined && Date.parse(until) <= now.getTime())
    throw new BadRequest('must lie in the future', joinPlace(at, 'requested_access.requested_until'));
  if (emergency && offer.emergency === undefined) {
    const names = vocabulary.find(question.action.name, question.resource.type)?.action.emergency !== undefined;
    throw new BadRequest(
      names
        ? 'would not lift this deny: the policies that deny it take no approval in an emergency'
        : 'is for actions that name who may answer in an emergency (@emergency)',
      joinPlace(at, 'requested_access.emergency'),
    );
  }
  const shown = describeShownQuestion(question, listBoundNames(offer.binding));
  // A denial of before can offer what is no longer asked.
  if (shown === undefined)
    throw new AccessRequestProblem('not_requestable', 'The question is too long for people to read.', at);
  return {
    binding: offer.binding,
    steps: offer.steps,
    ...(emergency ? { emergency: offer.emergency } : {}),
    question: shown,
    chain,
    denial: record.id,
    ...(offer.question_sha256 === undefined ? {} : { question_sha256: offer.question_sha256 }),
    ...(until === undefined ? {} : { requested_until: new Date(until).toISOString() }),
  };
}

function joinPlace(at: string, member: string): string {
  return at === '' ? member : `${at}.${member}`;
}
