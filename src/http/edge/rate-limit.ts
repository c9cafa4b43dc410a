/**
 * Limits how often requests are answered: for each caller and those that share its rate, each agent that a client asks for,
 * and each network that asks without a credential or with a refused one. Each replica counts for itself.
 */
import { isIP } from 'node:net';
import type {
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
  preHandlerAsyncHookHandler,
  preHandlerHookHandler,
} from 'fastify';
import { subscriberNetwork } from '../../runtime/ip-address.js';
import type { Service } from '../../service/service.js';
import { findActingAgents } from './acting-agents.js';
import { getCallerRate, listCallerBuckets } from './caller-buckets.js';
import { RateLimitExceeded, sendTooManyRequests } from './errors.js';
import { RecordRate } from './record-rate.js';
import { requireParty } from './request-party.js';
import { LOCATED_CHARACTERS_A_REQUEST, countBodyRequests, countItemRequests, type BodySize } from './request-cost.js';
import { TokenBuckets, type RateBucket, type TokenBucketResult } from './token-bucket.js';
import { getAnnouncedLength } from './unread-body.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The requests that were taken of its caller's rate so far. */
    rateCharge: number;
  }
}

/** Requests a second of one network at each route that needs no credential. */
const OPEN_ROUTE_RATE = 500;
/** The requests that a file counts as before it is opened. */
const REQUESTS_A_FILE = 20;
/** The same at a route for monitors: what else comes from their address, a proxy's for example, must not keep them out. */
const MONITORED_ROUTE_RATE = 5_000;

export class RateLimiter {
  private readonly callers = new TokenBuckets();
  private readonly agents = new TokenBuckets();
  readonly records: RecordRate;
  private readonly failures = new TokenBuckets();
  private readonly verifications = new TokenBuckets();
  private readonly networks = new TokenBuckets();

  constructor(private readonly service: Service) {
    this.records = new RecordRate(service.config.limits.agentRate);
  }

  /** Limits the caller, and those that share its rate, before its body is read. */
  readonly limitCaller: onRequestHookHandler = (request, reply, done) => {
    const announced = getAnnouncedLength(request.raw);
    // A longer body than may be is not read.
    const cost = 1 + (announced > request.routeOptions.bodyLimit ? 0 : countBodyRequests({ bytes: announced }));
    const recorded = this.records.read(request);
    const result = recorded.allowed ? this.callers.takeEach(this.listBuckets(request), cost) : recorded;
    setRateLimitHeaders(
      reply,
      'caller',
      getCallerRate(requireParty(request), this.service.config.limits.agentRate),
      result,
    );
    if (!result.allowed) {
      void sendTooManyRequests(reply, result);
      return;
    }
    request.rateCharge = cost;
    done();
  };

  /**
   * Counts what a body turns out to take, beyond what was counted of it before.
   * @throws RateLimitExceeded where other requests of the caller have taken more than its rate meanwhile
   */
  countBody(request: FastifyRequest, size: BodySize): void {
    this.countMore(request, 1 + countBodyRequests(size) - request.rateCharge);
  }

  /** Counts a second reading of a body, for the place of what is wrong in it. @throws RateLimitExceeded as countBody does */
  countReadingAgain(request: FastifyRequest, length: number): void {
    this.countMore(request, Math.ceil(length / LOCATED_CHARACTERS_A_REQUEST));
  }

  /** Counts the items of a batch, once the body is read. One that has many takes its caller into debt. */
  readonly limitItems: preHandlerHookHandler = (request, _reply, done) => {
    const { caller, body } = request;
    if (caller !== undefined) this.countMore(request, countItemRequests(caller, body) - 1);
    done();
  };

  /**
   * Limits the agents that a client asks for, once the body is read. A request that is refused for an agent's rate doesn't
   * count against the client, so that one agent doesn't use up the others' share.
   */
  readonly limitAgents: preHandlerAsyncHookHandler = async (request, reply) => {
    const { caller, body } = request;
    const buckets = await this.listAgentBuckets(request);
    if (caller === undefined || buckets.length === 0) return undefined;
    const result = this.agents.takeEach(buckets, Math.ceil(countItemRequests(caller, body) / buckets.length));
    setRateLimitHeaders(reply, 'agent', this.service.config.limits.agentRate, result);
    if (result.allowed) return undefined;
    for (const { key } of this.listBuckets(request)) this.callers.refund(key);
    return sendTooManyRequests(reply, result);
  };

  /**
   * Takes what a part of a stream costs of its caller, or nothing where others, or the parts before, have used that up: the
   * stream is to wait.
   */
  takePart(request: FastifyRequest, cost: number): TokenBucketResult {
    return this.callers.takeMoreOfEach(this.listBuckets(request), cost, 0);
  }

  /** The same of the agents that the stream's question is asked for; undefined where there are none. */
  async takeAgentsPart(request: FastifyRequest, cost: number): Promise<TokenBucketResult | undefined> {
    const buckets = await this.listAgentBuckets(request);
    return buckets.length === 0 ? undefined : this.agents.takeMoreOfEach(buckets, Math.ceil(cost / buckets.length), 0);
  }

  /**
   * Counts a refused credential of the caller's network. Callers with a good credential are not affected: a network may be
   * a whole company's, which must not be locked out.
   * @returns not allowed where the network has had too many refused
   */
  countFailure(request: FastifyRequest): TokenBucketResult {
    return this.failures.take(getNetwork(request), this.service.config.limits.failedRate);
  }

  /**
   * Counts the verification of a token or a proof of an agent or a user before it is made, since it takes longer than all
   * else that a stranger can cause: a network with refused credentials lately has as many as failures. A token that is
   * known is counted by itself, with its proofs, so that guesses don't hold it up.
   * @returns what gives the count back, once the credential has proved good
   * @throws RateLimitExceeded
   */
  takeVerification(request: FastifyRequest, token: string): () => void {
    const network = getNetwork(request);
    const rate = this.service.config.limits.failedRate;
    if (this.failures.isFull({ key: network, rate })) return () => undefined;
    const key = this.service.trust.verifier.isVerified(token) ? `${network} ${token}` : network;
    const { allowed, retryAfter } = this.verifications.take(key, rate);
    if (!allowed) throw new RateLimitExceeded(retryAfter);
    return () => {
      this.verifications.refund(key);
    };
  }

  /** Limits the network of a request to a route that asks for no credential, or that there isn't. */
  readonly limitNetwork: onRequestHookHandler = (request, reply, done) => {
    const { key, rate } = findOpenBucket(request);
    // A file is opened before its length is known, and many can be open at one time.
    const isFile = request.routeOptions.url?.endsWith('*') === true;
    const result = this.networks.take(key, rate, isFile ? REQUESTS_A_FILE : 1);
    if (result.allowed) done();
    else void sendTooManyRequests(reply, result);
  };

  /** Counts an answer at such a route beyond the request itself. A long one takes the network into debt. */
  countOpenAnswer(request: FastifyRequest, bytes: number): void {
    const cost = countBodyRequests({ bytes });
    if (cost === 0) return;
    const { key, rate } = findOpenBucket(request);
    this.networks.takeMore(key, rate, cost);
  }

  /** @throws RateLimitExceeded */
  private countMore(request: FastifyRequest, cost: number): void {
    if (request.caller === undefined || cost <= 0) return;
    // What the request itself has taken is no reason to refuse it: else the same one never passed.
    const result = this.callers.takeMoreOfEach(this.listBuckets(request), cost, request.rateCharge);
    if (!result.allowed) throw new RateLimitExceeded(result.retryAfter);
    request.rateCharge += cost;
  }

  /** The buckets of the agents that a client's request asks for. */
  private async listAgentBuckets(request: FastifyRequest): Promise<readonly RateBucket[]> {
    const { caller } = request;
    if (caller?.kind !== 'client') return [];
    const rate = this.service.config.limits.agentRate;
    const agents = await findActingAgents(request, caller.client, this.service);
    return agents.map((agent) => ({ key: JSON.stringify([caller.client.id, agent]), rate }));
  }

  private listBuckets(request: FastifyRequest): readonly RateBucket[] {
    return listCallerBuckets(request, this.service.config.limits.agentRate);
  }
}

/** The bucket of a network at a route without a caller, so that what is asked of one route is not missing at another. */
function findOpenBucket(request: FastifyRequest): RateBucket {
  const { url = '', config } = request.routeOptions;
  return {
    key: `${getNetwork(request)} ${request.is404 ? '' : url}`,
    rate: config.essential === true ? MONITORED_ROUTE_RATE : OPEN_ROUTE_RATE,
  };
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

/** The network that the request comes from. Of what a trusted proxy says of it only an address counts. */
function getNetwork({ ip, socket }: FastifyRequest): string {
  return subscriberNetwork(isIP(ip) === 0 ? (socket.remoteAddress ?? '') : ip);
}
