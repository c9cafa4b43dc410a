/** Builds what the questions of one request share; the evaluation, search, filter and capability routes call it. */
import type { FastifyRequest } from 'fastify';
import type { Service } from '../service/service.js';
import type { RequestContext } from './authzen-request.js';
import { requireCaller } from './edge/request-party.js';
import { requireTurn } from './edge/decision-turns.js';
import { readIdempotencyKey } from './idempotency-key.js';
import { getRequestTokens } from './edge/request-tokens.js';

interface SharedOptions {
  /** Another part of the batch carries a token, so each must. */
  readonly tokenExpected?: boolean;
  /** The answer, and the record, name the relationships that grant. */
  readonly explain?: boolean;
  /** The answers are decisions: a request may repeat them by its `Idempotency-Key`, and present approvals. */
  readonly repeatable?: boolean;
}

/** The context that the items of a batch share: all but the account, since each has a turn of its own. */
export type BatchContext = Omit<RequestContext, 'account'>;

export function createRequestContext(
  request: FastifyRequest,
  service: Service,
  options: SharedOptions = {},
): RequestContext {
  return { ...createBatchContext(request, service, options), account: requireTurn(request).account };
}

export function createBatchContext(
  request: FastifyRequest,
  service: Service,
  { tokenExpected: tokenRequired = false, explain = false, repeatable = false }: SharedOptions = {},
): BatchContext {
  return {
    caller: requireCaller(request),
    requestId: readRequestId(request),
    idempotencyKey: repeatable ? readIdempotencyKey(request) : undefined,
    tokenRequired,
    usesApprovals: repeatable,
    explain,
    relationships: service.activePolicies.engine,
    tokens: getRequestTokens(request, service.trust.verifier),
    headerToken: readHeaderToken(request),
    partyTypes: service.activePolicies.rules.vocabulary,
  };
}

/** The agent's token, of a client that can set a header and not shape a body. Sent twice it is none that verifies. */
function readHeaderToken(request: FastifyRequest): string | undefined {
  const header = request.headers['remit-token'];
  return typeof header === 'string' ? header : undefined;
}

/** The caller's name for the request; undefined where it has none, or one that can't be echoed in a header. */
export function readRequestId(request: FastifyRequest): string | undefined {
  const header = request.headers['x-request-id'];
  return typeof header === 'string' && /^[\x20-\x7e]{1,256}$/.test(header) ? header : undefined;
}
