/**
 * Sends requests: with the credential, within one deadline, again where that may help. What comes back is the body of a good
 * answer (of a stream the answer itself), or an error that says whether asking again may help.
 */
import type { CredentialHolder } from './credential.js';
import type { CallDeadline } from './deadline.js';
import { RemitSetupError, RemitUnavailable } from './errors.js';
import { dropBody, readJsonBody } from './read-body.js';
import { isRecord } from './strict-json.js';

export interface OutgoingRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether sending it twice is the same as once, also where the first may have arrived. */
  readonly isRepeatable: boolean;
  /** Whether it is sent without the credential. */
  readonly isOpen?: boolean;
  /** The statuses of a good answer; 200 by default, which alone is a decision's. */
  readonly goodStatuses?: readonly number[];
}
interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;
}
/** A request whose body is sent while its answer is read, so it can't be sent again. */
export interface StreamRequest extends Pick<OutgoingRequest, 'method' | 'url' | 'headers'> {
  readonly body: ReadableStream<Uint8Array>;
  /** The type of the body and of its answer. */
  readonly type: string;
  /** Ends both. */
  readonly signal: AbortSignal;
}
/** The count of a call's attempts, its last status, and the id that the service named its decision by. */
export interface CallCount {
  attempts: number;
  status?: number | undefined;
  decisionId?: string | undefined;
}

const DECIDED: readonly number[] = [200];
const RETRIED = new Set([429, 502, 503, 504]);
const MAX_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 50;

export class Transport {
  constructor(
    private readonly credential: CredentialHolder,
    private readonly fetch: typeof globalThis.fetch,
  ) {}

  /** @returns the body of a good answer. @throws RemitUnavailable; RemitSetupError where the request is refused */
  async send(request: OutgoingRequest, deadline: CallDeadline, count: CallCount): Promise<unknown> {
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    let isRenewed = false;
    for (;;) {
      count.attempts += 1;
      const token = request.isOpen === true ? undefined : await deadline.race(this.credential.get());
      const result = await this.attempt(request, body, token, deadline);
      if (!(result instanceof RemitUnavailable)) {
        count.status = result.status;
        count.decisionId = readDecisionId(result.headers);
        // A nonce may be asked for, and a token may have been replaced or taken back. Once each call.
        if (result.status === 401 && token !== undefined && !isRenewed && this.renew(request.url, token, result)) {
          isRenewed = true;
          continue;
        }
        return requireSuccess(result);
      }
      count.status = result.status ?? count.status;
      await this.pauseBeforeRetry(request, result, deadline, count.attempts);
    }
  }

  /** @returns the answer, whose body is still to be read. @throws RemitUnavailable, RemitSetupError */
  async open(request: StreamRequest, deadline: CallDeadline, count: CallCount): Promise<Response> {
    count.attempts += 1;
    const { url, method, body, type, signal } = request;
    const token = await deadline.race(this.credential.get());
    const own = { accept: `${type}, application/json`, 'content-type': type };
    const headers = { ...(await this.buildHeaders(request, undefined, token)), ...own };
    // Without `half` a body that isn't at its end would be refused.
    const response = await this.fetch(url, { method, headers, body, signal, redirect: 'manual', duplex: 'half' });
    count.status = response.status;
    count.decisionId = readDecisionId(response.headers);
    await requireDirect(response);
    if (response.ok) {
      await requireGoodStatus(response, DECIDED);
      if (response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() === type) return response;
      throw new RemitUnavailable('answer', { status: response.status });
    }
    if (RETRIED.has(response.status) || response.status >= 500) throw toStatusError(response);
    const problem = await readJsonBody(response).catch(() => undefined);
    // The next one is sent with another, or with the nonce that was asked for.
    if (response.status === 401) this.renew(url, token, response);
    throw toRefusal(response.status, problem);
  }

  private renew(url: URL, token: string, { headers }: Pick<Answer, 'headers'>): boolean {
    return this.credential.proof?.learnNonce(url, headers) === true || this.credential.reject(token);
  }

  /** @returns an answer, or an error that may go away. @throws others */
  private async attempt(
    request: OutgoingRequest,
    body: string | undefined,
    token: string | undefined,
    deadline: CallDeadline,
  ): Promise<Answer | RemitUnavailable> {
    const headers = await this.buildHeaders(request, body, token);
    try {
      const response = await this.fetch(request.url, {
        method: request.method,
        headers,
        redirect: 'manual',
        signal: deadline.signal,
        ...(body === undefined ? {} : { body }),
      });
      const { status } = response;
      await requireDirect(response);
      if (response.ok) {
        await requireGoodStatus(response, request.goodStatuses ?? DECIDED);
        return { status, body: await readJsonBody(response), headers: response.headers };
      }
      if (RETRIED.has(status) || status >= 500) {
        await dropBody(response);
        const error = toStatusError(response);
        if (RETRIED.has(status)) return error;
        throw error;
      }
      const problem = await readJsonBody(response).catch(() => undefined);
      return { status, body: problem, headers: response.headers };
    } catch (error) {
      if (error instanceof RemitUnavailable) throw error;
      if (deadline.signal.aborted) throw deadline.toError();
      return new RemitUnavailable('transport');
    }
  }

  private async buildHeaders(
    { url, method, headers }: Pick<OutgoingRequest, 'url' | 'method' | 'headers'>,
    body: string | undefined,
    token: string | undefined,
  ): Promise<Record<string, string>> {
    const { proof } = this.credential;
    const proofHeader =
      token === undefined || proof === undefined ? {} : { dpop: await proof.prove({ method, url, token }) };
    return {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `${proof === undefined ? 'Bearer' : 'DPoP'} ${token}` }),
      ...proofHeader,
      ...headers,
    };
  }

  /** @throws the error where another attempt can't help, or not before the deadline */
  private async pauseBeforeRetry(
    request: OutgoingRequest,
    error: RemitUnavailable,
    deadline: CallDeadline,
    attempts: number,
  ): Promise<void> {
    const mayRepeat = request.isRepeatable || error.status === 429;
    const pauseMs = (error.retryAfter ?? 0) * 1000 || FIRST_PAUSE_MS * 2 ** (attempts - 1) * (0.5 + Math.random());
    if (!mayRepeat || attempts >= MAX_ATTEMPTS || pauseMs >= deadline.remainingMs) throw error;
    await deadline.pause(pauseMs);
  }
}

/** @throws RemitUnavailable where it leads elsewhere */
async function requireDirect(response: Response): Promise<void> {
  const { status, type } = response;
  if (type !== 'opaqueredirect' && (status < 300 || status >= 400)) return;
  await dropBody(response);
  throw new RemitUnavailable('redirect', { status });
}

/**
 * Another status of success is another answer: a part (206), what something between has changed (203), or one that is still to be
 * decided (202).
 * @throws RemitUnavailable
 */
async function requireGoodStatus(response: Response, statuses: readonly number[]): Promise<void> {
  const { status } = response;
  if (statuses.includes(status)) return;
  await dropBody(response);
  throw new RemitUnavailable('answer', { status });
}

function toStatusError({ status, headers }: Response): RemitUnavailable {
  return new RemitUnavailable('status', { status, retryAfter: readRetryAfter(headers) });
}

/** Reads Remit's header; what isn't an id of its kind is none. */
function readDecisionId(headers: Headers): string | undefined {
  const id = headers.get('remit-decision-id') ?? '';
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) ? id : undefined;
}

function readRetryAfter(headers: Headers): number | undefined {
  const text = headers.get('retry-after') ?? '';
  return /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

/** @returns the body of a good answer. @throws RemitSetupError for one that refuses the request */
function requireSuccess({ status, body }: Pick<Answer, 'status' | 'body'>): unknown {
  if (status >= 200 && status < 300) return body;
  throw toRefusal(status, body);
}

/** The error of an answer that refuses the request, and will refuse it again. */
function toRefusal(status: number, body: unknown): RemitSetupError {
  const at = isRecord(body) && isRecord(body['error']) ? body['error']['at'] : undefined;
  // A place, and no text that the service may have taken from the request.
  const place = typeof at === 'string' && /^[\w.[\]-]{1,128}$/.test(at) ? at : undefined;
  const code =
    status === 401
      ? 'credential'
      : status === 403
        ? 'forbidden'
        : status === 404 || status === 405
          ? 'not_found'
          : 'question';
  const detail = status === 403 ? explainForbidden(body) : undefined;
  return new RemitSetupError(code, { status, at: place, detail, problem: readProblemName(body) });
}

function readProblemName(body: unknown): string | undefined {
  const type = isRecord(body) ? body['type'] : undefined;
  return typeof type === 'string'
    ? /^urn:openid:authzen:access-request:error:([a-z_]{1,64})$/.exec(type)?.[1]
    : undefined;
}

/** Says what a client lacks, in words of this package: of the service's own only the permissions' names are taken. */
function explainForbidden(body: unknown): string | undefined {
  const message = isRecord(body) && isRecord(body['error']) ? body['error']['message'] : undefined;
  if (typeof message !== 'string') return undefined;
  const [, permissions] = /^This client may not ("[a-z_]{1,32}"(?: or "[a-z_]{1,32}"){0,8})\.$/.exec(message) ?? [];
  if (permissions !== undefined) return `it lacks the permission ${permissions}`;
  const [, parties] = /^This is for (agents|people|people and agents|clients)\b/.exec(message) ?? [];
  return parties === undefined ? undefined : `this is for ${parties}`;
}
