/**
 * Sends requests: with the credential, within one deadline, again where that may help. What comes back is the body of a good
 * answer (of a stream the answer itself), or an error that says whether asking again may help.
 */
import type { CredentialHolder } from './credential.js';
import type { CallDeadline } from './deadline.js';
import { DECIDED, readDecisionId, readOutage, toRefusal } from './answer-status.js';
import { RemitUnavailable } from './errors.js';
import { dropBody, readJsonBody } from './read-body.js';

export interface OutgoingRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  /** A function makes it for each attempt. */
  readonly body?: object | (() => Promise<object>);
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
/** A request whose body is sent while its answer is read. */
export interface StreamRequest extends Pick<OutgoingRequest, 'method' | 'url' | 'headers' | 'isRepeatable'> {
  /** Begins the body, anew for each attempt. */
  readonly open: () => ReadableStream<Uint8Array>;
  /** Whether all that has been sent can be sent again. */
  readonly isReplayable: () => boolean;
  /** The type of the body and of its answer. */
  readonly type: string;
  /** Ends both. */
  readonly signal: AbortSignal;
}
/** An answer of which the first piece has come. */
export interface OpenedStream {
  readonly status: number;
  readonly first: Uint8Array | undefined;
  readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
}
/** The count of a call's attempts, its last status, and the id that the service named its decision by. */
export interface CallCount {
  attempts: number;
  status?: number | undefined;
  decisionId?: string | undefined;
}

const MAX_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 50;

export class Transport {
  constructor(
    private readonly credential: CredentialHolder,
    private readonly fetch: typeof globalThis.fetch,
  ) {}

  /** @returns the body of a good answer. @throws RemitUnavailable; RemitSetupError where the request is refused */
  async send(request: OutgoingRequest, deadline: CallDeadline, count: CallCount): Promise<unknown> {
    let isRenewed = false;
    for (;;) {
      count.attempts += 1;
      const body = await deadline.race(writeBody(request));
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

  /**
   * Sends a stream, again where that may help, until a first piece of the answer is there.
   * @throws RemitUnavailable, RemitSetupError
   */
  async open(request: StreamRequest, deadline: CallDeadline, count: CallCount): Promise<OpenedStream> {
    let isRenewed = false;
    for (;;) {
      count.attempts += 1;
      const token = await deadline.race(this.credential.get());
      const result = await this.attemptStream(request, token, deadline, count);
      if (result instanceof RemitUnavailable) {
        if (!request.isReplayable()) throw result;
        await this.pauseBeforeRetry(request, result, deadline, count.attempts);
      } else if (result instanceof Response) {
        const problem = await readJsonBody(result).catch(() => undefined);
        // What was refused has not been read, so it is sent again with another token, or with the nonce that was asked for.
        const isWorthwhile = result.status === 401 && this.renew(request.url, token, result);
        if (!isWorthwhile || isRenewed || !request.isReplayable()) throw toRefusal(result.status, problem);
        isRenewed = true;
      } else return result;
    }
  }

  /** @returns a good answer, one that refuses the request, or an error that may go away. @throws others */
  private async attemptStream(
    request: StreamRequest,
    token: string,
    deadline: CallDeadline,
    count: CallCount,
  ): Promise<OpenedStream | Response | RemitUnavailable> {
    const { url, method, type, signal } = request;
    const own = { accept: `${type}, application/json`, 'content-type': type };
    const headers = { ...(await this.buildHeaders(request, undefined, token)), ...own };
    try {
      // Without `half` a body that isn't at its end would be refused.
      const init = { method, headers, body: request.open(), signal, redirect: 'manual', duplex: 'half' } as const;
      const response = await this.fetch(url, init);
      const { status } = response;
      count.status = status;
      count.decisionId = readDecisionId(response.headers);
      const outage = await readOutage(response, DECIDED);
      if (outage !== undefined || !response.ok) return outage ?? response;
      if (response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() !== type) {
        await dropBody(response);
        throw new RemitUnavailable('answer', { status });
      }
      const reader = response.body?.getReader() as OpenedStream['reader'];
      return { status, reader, first: (await reader?.read())?.value };
    } catch (error) {
      // What the source of the body throws is told by the body itself.
      if (error instanceof RemitUnavailable || signal.aborted) throw error;
      if (deadline.signal.aborted) throw deadline.toError();
      return new RemitUnavailable('transport');
    }
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
      const outage = await readOutage(response, request.goodStatuses ?? DECIDED);
      if (outage !== undefined) return outage;
      const reading = readJsonBody(response);
      // What refuses the request does so without words, too.
      const answer = response.ok ? await reading : await reading.catch(() => undefined);
      return { status: response.status, body: answer, headers: response.headers };
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
    request: Pick<OutgoingRequest, 'isRepeatable'>,
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

async function writeBody({ body }: Pick<OutgoingRequest, 'body'>): Promise<string | undefined> {
  if (body === undefined) return undefined;
  return JSON.stringify(typeof body === 'function' ? await (body as () => Promise<object>)() : body);
}

/** @returns the body of a good answer. @throws RemitSetupError for one that refuses the request */
function requireSuccess({ status, body }: Pick<Answer, 'status' | 'body'>): unknown {
  if (status >= 200 && status < 300) return body;
  throw toRefusal(status, body);
}
