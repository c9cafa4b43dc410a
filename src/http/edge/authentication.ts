/** Authenticates the caller of a route: a client by its key, an agent or a user by their own token. There is no anonymous mode. */
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestAsyncHookHandler,
  onRequestHookHandler,
} from 'fastify';
import { TLSSocket } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { Deadline } from '../../runtime/deadline.js';
import { BadRequest } from '../../model/faults.js';
import type { Caller, Client, AuthenticatedParty, ClientPermission } from '../../model/question.js';
import type { ReasonCode } from '../../model/reasons.js';
import { buildChallenge } from '../../policy/remedies.js';
import { sha256, type Service } from '../../service/service.js';
import type { PresentedToken, SingleUseProof } from '../../model/credential.js';
import type { CallerGroups } from '../../runtime/fair-limit.js';
import type { DelegationToken } from '../../model/delegation-token.js';
import { SIGNATURE_ALGORITHMS } from '../../tokens/issuers.js';
import { certificateThumbprint } from '../../tokens/proof-of-possession.js';
import { getClientGroups, getTokenGroups } from './caller-groups.js';
import { createProblem, sendTooManyRequests } from './errors.js';
import type { RateLimiter } from './rate-limit.js';
import { getRequestTokens } from './request-tokens.js';
import { restrictClient, type ListenerScope } from './listener-scope.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by {@link authenticate}; undefined on routes without it. */
    caller: AuthenticatedParty | undefined;
    /** The groups by which the caller shares limits with others; set together with it. */
    callerGroups: CallerGroups | undefined;
    /** The DPoP proof that the caller's token came with, until it is consumed. */
    singleUseProof: SingleUseProof | undefined;
  }
  interface FastifyInstance {
    /** The URL at which callers reach this service: proofs are made for it, and metadata states it. */
    getBaseUrl: () => string;
    rateLimiter: RateLimiter;
    listenerScope: ListenerScope;
  }
}

/** The callers that a route accepts beside clients with one of its permissions. */
export interface AcceptedCallers {
  readonly agents?: boolean;
  readonly users?: boolean;
}

/**
 * The hooks that run before a body is read: they authenticate the caller, hold it to its rate, take room for the body, and
 * consume the proof of its token. A request that is refused for its rate, or for want of room, consumes no proof.
 */
export function authenticate(
  app: FastifyInstance,
  service: Service,
  permissions: readonly ClientPermission[],
  accepted: AcceptedCallers = {},
): (onRequestHookHandler | onRequestAsyncHookHandler)[] {
  return [
    authenticateCaller(service, permissions, accepted),
    app.rateLimiter.limitCaller,
    app.health.admission.admit,
    consumeRequestProof(service),
  ];
}

/**
 * Lets through clients with one of the permissions and, where accepted, agents and users with their own token. Answers 401
 * to an unknown caller, with the challenges of RFC 6750 and RFC 9449, and 403 to a client without the permission.
 */
function authenticateCaller(
  service: Service,
  permissions: readonly ClientPermission[],
  { agents = false, users = false }: AcceptedCallers = {},
): onRequestAsyncHookHandler {
  const hashes = new LRUCache<string, string>({ max: 1000 });
  const hook: onRequestAsyncHookHandler = async (request, reply) => {
    const { scheme, credential } = parseAuthorizationHeader(request);
    if (scheme === undefined || credential === undefined)
      return sendUnauthorized(
        request,
        reply,
        'A credential is required: Authorization: Bearer <key>.',
        'token_missing',
      );
    let hash = hashes.get(credential);
    if (hash === undefined) {
      hash = sha256(credential);
      // Only known keys are cached, so that unknown callers can't fill the cache.
      if (service.trust.findClient(hash) !== undefined) hashes.set(credential, hash);
    }
    const configured = service.trust.findClient(hash);
    if (configured !== undefined) {
      const client = restrictClient(request.server.listenerScope, configured);
      if (!permissions.some((permission) => client.may.has(permission))) {
        const message =
          permissions.length === 0
            ? 'This is for agents, with their own token.'
            : `This client may not "${permissions.join('" or "')}".`;
        return reply.code(403).send(createProblem('forbidden', message));
      }
      request.caller = { kind: 'client', client };
      request.callerGroups = getClientGroups(client);
      request.server.transport.recognizeCaller(request.raw.socket);
      return undefined;
    }
    if (request.server.listenerScope === 'administration' || (!agents && !users) || credential.split('.').length !== 3)
      return sendUnauthorized(request, reply, 'This credential is not accepted here.', 'token_malformed');
    const caller = await authenticateToken(service, request, scheme === 'dpop', credential, agents ? 'agent' : 'user');
    if (typeof caller === 'string') return sendUnauthorized(request, reply, 'The token is not valid.', caller);
    if ('forbidden' in caller) return reply.code(403).send(createProblem('forbidden', caller.forbidden));
    request.caller = caller;
    request.server.transport.recognizeCaller(request.raw.socket);
    return undefined;
  };
  AUTHENTICATIONS.add(hook);
  return hook;
}

/** The hooks that let no stranger through. */
const AUTHENTICATIONS = new WeakSet<object>();

/** Whether a hook is one of {@link authenticate} that lets no stranger through. */
export function isAuthentication(hook: onRequestHookHandler | onRequestAsyncHookHandler): boolean {
  return AUTHENTICATIONS.has(hook);
}

/** Reads the scheme, in lower case, and the credential; both undefined where the header is absent or of another scheme. */
export function parseAuthorizationHeader({ headers }: FastifyRequest): {
  readonly scheme: string | undefined;
  readonly credential: string | undefined;
} {
  const [, scheme, credential] = /^(Bearer|DPoP) +([A-Za-z0-9._~+/=-]+)$/i.exec(headers.authorization ?? '') ?? [];
  return { scheme: scheme?.toLowerCase(), credential };
}

/**
 * Authenticates an agent or a user by their token; otherwise the reason, which the caller is not told, or why a genuine
 * token is not for here.
 * @throws RateLimitExceeded
 */
async function authenticateToken(
  service: Service,
  request: FastifyRequest,
  isDpop: boolean,
  token: string,
  kind: 'agent' | 'user',
): Promise<AuthenticatedParty | ReasonCode | { readonly forbidden: string }> {
  const { dpop } = request.headers;
  // A bound token as a mere bearer would undo the binding, an unbound one as DPoP would claim one (RFC 9449 7.1, 7.2).
  if (isDpop !== (dpop !== undefined)) return isDpop ? 'proof_missing' : 'proof_invalid';
  const url = `${request.server.getBaseUrl()}${request.url}`;
  const tokens = getRequestTokens(request, service.trust.verifier);
  const presented: PresentedToken = {
    reading: tokens.read(token),
    by: kind,
    // The token must be for Remit itself: the audience of its issuer.
    audience: undefined,
    proof: {
      certificate: readConnectionThumbprint(request),
      dpop: typeof dpop === 'string' ? { jwt: dpop, method: request.method, url } : undefined,
    },
    used: tokens.usedProofs,
  };
  const refundVerification = request.server.rateLimiter.takeVerification(request, token);
  const { vocabulary } = service.activePolicies.rules;
  const credential = await Deadline.run(service.deadlineMs, (deadline) =>
    deadline.race(service.credentials.verify(presented, vocabulary, service.now())),
  );
  if (!credential.ok) return credential.reason.code;
  refundVerification();
  // The token of an ended session is refused to its user here; an agent's is denied by the decision.
  if (kind === 'user' && credential.sessionEnded) return 'session_ended';
  const problem = kind === 'user' ? findUserClientProblem(service, credential.token) : undefined;
  if (problem !== undefined) return { forbidden: problem };
  request.singleUseProof = credential.singleUseProof;
  request.callerGroups = getTokenGroups(credential.token);
  const { user, actors } = credential.token;
  return kind === 'user'
    ? { kind: 'user', user: user ?? '' }
    : { kind: 'agent', agent: actors[0]?.id ?? '', presented };
}

/**
 * Why the token is no person's own: it was issued to another application than those that people use. An agent may hold a
 * token of its user's that names no actor; by its client alone it is told from one that the user holds.
 */
function findUserClientProblem(service: Service, { issuer, clientId }: DelegationToken): string | undefined {
  const userClients = service.trust.issuers.find(issuer)?.user_clients ?? [];
  if (clientId !== undefined && userClients.includes(clientId)) return undefined;
  const cure =
    userClients.length === 0
      ? 'none are configured ("user_clients" of the issuer)'
      : 'this one is not among the "user_clients" of its issuer';
  return `This is for people, with a token that was issued to an application for people: ${cure}.`;
}

/** Consumes the proof that the caller's token came with, and answers 401 where it was used before. */
function consumeRequestProof(service: Service): onRequestAsyncHookHandler {
  return async (request, reply) => {
    const { singleUseProof: proof } = request;
    if (proof === undefined) return undefined;
    const { usedProofs } = getRequestTokens(request, service.trust.verifier);
    const isFirstUse = await service.credentials.consumeProof(proof, usedProofs, service.now());
    return isFirstUse ? undefined : sendUnauthorized(request, reply, 'The token is not valid.', 'proof_replayed');
  };
}

/** The thumbprint of the client's certificate; undefined where the connection has none. */
function readConnectionThumbprint({ raw: { socket } }: FastifyRequest): string | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return certificate === undefined ? undefined : certificateThumbprint(certificate.toString());
}

/** The caller that {@link authenticate} let through. */
export function requireParty(request: FastifyRequest): AuthenticatedParty {
  if (request.caller === undefined) throw new TypeError('the route has no caller');
  return request.caller;
}

/** The same on a route that accepts no users. */
export function requireCaller(request: FastifyRequest): Caller {
  const party = requireParty(request);
  if (party.kind === 'user') throw new TypeError('the route takes users');
  return party;
}

export function requireClient(request: FastifyRequest): Client {
  const caller = requireParty(request);
  if (caller.kind !== 'client') throw new BadRequest('This is for clients.', '', 403, 'forbidden');
  return caller.client;
}

function sendUnauthorized(
  request: FastifyRequest,
  reply: FastifyReply,
  message: string,
  code: ReasonCode,
): FastifyReply {
  const failures = reply.server.rateLimiter.countFailure(request);
  if (!failures.allowed) return sendTooManyRequests(reply, failures);
  return reply
    .code(401)
    .header('www-authenticate', buildChallenges(reply, buildChallenge(code)))
    .send(createProblem('unauthorized', message));
}

/** The challenges of a 401: the cause, the URL of the metadata, and that DPoP is accepted as well. */
export function buildChallenges(reply: FastifyReply, challenge: string): string {
  const metadata = `resource_metadata="${reply.server.getBaseUrl()}/.well-known/oauth-protected-resource"`;
  const algorithms = `algs="${SIGNATURE_ALGORITHMS.join(' ')}"`;
  const [scheme = '', ...parameters] = challenge.split(/ (.*)/s).filter((p) => p !== '');
  const withParameter = (parameter: string): string => `${scheme} ${[...parameters, parameter].join(', ')}`;
  return scheme === 'DPoP'
    ? withParameter(`${algorithms}, ${metadata}`)
    : `${withParameter(metadata)}, DPoP ${algorithms}`;
}
