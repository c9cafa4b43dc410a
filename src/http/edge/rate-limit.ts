/**
 * How often one may ask: each caller, each agent that a client asks for, and each address whose credentials are refused.
 * Counted in this process: of several replicas each counts for itself.
 */
import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest, onRequestHookHandler, preHandlerAsyncHookHandler } from 'fastify';
import { Deadline } from '../../runtime/deadline.js';
import { Fault } from '../../model/faults.js';
import { callerId, type Client, type Party } from '../../model/question.js';
import { isObject } from '../../policy/schema/types.js';
import type { Service } from '../../service/service.js';
import { MAX_TOKEN_BYTES } from '../../tokens/jws.js';
import { MAX_ITEMS } from '../authzen-request.js';
import { problem } from './errors.js';
import { Rates, type Taken } from './token-bucket.js';

/** A second passes, and there is something to have again. */
const RETRY_AFTER_SECONDS = '1';
/** Longer ids are refused anyway. */
const MAX_ID_LENGTH = 512;

export class Throttle {
  private readonly callers = new Rates();
  private readonly agents = new Rates();
  private readonly failures = new Rates();

  constructor(private readonly service: Service) {}

  /** Before a body is read. */
  readonly ofCaller: onRequestHookHandler = (request, reply, done) => {
    const { caller } = request;
    if (caller === undefined) throw new TypeError('the route has no caller');
    const rate = this.rateOf(caller);
    const taken = this.callers.take(keyOf(caller), rate);
    say(reply, 'caller', rate, taken);
    if (taken.allowed) done();
    else void tooMany(reply);
  };

  /**
   * Of what a client asks for an agent, once the body is read. What an agent is refused doesn't count against the
   * client, so that one of its agents leaves the others their share.
   */
  readonly ofAgents: preHandlerAsyncHookHandler = async (request, reply) => {
    const { caller, body } = request;
    if (caller?.kind !== 'client' || !isObject(body)) return undefined;
    const rate = this.service.config.limits.agentRate;
    const keys = (await this.agentsOf(body, caller.client)).map((agent) => JSON.stringify([caller.client.id, agent]));
    const taken = keys.map((key) => this.agents.take(key, rate));
    const [least] = taken.toSorted((a, b) => Number(a.allowed) - Number(b.allowed) || a.remaining - b.remaining);
    if (least === undefined) return undefined;
    say(reply, 'agent', rate, least);
    if (least.allowed) return undefined;
    this.callers.giveBack(keyOf(caller));
    for (const [i, key] of keys.entries()) if (taken[i]?.allowed === true) this.agents.giveBack(key);
    return tooMany(reply);
  };

  /**
   * Counts a credential that is refused. Whoever has a good one is never asked: an address may be a whole company's, and
   * must not be a way to lock it out.
   * @returns whether there were too many from there
   */
  failed(request: FastifyRequest): boolean {
    return !this.failures.take(networkOf(request), this.service.config.limits.failedRate).allowed;
  }

  private rateOf(caller: Party): number {
    return caller.kind === 'client' ? caller.client.rate : this.service.config.limits.agentRate;
  }

  /** Those that act in what is asked, each once: by tokens that verify, or vouched for by a client that may. */
  private async agentsOf(body: Readonly<Record<string, unknown>>, client: Client): Promise<string[]> {
    const items: unknown[] = Array.isArray(body['evaluations']) ? body['evaluations'].slice(0, MAX_ITEMS) : [];
    const parts = [body, ...items].filter(isObject);
    const tokens = new Set(
      parts.flatMap(({ context }) => (isObject(context) ? text(context['token'], MAX_TOKEN_BYTES) : [])),
    );
    const vouched = client.may.has('asserts_subject') ? parts.flatMap(({ subject }) => vouchedFor(subject)) : [];
    const acting = await Promise.all([...tokens].map((token) => this.agentOf(token, client)));
    return [...new Set([...vouched, ...acting.flatMap((agent) => agent ?? [])])];
  }

  /** Undefined where the token names none that could be believed: whatever becomes of it, it is nobody's request. */
  private async agentOf(token: string, client: Client): Promise<string | undefined> {
    const { access, deadlineMs, now } = this.service;
    try {
      const read = await Deadline.of(deadlineMs, (deadline) =>
        deadline.hold(access.verifier.verify(token, client.audience, now())),
      );
      return read.ok ? read.token.actors[0]?.id : undefined;
    } catch (error) {
      if (error instanceof Fault) return undefined; // For the decision to say.
      throw error;
    }
  }
}

/** A client may be called as an agent is. */
function keyOf(caller: Party): string {
  return `${caller.kind} ${callerId(caller)}`;
}

function text(value: unknown, longest: number): string[] {
  return typeof value === 'string' && value.length <= longest ? [value] : [];
}

function vouchedFor(subject: unknown): string[] {
  const properties = isObject(subject) ? subject['properties'] : undefined;
  const act = isObject(properties) ? properties['act'] : undefined;
  return isObject(act) ? text(act['sub'], MAX_ID_LENGTH) : [];
}

/** draft-ietf-httpapi-ratelimit-headers-10: the quota and its window in seconds, what is left, and when all is back. */
function say(reply: FastifyReply, policy: 'caller' | 'agent', rate: number, { remaining, reset }: Taken): void {
  const add = (name: string, value: string): void => {
    const before = reply.getHeader(name);
    void reply.header(name, typeof before === 'string' ? `${before}, ${value}` : value);
  };
  add('ratelimit-policy', `"${policy}";q=${rate};w=1`);
  add('ratelimit', `"${policy}";r=${remaining};t=${reset}`);
}

export function tooMany(reply: FastifyReply): FastifyReply {
  return reply
    .code(429)
    .header('retry-after', RETRY_AFTER_SECONDS)
    .send(problem('rate_limited', 'Too many requests; see Retry-After.'));
}

/** Where it comes from: an address, of IPv6 the /64, all of which is one subscriber's. */
function networkOf({ ip, socket }: FastifyRequest): string {
  // Of what a trusted proxy says only an address counts.
  const address = (isIP(ip) === 0 ? (socket.remoteAddress ?? '') : ip).replace(/%.*$/, '');
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  if (all.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return all.slice(0, 4).join(':');
  const [high = 0, low = 0] = all.slice(6).map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
