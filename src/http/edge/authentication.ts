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
import type { Caller, Client, Party, Permission } from '../../model/question.js';
import type { ReasonCode } from '../../model/reasons.js';
import { challengeOf } from '../../policy/remedies.js';
import { sha256, type Service } from '../../service/service.js';
import type { Presented } from '../../model/credential.js';
import { ALGORITHMS } from '../../tokens/issuers.js';
import { certificateThumbprint } from '../../tokens/proof.js';
import { type SingleUse } from '../../model/credential.js';
import { problem } from './errors.js';
import { tooMany, type Throttle } from './rate-limit.js';
import { seenOn, type Part } from './listener-scope.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by {@link admitted} on every route that asks for it. */
    caller: Party | undefined;
    /** The DPoP proof that the caller's token came with. */
    proofUse: { readonly use: SingleUse; readonly used: Presented['used'] } | undefined;
  }
  interface FastifyInstance {
    /** Where clients and agents reach this service: what a proof is made for, and what metadata says. */
    base: () => string;
    throttle: Throttle;
    /** What this listener is for. */
    part: Part;
  }
}

/** Who may call a route, beside clients with one of its permissions. */
export interface Also {
  readonly agents?: boolean;
  readonly users?: boolean;
}

/** Before a body is read: who calls, at what rate, and with a proof that is good for this request alone. */
export function admitted(
  app: FastifyInstance,
  service: Service,
  permissions: readonly Permission[],
  also: Also = {},
): (onRequestHookHandler | onRequestAsyncHookHandler)[] {
  return [callers(service, permissions, also), app.throttle.ofCaller, useProof(service)];
}

/**
 * A hook that, before a body is read, lets through clients with one of the permissions and, where `also` says so,
 * agents and users with their own token.
 * @returns 401 for an unknown caller, with the challenge of RFC 6750 and RFC 9449; 403 for one that may not
 */
function callers(
  service: Service,
  permissions: readonly Permission[],
  { agents = false, users = false }: Also = {},
): onRequestAsyncHookHandler {
  const hashes = new LRUCache<string, string>({ max: 1000 });
  return async (request, reply) => {
    const { scheme, credential } = credentialOf(request);
    if (scheme === undefined || credential === undefined)
      return unauthorized(request, reply, 'A credential is required: Authorization: Bearer <key>.', 'token_missing');
    let hash = hashes.get(credential);
    if (hash === undefined) {
      hash = sha256(credential);
      // Only keys are kept, so that what a stranger sends can't fill the cache.
      if (service.access.clientOf(hash) !== undefined) hashes.set(credential, hash);
    }
    const known = service.access.clientOf(hash);
    if (known !== undefined) {
      const client = seenOn(request.server.part, known);
      if (!permissions.some((permission) => client.may.has(permission))) {
        const why =
          permissions.length === 0
            ? 'This is for agents, with their own token.'
            : `This client may not "${permissions.join('" or "')}".`;
        return reply.code(403).send(problem('forbidden', why));
      }
      request.caller = { kind: 'client', client };
      return undefined;
    }
    if (request.server.part === 'administration' || (!agents && !users) || credential.split('.').length !== 3)
      return unauthorized(request, reply, 'This credential is not accepted here.', 'token_malformed');
    const caller = await holder(service, request, scheme === 'dpop', credential, agents ? 'agent' : 'user');
    if (typeof caller === 'string') return unauthorized(request, reply, 'The token is not valid.', caller);
    request.caller = caller;
    return undefined;
  };
}

/** The scheme in lower case, and the credential; neither where nobody has presented one of those that are understood. */
export function credentialOf({ headers }: FastifyRequest): {
  readonly scheme: string | undefined;
  readonly credential: string | undefined;
} {
  const [, scheme, credential] = /^(Bearer|DPoP) +([A-Za-z0-9._~+/=-]+)$/i.exec(headers.authorization ?? '') ?? [];
  return { scheme: scheme?.toLowerCase(), credential };
}

/** The agent or the user whose token it is, or why it isn't accepted: which the presenter is not told. */
async function holder(
  service: Service,
  request: FastifyRequest,
  bound: boolean,
  token: string,
  by: 'agent' | 'user',
): Promise<Party | ReasonCode> {
  const { dpop } = request.headers;
  // A bound token as a mere bearer would undo the binding, an unbound one as DPoP would claim one (RFC 9449 7.1, 7.2).
  if (bound !== (dpop !== undefined)) return bound ? 'proof_missing' : 'proof_invalid';
  const url = `${request.server.base()}${request.url}`;
  const presented: Presented = {
    token,
    by,
    // Meant for Remit itself, which the issuer's audience says.
    audience: undefined,
    proof: {
      certificate: connectionCertificate(request),
      dpop: typeof dpop === 'string' ? { jwt: dpop, method: request.method, url } : undefined,
    },
    used: new Map(),
  };
  const { vocabulary } = service.rules();
  const credential = await Deadline.of(service.deadlineMs, (deadline) =>
    deadline.hold(service.credentials.present(presented, vocabulary, service.now())),
  );
  if (!credential.ok) return credential.reason.code;
  // A session that has been ended speaks for nobody, its own user included; of an agent's the decision says so.
  if (by === 'user' && credential.sessionEnded) return 'session_ended';
  request.proofUse = credential.use === undefined ? undefined : { use: credential.use, used: presented.used };
  const { user, actors } = credential.token;
  return by === 'user' ? { kind: 'user', user: user ?? '' } : { kind: 'agent', agent: actors[0]?.id ?? '', presented };
}

/** Uses up the proof that the request came with: after its rate, so that what is refused for that costs nothing. */
function useProof(service: Service): onRequestAsyncHookHandler {
  return async (request, reply) => {
    const { proofUse } = request;
    if (proofUse === undefined) return undefined;
    const fresh = await service.credentials.use(proofUse.use, proofUse.used, service.now());
    return fresh ? undefined : unauthorized(request, reply, 'The token is not valid.', 'proof_replayed');
  };
}

/** Of the client's certificate, where the connection itself is TLS and asks for one. */
function connectionCertificate({ raw: { socket } }: FastifyRequest): string | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return certificate === undefined ? undefined : certificateThumbprint(certificate.toString());
}

/** Whom {@link admitted} let through. */
export function partyOf(request: FastifyRequest): Party {
  if (request.caller === undefined) throw new TypeError('the route has no caller');
  return request.caller;
}

/** The same, on a route that takes no users. */
export function callerOf(request: FastifyRequest): Caller {
  const party = partyOf(request);
  if (party.kind === 'user') throw new TypeError('the route takes users');
  return party;
}

export function clientOf(request: FastifyRequest): Client {
  const caller = partyOf(request);
  if (caller.kind !== 'client') throw new BadRequest('This is for clients.', '', 403, 'forbidden');
  return caller.client;
}

function unauthorized(request: FastifyRequest, reply: FastifyReply, message: string, code: ReasonCode): FastifyReply {
  if (reply.server.throttle.failed(request)) return tooMany(reply);
  return reply
    .code(401)
    .header('www-authenticate', challenges(reply, challengeOf(code)))
    .send(problem('unauthorized', message));
}

/** The challenges that an agent gets: what went wrong, where to read what is needed, and that DPoP will do as well. */
export function challenges(reply: FastifyReply, challenge: string): string {
  const metadata = `resource_metadata="${reply.server.base()}/.well-known/oauth-protected-resource"`;
  const algorithms = `algs="${ALGORITHMS.join(' ')}"`;
  const [scheme = '', ...parameters] = challenge.split(/ (.*)/s).filter((p) => p !== '');
  const own = (more: string): string => `${scheme} ${[...parameters, more].join(', ')}`;
  return scheme === 'DPoP' ? own(`${algorithms}, ${metadata}`) : `${own(metadata)}, DPoP ${algorithms}`;
}
