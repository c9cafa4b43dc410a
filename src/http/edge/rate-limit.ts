/**
 * Limits how often requests are answered: for each caller, each agent that a client asks for, and each network whose
 * credentials are refused. Each replica counts for itself.
 */
import { isIP } from 'node:net';
import type {
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
  preHandlerAsyncHookHandler,
  preHandlerHookHandler,
} from 'fastify';
import { Deadline } from '../../runtime/deadline.js';
import { subscriberNetwork } from '../../runtime/ip-address.js';
import type { TokenReading } from '../../model/credential.js';
import { Fault } from '../../model/faults.js';
import { formatCallerId, type Client, type AuthenticatedParty } from '../../model/question.js';
import { isObject } from '../../policy/schema/types.js';
import type { Service } from '../../service/service.js';
import { MAX_TOKEN_BYTES } from '../../tokens/jws.js';
import { MAX_ITEMS } from '../authzen-request.js';
import { countItems } from './count-items.js';
import { createProblem } from './errors.js';
import { getAnnouncedLength, MAX_BODY_BYTES } from './unread-body.js';
import { getRequestTokens } from './request-tokens.js';
import { TokenBuckets, type TokenBucketResult } from './token-bucket.js';

/** Items of a batch that count as one request of a client. Each item of an agent that calls by itself counts as one. */
const CLIENT_ITEMS_A_REQUEST = 10;
/** Bytes of a body beyond which it counts as one request more, since parsing takes as long. */
const BODY_BYTES_A_REQUEST = 16 * 1024;
/** Longer ids are refused by validation. */
const MAX_ID_LENGTH = 512;

export class RateLimiter {
  private readonly callers = new TokenBuckets();
  private readonly agents = new TokenBuckets();
  private readonly failures = new TokenBuckets();

  constructor(private readonly service: Service) {}

  /** Limits the caller, and those that share its rate, before its body is read. */
  readonly limitCaller: onRequestHookHandler = (request, reply, done) => {
    const caller = getParty(request);
    const rate = this.getRate(caller);
    const announced = getAnnouncedLength(request.raw);
    const cost = 1 + (announced === Infinity ? 0 : countBodyRequests(announced));
    const result = findTightest(getRateKeys(request).map((key) => this.callers.take(key, rate, cost)));
    setRateLimitHeaders(reply, 'caller', rate, result);
    if (result.allowed) done();
    else void sendTooManyRequests(reply, result);
  };

  /** Counts bytes of a body whose length wasn't announced. */
  countBytes(request: FastifyRequest, bytes: number): void {
    const rate = this.getRate(getParty(request));
    for (const key of getRateKeys(request)) this.callers.takeMore(key, rate, countBodyRequests(bytes));
  }

  /** Counts the items of a batch, once the body is read. One that has many takes its caller into debt. */
  readonly limitItems: preHandlerHookHandler = (request, reply, done) => {
    const { caller, body } = request;
    const cost = caller === undefined ? 0 : countItemRequests(caller, body) - 1;
    if (caller === undefined || cost <= 0) {
      done();
      return;
    }
    const rate = this.getRate(caller);
    const result = findTightest(getRateKeys(request).map((key) => this.callers.takeMore(key, rate, cost)));
    if (result.allowed) done();
    else void sendTooManyRequests(reply, result);
  };

  /**
   * Limits the agents that a client asks for, once the body is read. A request that is refused for an agent's rate doesn't
   * count against the client, so that one agent doesn't use up the others' share.
   */
  readonly limitAgents: preHandlerAsyncHookHandler = async (request, reply) => {
    const { caller, body } = request;
    if (caller?.kind !== 'client' || !isObject(body)) return undefined;
    const rate = this.service.config.limits.agentRate;
    const keys = (await this.findActingAgents(body, caller.client, request)).map((agent) =>
      JSON.stringify([caller.client.id, agent]),
    );
    if (keys.length === 0) return undefined;
    const cost = Math.ceil(countItemRequests(caller, body) / keys.length);
    const results = keys.map((key) => this.agents.take(key, rate, cost));
    const least = findTightest(results);
    setRateLimitHeaders(reply, 'agent', rate, least);
    if (least.allowed) return undefined;
    for (const key of getRateKeys(request)) this.callers.refund(key);
    for (const [i, key] of keys.entries()) if (results[i]?.allowed === true) this.agents.refund(key, cost);
    return sendTooManyRequests(reply, least);
  };

  /**
   * Counts a refused credential of the caller's network. Callers with a good credential are not affected: a network may be
   * a whole company's, which must not be locked out.
   * @returns not allowed where the network has had too many refused
   */
  countFailure(request: FastifyRequest): TokenBucketResult {
    return this.failures.take(getNetwork(request), this.service.config.limits.failedRate);
  }

  private getRate(caller: AuthenticatedParty): number {
    return caller.kind === 'client' ? caller.client.rate : this.service.config.limits.agentRate;
  }

  /** Finds the agents that act in the questions, each once: those of valid tokens, and those that the client may assert. */
  private async findActingAgents(
    body: Readonly<Record<string, unknown>>,
    client: Client,
    request: FastifyRequest,
  ): Promise<string[]> {
    const items: unknown[] = Array.isArray(body['evaluations']) ? body['evaluations'].slice(0, MAX_ITEMS) : [];
    const questions = [body, ...items].filter(isObject);
    const requestTokens = getRequestTokens(request, this.service.trust.verifier);
    const texts = new Set(
      questions.flatMap(({ context }) => (isObject(context) ? boundedText(context['token'], MAX_TOKEN_BYTES) : [])),
    );
    const asserted = client.may.has('asserts_subject')
      ? questions.flatMap(({ subject }) => readAssertedAgents(subject))
      : [];
    const acting = await Promise.all([...texts].map((text) => this.readActingAgent(requestTokens.read(text), client)));
    return [...new Set([...asserted, ...acting.flatMap((agent) => agent ?? [])])];
  }

  /** The acting agent of a token; undefined where the token is not valid or can't be verified now. */
  private async readActingAgent(token: TokenReading, client: Client): Promise<string | undefined> {
    const { trust, deadlineMs, now } = this.service;
    try {
      const verified = await Deadline.run(deadlineMs, (deadline) =>
        deadline.race(trust.verifier.verify(token, client.audience, now())),
      );
      return verified.ok ? verified.token.actors[0]?.id : undefined;
    } catch (error) {
      if (error instanceof Fault) return undefined; // The decision reports it.
      throw error;
    }
  }
}

/**
 * The keys of a caller's buckets: its own, with its kind, since a client and an agent may have the same id; and that of
 * its narrowest group, which all agents of a user share.
 */
function getRateKeys(request: FastifyRequest): readonly string[] {
  const caller = getParty(request);
  return [...new Set([`${caller.kind} ${formatCallerId(caller)}`, request.callerGroups?.at(-1) ?? ''])];
}

/** The caller of a route that has one: these hooks run after authentication. */
function getParty({ caller }: FastifyRequest): AuthenticatedParty {
  if (caller === undefined) throw new TypeError('the route has no caller');
  return caller;
}

/** What a request counts as: a batch costs as many decisions as it has items. */
function countItemRequests({ kind }: AuthenticatedParty, body: unknown): number {
  const items = countItems(body);
  return kind === 'client' ? Math.ceil(items / CLIENT_ITEMS_A_REQUEST) : items;
}

/** What the length of a body counts as, beyond the request itself. A longer one than may be is not read. */
function countBodyRequests(bytes: number): number {
  return bytes > MAX_BODY_BYTES ? 0 : Math.floor(bytes / BODY_BYTES_A_REQUEST);
}

/** The result that leaves the least. */
function findTightest(results: readonly TokenBucketResult[]): TokenBucketResult {
  const [first, ...others] = results;
  if (first === undefined) throw new TypeError('a caller has at least one bucket');
  const isTighter = (a: TokenBucketResult, b: TokenBucketResult): boolean =>
    a.allowed === b.allowed ? a.remaining < b.remaining : !a.allowed;
  return others.reduce((least, one) => (isTighter(one, least) ? one : least), first);
}

function boundedText(value: unknown, maxLength: number): string[] {
  return typeof value === 'string' && value.length <= maxLength ? [value] : [];
}

function readAssertedAgents(subject: unknown): string[] {
  const properties = isObject(subject) ? subject['properties'] : undefined;
  const act = isObject(properties) ? properties['act'] : undefined;
  return isObject(act) ? boundedText(act['sub'], MAX_ID_LENGTH) : [];
}

/** Sets the headers of draft-ietf-httpapi-ratelimit-headers-10: quota and window in seconds, what remains, and the reset. */
function setRateLimitHeaders(
  reply: FastifyReply,
  policy: 'caller' | 'agent',
  rate: number,
  { remaining, reset }: TokenBucketResult,
): void {
  const add = (name: string, value: string): void => {
    const existing = reply.getHeader(name);
    void reply.header(name, typeof existing === 'string' ? `${existing}, ${value}` : value);
  };
  add('ratelimit-policy', `"${policy}";q=${rate};w=1`);
  add('ratelimit', `"${policy}";r=${remaining};t=${reset}`);
}

export function sendTooManyRequests(
  reply: FastifyReply,
  { retryAfter }: Pick<TokenBucketResult, 'retryAfter'>,
): FastifyReply {
  return reply
    .code(429)
    .header('retry-after', String(retryAfter))
    .send(createProblem('rate_limited', 'Too many requests; see Retry-After.'));
}

/** The network that the request comes from. Of what a trusted proxy says of it only an address counts. */
function getNetwork({ ip, socket }: FastifyRequest): string {
  return subscriberNetwork(isIP(ip) === 0 ? (socket.remoteAddress ?? '') : ip);
}
