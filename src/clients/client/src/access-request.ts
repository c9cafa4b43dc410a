/** Requests for access that was denied: the task that people answer, and the question to ask again once they have. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { requireSameOrigin } from './address.js';
import type { Call, Caller } from './caller.js';
import type { CallOptions } from './deadline.js';
import { RemitDenied, RemitSetupError, RemitUnavailable } from './errors.js';
import type { Evaluation } from './evaluation.js';
import type { WireQuestion } from './question.js';
import { isRecord } from './strict-json.js';
import type { OutgoingRequest } from './transport.js';

/** Questions that an approval is asked for at once, by the members of `authorization_details`. */
export interface RequestedDetail {
  readonly type: string;
  readonly actions?: readonly string[];
  /** The resources that it is about, each as `type:id`. */
  readonly resources: readonly string[];
  readonly constraints?: Readonly<Record<string, unknown>>;
  readonly [member: string]: unknown;
}
export interface AccessRequestOptions extends CallOptions {
  /** The reason for the access, which those who answer read. */
  readonly justification?: string;
  readonly requestedUntil?: string;
  readonly emergency?: boolean;
  /** The class of questions that it is for, in the place of the one that was denied, which one of them must cover. Remit has this. */
  readonly details?: readonly RequestedDetail[];
  /** The same key asks for the same task; a new one by default. */
  readonly idempotencyKey?: string;
}
export type TaskStatus = 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'failed';
export interface TaskState {
  readonly id: string;
  /** A status that isn't known counts as `failed`. */
  readonly status: TaskStatus;
  readonly expiresAt: string | undefined;
  /** Once it is approved: what the question is asked again with. */
  readonly approval: Readonly<Record<string, unknown>> | undefined;
}
export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** The longest wait; until it is answered or the signal ends it by default. */
  readonly timeoutMs?: number;
  readonly pollMs?: number;
}

const STATUSES: readonly string[] = ['pending', 'approved', 'denied', 'expired', 'cancelled', 'failed'];
const POLL_MS = 2_000;
/** A task that is made anew, one that waits for people, and one that there is. */
const TASK_STATUSES: readonly number[] = [200, 201, 202];
const NOT_REQUESTABLE = 'and no approval for it can be asked for';
/** The service's codes for a denial that people can't be asked about any more: nothing of it is wrongly set up. */
const REFUSED_DENIALS: readonly string[] = ['not_requestable', 'expired_denial'];

interface ReceivedTask {
  readonly state: TaskState;
  readonly statusUrl: URL;
}

/** A task. Its addresses stay inside, since an end client must not have them. */
export class AccessRequestTask {
  readonly #caller: Caller;
  readonly #base: URL;
  readonly #statusUrl: URL;
  readonly #denied: WireQuestion;
  #current: TaskState;

  constructor(caller: Caller, base: URL, { state, statusUrl }: ReceivedTask, denied: WireQuestion) {
    this.#caller = caller;
    this.#base = base;
    this.#current = state;
    this.#statusUrl = statusUrl;
    this.#denied = denied;
  }

  get id(): string {
    return this.#current.id;
  }

  get state(): TaskState {
    return this.#current;
  }

  /** The question that was denied, with the approval; undefined until there is one. */
  get question(): WireQuestion | undefined {
    const { approval } = this.#current;
    return approval === undefined ? undefined : { ...this.#denied, context: { ...this.#denied.context, approval } };
  }

  /** Asks how the task stands. @throws RemitUnavailable, RemitSetupError */
  async refresh(options: CallOptions = {}): Promise<TaskState> {
    return this.#learn({ method: 'GET', url: this.#statusUrl, isRepeatable: true }, options);
  }

  /** Waits until the task is answered. @returns its state, of which only `approved` is a yes */
  async wait({ signal, timeoutMs, pollMs = POLL_MS }: WaitOptions = {}): Promise<TaskState> {
    const ends = timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
    while (this.#current.status === 'pending') {
      const pauseMs = Math.min(pollMs, ends - performance.now());
      if (pauseMs <= 0) throw new RemitUnavailable('timeout');
      await pause(pauseMs, undefined, { signal }).catch(() => {
        throw new RemitUnavailable('aborted');
      });
      await this.refresh(signal === undefined ? {} : { signal }).catch((error: unknown) => {
        // An outage ends no wait; being given up does.
        if (!(error instanceof RemitUnavailable) || error.code === 'aborted') throw error;
      });
    }
    return this.#current;
  }

  /** Takes the request back. @throws RemitSetupError where it is answered already */
  async cancel(options: CallOptions = {}): Promise<TaskState> {
    const url = new URL(`${this.#statusUrl.href}/cancel`);
    return this.#learn({ method: 'POST', url, body: {}, isRepeatable: true }, options);
  }

  /** Keeps the state that a request is answered with. */
  async #learn(request: OutgoingRequest, options: CallOptions): Promise<TaskState> {
    this.#current = await this.#caller.run('task', options, async ({ send }) => {
      return readTask(await send({ ...request, goodStatuses: TASK_STATUSES }), this.#base).state;
    });
    return this.#current;
  }
}

/** @throws RemitDenied where the deny offers no request; RemitSetupError where there is no deny */
export function requireRequestable(denied: RemitDenied | Evaluation): Evaluation {
  const evaluation = denied instanceof RemitDenied ? denied.evaluation : denied;
  if (evaluation.allowed) throw new RemitSetupError('options', { detail: 'what is allowed needs no approval' });
  if (evaluation.accessRequest === undefined) throw new RemitDenied(evaluation, NOT_REQUESTABLE);
  return evaluation;
}

/** Submits the request. @throws RemitDenied where the denial can't be asked about any more; RemitUnavailable, RemitSetupError */
export async function submitAccessRequest(
  caller: Caller,
  { deadline, endpoints, send }: Call,
  evaluation: Evaluation,
  options: AccessRequestOptions,
): Promise<AccessRequestTask> {
  const { question, accessRequest: offer } = evaluation;
  const { base } = endpoints;
  const url =
    offer?.endpoint === undefined
      ? await endpoints.find('access_request_endpoint', deadline)
      : requireSameOrigin(offer.endpoint, base);
  const { justification, requestedUntil, emergency, details } = options;
  // The token and its proof are the caller's own, and a task is bound to the question without them.
  const { token: _token, proof: _proof, supported_obligations: _supported, ...context } = question.context;
  const body = {
    subject: question.subject,
    action: question.action,
    resource: question.resource,
    context: justification === undefined ? context : { ...context, justification },
    denial: {
      ...(evaluation.id === undefined ? {} : { evaluation_id: evaluation.id }),
      ...(offer?.binding_token === undefined ? {} : { binding_token: offer.binding_token }),
      expires_at: offer?.expires_at,
    },
    requested_access: {
      ...(requestedUntil === undefined ? {} : { requested_until: requestedUntil }),
      ...(emergency === undefined ? {} : { emergency }),
      ...(details === undefined ? {} : { details }),
    },
  };
  const headers = { 'idempotency-key': options.idempotencyKey ?? randomUUID() };
  const request = { method: 'POST', url, body, headers, isRepeatable: true, goodStatuses: TASK_STATUSES } as const;
  const answer = await send(request).catch((error: unknown) => {
    const isRefused = error instanceof RemitSetupError && REFUSED_DENIALS.includes(error.problem ?? '');
    throw isRefused ? new RemitDenied(evaluation, NOT_REQUESTABLE) : error;
  });
  return new AccessRequestTask(caller, base, readTask(answer, base), question);
}

/** @throws RemitUnavailable where it is no task; RemitSetupError where its address is of another server */
function readTask(answer: unknown, base: URL): ReceivedTask {
  const task = isRecord(answer) ? answer['task'] : undefined;
  if (!isRecord(task) || typeof task['id'] !== 'string') throw new RemitUnavailable('answer');
  const status = STATUSES.includes(task['status'] as string) ? (task['status'] as TaskStatus) : 'failed';
  const result = isRecord(answer) && isRecord(answer['result']) ? answer['result'] : {};
  const approval = isRecord(result['approval']) && status === 'approved' ? result['approval'] : undefined;
  const expires = task['expires_at'];
  return {
    state: { id: task['id'], status, expiresAt: typeof expires === 'string' ? expires : undefined, approval },
    statusUrl: requireSameOrigin(task['status_endpoint'], base),
  };
}
