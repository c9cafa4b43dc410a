/** Who calls: a client by its key, or an agent by its own delegation token. There is no anonymous mode. */
import type { FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import { LRUCache } from 'lru-cache';
import { BadRequest } from '../model/faults.js';
import type { Caller, Client, Permission } from '../model/question.js';
import { sha256, type Service } from '../service.js';
import { problem } from './problems.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by {@link callers} on every route that asks for it. */
    caller: Caller | undefined;
  }
}

/** Requests a second for an agent that calls by itself. */
export const AGENT_RATE = 100;

/**
 * A hook that, before a body is read, lets through clients with one of the permissions and, where `agents` says so,
 * agents with their own token.
 * @returns 401 for an unknown caller, 403 for one that may not
 */
export function callers(
  service: Service,
  permissions: readonly Permission[],
  { agents = false } = {},
): onRequestAsyncHookHandler {
  const hashes = new LRUCache<string, string>({ max: 1000 });
  return async (request, reply) => {
    const credential = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (credential === undefined) return unauthorized(reply, 'A credential is required: Authorization: Bearer <key>.');
    let hash = hashes.get(credential);
    if (hash === undefined) {
      hash = sha256(credential);
      // Only keys are kept, so that what a stranger sends can't fill the cache.
      if (service.clientOf(hash) !== undefined) hashes.set(credential, hash);
    }
    const client = service.clientOf(hash);
    if (client !== undefined) {
      if (!permissions.some((permission) => client.may.has(permission))) {
        return reply.code(403).send(problem('forbidden', `This client may not "${permissions.join('" or "')}".`));
      }
      request.caller = { kind: 'client', client };
      return undefined;
    }
    if (!agents || credential.split('.').length !== 3)
      return unauthorized(reply, 'This credential is not accepted here.');
    const verification = await service.tokens.verify(credential, undefined, service.now());
    if (!verification.ok) return unauthorized(reply, 'The token is not valid.');
    request.caller = { kind: 'agent', token: credential, agent: verification.token.agent };
    return undefined;
  };
}

/** The caller that {@link callers} let through. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) throw new TypeError('the route has no caller');
  return request.caller;
}

export function clientOf(request: FastifyRequest): Client {
  const caller = callerOf(request);
  if (caller.kind !== 'client') throw new BadRequest('This is for clients.', '', 403, 'forbidden');
  return caller.client;
}

function unauthorized(reply: FastifyReply, message: string): FastifyReply {
  return reply.code(401).header('www-authenticate', 'Bearer').send(problem('unauthorized', message));
}
