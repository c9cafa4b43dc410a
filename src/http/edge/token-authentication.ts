/**
 * Authenticates agents and users by tokens of their own, and clients by those that an issuer gives them for themselves: a
 * token that is genuine and current, with its proof, for Remit itself.
 */
import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import { TLSSocket } from 'node:tls';
import type { HeldCredential, PresentedToken } from '../../model/credential.js';
import type { DelegationToken } from '../../model/delegation-token.js';
import type { AuthenticatedParty } from '../../model/question.js';
import type { ReasonCode } from '../../model/reasons.js';
import { Deadline } from '../../runtime/deadline.js';
import type { Service } from '../../service/service.js';
import { certificateThumbprint } from '../../tokens/proof-of-possession.js';
import { getTokenGroups } from './caller-groups.js';
import { getRequestTokens } from './request-tokens.js';
import { sendUnauthorized } from './unauthorized.js';

/** The parties that a route accepts beside clients. */
export type TokenParty = 'agent' | 'user';
/** All whom a route accepts, as a refusal names them. */
interface AcceptedParties {
  readonly clients: boolean;
  readonly parties: readonly TokenParty[];
}

/**
 * Authenticates the party that a token is of: the client whose own it is, or else the first of the parties that are
 * accepted here; otherwise the reason, which the caller is not told, or why a genuine token is not for here.
 * @throws RateLimitExceeded
 */
export async function authenticateToken(
  service: Service,
  request: FastifyRequest,
  { isDpop, token }: { readonly isDpop: boolean; readonly token: string },
  accepted: AcceptedParties,
): Promise<AuthenticatedParty | ReasonCode | { readonly forbidden: string }> {
  const { dpop } = request.headers;
  // A bound token as a mere bearer would undo the binding, an unbound one as DPoP would claim one (RFC 9449 7.1, 7.2).
  if (isDpop !== (dpop !== undefined)) return isDpop ? 'proof_missing' : 'proof_invalid';
  const url = `${request.server.getAskedUrl(request)}${request.url}`;
  const tokens = getRequestTokens(request, service.trust.verifier);
  const presented: PresentedToken = {
    reading: tokens.read(token),
    by: 'agent',
    // The token must be for Remit itself: the audience of its issuer.
    audience: undefined,
    proof: {
      certificate: readConnectionThumbprint(request),
      dpop: typeof dpop === 'string' ? { jwt: dpop, method: request.method, url } : undefined,
    },
    used: tokens.usedProofs,
  };
  const refundVerification = request.server.rateLimiter.takeVerification(request, token);
  return Deadline.run(service.deadlineMs, async (deadline) => {
    const held = await deadline.race(service.credentials.verifyHolder(presented, service.now()));
    if (!held.ok) return held.reason.code;
    refundVerification();
    const client = service.trust.findTokenClient(held.token);
    if (client !== undefined) {
      if (held.sessionEnded) return 'session_ended';
      request.singleUseProof = held.singleUseProof;
      return { kind: 'client', client };
    }
    for (const party of accepted.parties) {
      const result = await deadline.race(admitParty(service, request, { held, presented }, party));
      if (result !== undefined) return result;
    }
    return { forbidden: describeMisplaced(held.token, accepted) };
  });
}

/** @returns undefined where the token is none of such a party */
async function admitParty(
  service: Service,
  request: FastifyRequest,
  { held, presented }: { readonly held: HeldCredential; readonly presented: PresentedToken },
  party: TokenParty,
): Promise<AuthenticatedParty | ReasonCode | { readonly forbidden: string } | undefined> {
  const { vocabulary } = service.activePolicies.rules;
  const credential = await service.credentials.checkParties(held, party, vocabulary);
  if (!credential.ok) return undefined;
  const { token, sessionEnded } = held;
  // The token of an ended session is refused to its user here; an agent's is denied by the decision.
  if (party === 'user' && sessionEnded) return 'session_ended';
  const problem = party === 'user' ? findUserClientProblem(service, token) : undefined;
  if (problem !== undefined) return { forbidden: problem };
  request.singleUseProof = held.singleUseProof;
  request.callerGroups = getTokenGroups(token);
  const { user, actors, authenticatedAt, clientId } = token;
  return party === 'user'
    ? { kind: 'user', user: user ?? '', authenticatedAt, clientId, token }
    : { kind: 'agent', agent: actors[0]?.id ?? '', user: sessionEnded ? undefined : user, presented };
}

/** Says for whom this is, and whose the token is that was presented: what it states, and nothing that is known of the party. */
function describeMisplaced(
  { actors, user, clientId }: Pick<DelegationToken, 'actors' | 'user' | 'clientId'>,
  { clients, parties }: AcceptedParties,
): string {
  const [agents, people] = [parties.includes('agent'), parties.includes('user')];
  const accepted = [...(clients ? ['clients'] : []), ...(agents ? ['agents'] : []), ...(people ? ['people'] : [])];
  const list = [accepted.slice(0, -1).join(', '), ...accepted.slice(-1)].filter((text) => text !== '').join(' and ');
  const owner =
    actors.length > 0
      ? agents
        ? 'names an actor that can not act here'
        : 'is an agent’s'
      : user === undefined
        ? 'names neither a person nor an agent'
        : 'names a person, and no agent';
  const login = clients && clientId !== undefined ? ', and its client is none that can log in here' : '';
  return `This is for ${list}: this token ${owner}${login}.`;
}

/**
 * Finds the reason that the token is no person's own: it was issued to another application than those that people use.
 * An agent may hold a token of its user's that names no actor; by its client alone it is told from one that the user
 * holds.
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
export function consumeRequestProof(service: Service): onRequestAsyncHookHandler {
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
