/** What the questions of one request share: who asks, by what name, and how their answers are wanted. */
import type { FastifyRequest } from 'fastify';
import type { Service } from '../service/service.js';
import { MAX_FACTS, type Asking } from './authzen-request.js';
import { callerOf } from './edge/authentication.js';

/** To be called once a request: its parts may share a proof, and nobody else's may. */
export function askingOf(
  request: FastifyRequest,
  service: Service,
  { tokenExpected = false, explain = false } = {},
): Asking {
  return {
    caller: callerOf(request),
    requestId: requestIdOf(request),
    tokenExpected,
    explain,
    small: Number(request.headers['content-length'] ?? Infinity) <= MAX_FACTS,
    relationships: service.relationships,
    usedProofs: new Map(),
  };
}

/** What the caller calls the request, if that can be echoed. */
export function requestIdOf(request: FastifyRequest): string | undefined {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\x20-\x7e]{1,256}$/.test(given) ? given : undefined;
}
