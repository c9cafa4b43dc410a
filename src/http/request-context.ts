/** Builds what the questions of one request share; the evaluation, search, filter and capability routes call it. */
import type { FastifyRequest } from 'fastify';
import type { Service } from '../service/service.js';
import { MAX_PART_LENGTH, type RequestContext } from './authzen-request.js';
import { requireCaller } from './edge/authentication.js';
import { getRequestTokens } from './edge/request-tokens.js';

/**
 * @param tokenExpected another part of the batch carries a token, so each must
 * @param explain the answer, and the record, name the relationships that grant
 */
export function createRequestContext(
  request: FastifyRequest,
  service: Service,
  { tokenExpected: tokenRequired = false, explain = false } = {},
): RequestContext {
  return {
    caller: requireCaller(request),
    account: {
      groups: request.callerGroups ?? [],
      countRecord: (bytes) => {
        request.server.rateLimiter.countRecord(request, bytes);
      },
    },
    requestId: readRequestId(request),
    tokenRequired: tokenRequired,
    explain,
    isSmallBody: Number(request.headers['content-length'] ?? Infinity) <= MAX_PART_LENGTH,
    relationships: service.activePolicies.engine,
    tokens: getRequestTokens(request, service.trust.verifier),
  };
}

/** The caller's name for the request; undefined where it has none, or one that can't be echoed in a header. */
export function readRequestId(request: FastifyRequest): string | undefined {
  const header = request.headers['x-request-id'];
  return typeof header === 'string' && /^[\x20-\x7e]{1,256}$/.test(header) ? header : undefined;
}
