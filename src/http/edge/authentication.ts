/** Who calls: a client by its key, an agent or a user by their own token. There is no anonymous mode. */
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
import type { PresentedToken } from '../../model/credential.js';
import { SIGNATURE_ALGORITHMS } from '../../tokens/issuers.js';
import { certificateThumbprint } from '../../tokens/proof-of-possession.js';
import { type SingleUseProof } from '../../model/credential.js';
import { createProblem } from './errors.js';
import { sendTooManyRequests, type RateLimiter } from './rate-limit.js';
import { restrictClient, type ListenerScope } from './listener-scope.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by {@link authenticate} on every route that asks for it. */
    caller: AuthenticatedParty | undefined;
    /** The DPoP proof that the caller's token came with. */
    proofUse: { readonly use: SingleUseProof; readonly used: PresentedToken['used'] } | undefined;
  }
  interface FastifyInstance {
    /** Where clients and agents reach this service: what a proof is made for, and what metadata says. */
    base: () => string;
    throttle: RateLimiter;
    /** What this listener is for. */
    part: ListenerScope;
  }
}

/** Who may call a route, beside clients with one of its permissions. */
export interface AcceptedCallers {
  readonly agents?: boolean;
  readonly users?: boolean;
}

/** Before a body is read: who calls, at what rate, and with a proof that is good for this request alone. */
export function authenticate(
  app: FastifyInstance,
  service: Service,
  permissions: readonly ClientPermission[],
  accepted: AcceptedCallers = {},
): (onRequestHookHandler | onRequestAsyncHookHandler)[] {
  return [authenticateCaller(service, permissions, accepted), app.throttle.limitCaller, consumeRequestProof(service)];
}

/**
 * A hook that, before a body is read, lets through clients with one of the permissions and, where `also` says so,
 * agents and users with their own token.
 * @returns 401 for an unknown caller, with the challenge of RFC 6750 and RFC 9449; 403 for one that may not
 */
function authenticateCaller(
  service: Service,
  permissions: readonly ClientPermission[],
  { agents = false, users = false }: AcceptedCallers = {},
): onRequestAsyncHookHandler {
  const hashes = new LRUCache<string, string>({ max: 1000 });
  return async (request, reply) => {
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
      // Only keys are kept, so that what a stranger sends can't fill the cache.
      if (service.trust.findClient(hash) !== undefined) hashes.set(credential, hash);
    }
    const configured = service.trust.findClient(hash);
    if (configured !== undefined) {
      const client = restrictClient(request.server.part, configured);
      if (!permissions.some((permission) => client.may.has(permission))) {
        const message =
          permissions.length === 0
            ? 'This is for agents, with their own token.'
            : `This client may not "${permissions.join('" or "')}".`;
        return reply.code(403).send(createProblem('forbidden', message));
      }
      request.caller = { kind: 'client', client };
      return undefined;
    }
    if (request.server.part === 'administration' || (!agents && !users) || credential.split('.').length !== 3)
      return sendUnauthorized(request, reply, 'This credential is not accepted here.', 'token_malformed');
    const caller = await authenticateToken(service, request, scheme === 'dpop', credential, agents ? 'agent' : 'user');
    if (typeof caller === 'string') return sendUnauthorized(request, reply, 'The token is not valid.', caller);
    request.caller = caller;
    return undefined;
  };
}

/** The scheme in lower case, and the credential; neither where nobody has presented one of those that are understood. */
export function parseAuthorizationHeader({ headers }: FastifyRequest): {
  readonly scheme: string | undefined;
  readonly credential: string | undefined;
} {
  const [, scheme, credential] = /^(Bearer|DPoP) +([A-Za-z0-9._~+/=-]+)$/i.exec(headers.authorization ?? '') ?? [];
  return { scheme: scheme?.toLowerCase(), credential };
}

/** The agent or the user whose token it is, or why it isn't accepted: which the presenter is not told. */
async function authenticateToken(
  service: Service,
  request: FastifyRequest,
  isDpop: boolean,
  token: string,
  kind: 'agent' | 'user',
): Promise<AuthenticatedParty | ReasonCode> {
  const { dpop } = request.headers;
  // A bound token as a mere bearer would undo the binding, an unbound one as DPoP would claim one (RFC 9449 7.1, 7.2).
  if (isDpop !== (dpop !== undefined)) return isDpop ? 'proof_missing' : 'proof_invalid';
  const url = `${request.server.base()}${request.url}`;
  const presented: PresentedToken = {
    token,
    by: kind,
    // Meant for Remit itself, which the issuer's audience says.
    audience: undefined,
    proof: {
      certificate: readConnectionThumbprint(request),
      dpop: typeof dpop === 'string' ? { jwt: dpop, method: request.method, url } : undefined,
    },
    used: new Map(),
  };
  const { vocabulary } = service.rules();
  const credential = await Deadline.run(service.deadlineMs, (deadline) =>
    deadline.race(service.credentials.verify(presented, vocabulary, service.now())),
  );
  if (!credential.ok) return credential.reason.code;
  // A session that has been ended speaks for nobody, its own user included; of an agent's the decision says so.
  if (kind === 'user' && credential.sessionEnded) return 'session_ended';
  request.proofUse =
    credential.singleUseProof === undefined ? undefined : { use: credential.singleUseProof, used: presented.used };
  const { user, actors } = credential.token;
  return kind === 'user'
    ? { kind: 'user', user: user ?? '' }
    : { kind: 'agent', agent: actors[0]?.id ?? '', presented };
}

/** Uses up the proof that the request came with: after its rate, so that what is refused for that costs nothing. */
function consumeRequestProof(service: Service): onRequestAsyncHookHandler {
  return async (request, reply) => {
    const { proofUse } = request;
    if (proofUse === undefined) return undefined;
    const fresh = await service.credentials.consumeProof(proofUse.use, proofUse.used, service.now());
    return fresh ? undefined : sendUnauthorized(request, reply, 'The token is not valid.', 'proof_replayed');
  };
}

/** Of the client's certificate, where the connection itself is TLS and asks for one. */
function readConnectionThumbprint({ raw: { socket } }: FastifyRequest): string | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return certificate === undefined ? undefined : certificateThumbprint(certificate.toString());
}

/** Whom {@link authenticate} let through. */
export function requireParty(request: FastifyRequest): AuthenticatedParty {
  if (request.caller === undefined) throw new TypeError('the route has no caller');
  return request.caller;
}

/** The same, on a route that takes no users. */
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
  if (reply.server.throttle.isFailureRateExceeded(request)) return sendTooManyRequests(reply);
  return reply
    .code(401)
    .header('www-authenticate', buildChallenges(reply, buildChallenge(code)))
    .send(createProblem('unauthorized', message));
}

/** The challenges that an agent gets: what went wrong, where to read what is needed, and that DPoP will do as well. */
export function buildChallenges(reply: FastifyReply, challenge: string): string {
  const metadata = `resource_metadata="${reply.server.base()}/.well-known/oauth-protected-resource"`;
  const algorithms = `algs="${SIGNATURE_ALGORITHMS.join(' ')}"`;
  const [scheme = '', ...parameters] = challenge.split(/ (.*)/s).filter((p) => p !== '');
  const withParameter = (parameter: string): string => `${scheme} ${[...parameters, parameter].join(', ')}`;
  return scheme === 'DPoP'
    ? withParameter(`${algorithms}, ${metadata}`)
    : `${withParameter(metadata)}, DPoP ${algorithms}`;
}
