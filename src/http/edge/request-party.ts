/** The caller of a request whose route has authenticated one, as the route needs it. */
import type { FastifyRequest } from 'fastify';
import { BadRequest } from '../../model/faults.js';
import type { AuthenticatedParty, AuthenticatedUser, Caller, Client } from '../../model/question.js';

/** The caller that authentication let through. */
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

/** The user on a route that is for people alone. */
export function requireUser(request: FastifyRequest): AuthenticatedUser {
  const party = requireParty(request);
  if (party.kind !== 'user')
    throw new BadRequest('This is for people, with a token of their own.', '', 403, 'forbidden');
  return party;
}

export function requireClient(request: FastifyRequest): Client {
  const caller = requireParty(request);
  if (caller.kind !== 'client') throw new BadRequest('This is for clients.', '', 403, 'forbidden');
  return caller.client;
}
