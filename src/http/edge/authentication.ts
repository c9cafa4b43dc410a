/**
 * Authenticates the caller of a route: a client by its key or its own token, an agent or a user by theirs. There is no
 * anonymous mode.
 */
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestAsyncHookHandler,
  onRequestHookHandler,
} from 'fastify';
import { LRUCache } from 'lru-cache';
import type { SingleUseProof } from '../../model/credential.js';
import type { AuthenticatedParty, Client, ClientPermission } from '../../model/question.js';
import type { CallerGroups } from '../../runtime/fair-limit.js';
import { sha256 } from '../../runtime/sha256.js';
import type { Service } from '../../service/service.js';
import { parseAuthorizationHeader } from './authorization-header.js';
import { getClientGroups } from './caller-groups.js';
import { createProblem } from './errors.js';
import { restrictClient, type ListenerScope } from './listener-scope.js';
import type { RateLimiter } from './rate-limit.js';
import { authenticateToken, consumeRequestProof, type TokenParty } from './token-authentication.js';
import { sendUnauthorized } from './unauthorized.js';

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
    /** The URL at which callers reach this service. */
    getBaseUrl: () => string;
    /** The URL at which this request has reached it: proofs are made for it, and metadata states it. */
    getAskedUrl: (request: FastifyRequest) => string;
    rateLimiter: RateLimiter;
    listenerScope: ListenerScope;
  }
}

/** The callers that a route accepts beside clients with one of its permissions. */
export interface AcceptedCallers {
  readonly agents?: boolean;
  readonly users?: boolean;
}

export type AuthenticationHooks = ReturnType<typeof authenticate>;

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
 * to an unknown caller, with the challenges of RFC 6750 and RFC 9449, and 403 to a client without the permission or a
 * genuine token of another kind.
 */
function authenticateCaller(
  service: Service,
  permissions: readonly ClientPermission[],
  { agents = false, users = false }: AcceptedCallers = {},
): onRequestAsyncHookHandler {
  const parties: readonly TokenParty[] = [
    ...(agents ? (['agent'] as const) : []),
    ...(users ? (['user'] as const) : []),
  ];
  const admitClient = (request: FastifyRequest, reply: FastifyReply, configured: Client): FastifyReply | undefined => {
    const client = restrictClient(request.server.listenerScope, configured);
    if (!permissions.some((permission) => client.may.has(permission))) {
      const message =
        permissions.length === 0
          ? `This is for ${users ? (agents ? 'people and agents' : 'people') : 'agents'}, with a token of their own.`
          : `This client may not "${permissions.join('" or "')}".`;
      return reply.code(403).send(createProblem('forbidden', message));
    }
    request.caller = { kind: 'client', client };
    request.callerGroups = getClientGroups(client);
    request.server.transport.recognizeCaller(request.raw.socket);
    return undefined;
  };
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
    if (configured !== undefined) return admitClient(request, reply, configured);
    if (credential.split('.').length !== 3)
      return sendUnauthorized(request, reply, NEITHER_KEY_NOR_TOKEN, 'token_malformed');
    const presented = { isDpop: scheme === 'dpop', token: credential };
    // Administration is for clients. A good token at the wrong place is told so, and only a bad one that it is bad.
    const isAdministration = request.server.listenerScope === 'administration';
    const caller = await authenticateToken(service, request, presented, {
      clients: permissions.length > 0 || isAdministration,
      parties: isAdministration ? [] : parties,
    });
    if (typeof caller === 'string') return sendUnauthorized(request, reply, 'The token is not valid.', caller);
    if ('forbidden' in caller) return reply.code(403).send(createProblem('forbidden', caller.forbidden));
    if (caller.kind === 'client') return admitClient(request, reply, caller.client);
    request.caller = caller;
    request.server.transport.recognizeCaller(request.raw.socket);
    return undefined;
  };
  AUTHENTICATIONS.add(hook);
  return hook;
}

const NEITHER_KEY_NOR_TOKEN =
  'This credential is neither the key of a client nor a token, which is a JWT: three parts with dots between them.';
/** The hooks that let no stranger through. */
const AUTHENTICATIONS = new WeakSet<object>();

/** Whether a hook is one of {@link authenticate} that lets no stranger through. */
export function isAuthentication(hook: onRequestHookHandler | onRequestAsyncHookHandler): boolean {
  return AUTHENTICATIONS.has(hook);
}
