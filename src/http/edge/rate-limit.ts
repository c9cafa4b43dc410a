/**
 * Limits how often requests are answered: for each caller, each agent that a client asks for, and each network whose
 * credentials are refused. Each replica counts for itself.
 */
import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest, onRequestHookHandler, preHandlerAsyncHookHandler } from 'fastify';
import { Deadline } from '../../runtime/deadline.js';
import { subscriberNetwork } from '../../runtime/ip-address.js';
import type { TokenReading } from '../../model/credential.js';
import { Fault } from '../../model/faults.js';
import { formatCallerId, type Client, type AuthenticatedParty } from '../../model/question.js';
import { isObject } from '../../policy/schema/types.js';
import type { Service } from '../../service/service.js';
import { MAX_TOKEN_BYTES } from '../../tokens/jws.js';
import { MAX_ITEMS } from '../authzen-request.js';
import { createProblem } from './errors.js';
import { getRequestTokens } from './request-tokens.js';
import { TokenBuckets, type TokenBucketResult } from './token-bucket.js';

/** A bucket has at least one request again after a second. */
const RATE_RETRY_SECONDS = '1';
/** Longer ids are refused by validation. */
const MAX_ID_LENGTH = 512;

export class RateLimiter {
  private readonly callers = new TokenBuckets();
  private readonly agents = new TokenBuckets();
  private readonly failures = new TokenBuckets();

  constructor(private readonly service: Service) {}

  /** Limits the caller, before its body is read. */
  readonly limitCaller: onRequestHookHandler = (request, reply, done) => {
    const { caller } = request;
    if (caller === undefined) throw new TypeError('the route has no caller');
    const rate = this.getRate(caller);
    const result = this.callers.take(getCallerKey(caller), rate);
    setRateLimitHeaders(reply, 'caller', rate, result);
    if (result.allowed) done();
    else void sendTooManyRequests(reply);
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
    const results = keys.map((key) => this.agents.take(key, rate));
    const [least] = results.toSorted((a, b) => Number(a.allowed) - Number(b.allowed) || a.remaining - b.remaining);
    if (least === undefined) return undefined;
    setRateLimitHeaders(reply, 'agent', rate, least);
    if (least.allowed) return undefined;
    this.callers.refund(getCallerKey(caller));
    for (const [i, key] of keys.entries()) if (results[i]?.allowed === true) this.agents.refund(key);
    return sendTooManyRequests(reply);
  };

  /**
   * Counts a refused credential of the caller's network. Callers with a good credential are not affected: a network may be
   * a whole company's, which must not be locked out.
   * @returns whether the network has had too many refused
   */
  isFailureRateExceeded(request: FastifyRequest): boolean {
    return !this.failures.take(getNetwork(request), this.service.config.limits.failedRate).allowed;
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

/** The key of a caller's bucket, with its kind: a client and an agent may have the same id. */
function getCallerKey(caller: AuthenticatedParty): string {
  return `${caller.kind} ${formatCallerId(caller)}`;
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

export function sendTooManyRequests(reply: FastifyReply): FastifyReply {
  return reply
    .code(429)
    .header('retry-after', RATE_RETRY_SECONDS)
    .send(createProblem('rate_limited', 'Too many requests; see Retry-After.'));
}

/** The network that the request comes from. Of what a trusted proxy says of it only an address counts. */
function getNetwork({ ip, socket }: FastifyRequest): string {
  return subscriberNetwork(isIP(ip) === 0 ? (socket.remoteAddress ?? '') : ip);
}
