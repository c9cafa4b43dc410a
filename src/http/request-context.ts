/** What the questions of one request share: who asks, by what name, and how their answers are wanted. */
import type { FastifyRequest } from 'fastify';
import type { Service } from '../service/service.js';
import { MAX_PART_LENGTH, type RequestContext } from './authzen-request.js';
import { requireCaller } from './edge/authentication.js';
import { getRequestTokens } from './edge/request-tokens.js';

/** To be called once a request: its parts may share a proof, and nobody else's may. */
export function createRequestContext(
  request: FastifyRequest,
  service: Service,
  { tokenExpected = false, explain = false } = {},
): RequestContext {
  return {
    caller: requireCaller(request),
    requestId: readRequestId(request),
    tokenExpected,
    explain,
    isSmallBody: Number(request.headers['content-length'] ?? Infinity) <= MAX_PART_LENGTH,
    relationships: service.activePolicies.engine,
    tokens: getRequestTokens(request, service.trust.verifier),
  };
}

/** What the caller calls the request, if that can be echoed. */
export function readRequestId(request: FastifyRequest): string | undefined {
  const header = request.headers['x-request-id'];
  return typeof header === 'string' && /^[\x20-\x7e]{1,256}$/.test(header) ? header : undefined;
}
