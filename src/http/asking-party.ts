/** The user and the agent that a request for consent is about: of the agent's token, or as a client names them. */
import type { FastifyRequest } from 'fastify';
import type { ConsentPair } from '../model/consents.js';
import { BadRequest } from '../model/faults.js';
import type { Client } from '../model/question.js';
import type { Service } from '../service/service.js';
import { requireCaller } from './edge/request-party.js';
import { getRequestTokens } from './edge/request-tokens.js';
import { readPartyReference, requireGrantObjects } from './grant-parties.js';

interface NamedParties {
  readonly token?: string | undefined;
  readonly user?: string | undefined;
  readonly agent?: string | undefined;
}

/** @throws BadRequest where the request doesn't name them, or its caller may not; Fault */
export async function resolveAskingParties(
  request: FastifyRequest,
  service: Service,
  named: NamedParties,
): Promise<ConsentPair> {
  const { userObject, agentObject } = requireGrantObjects(service);
  const caller = requireCaller(request);
  const toPair = (user: string, agent: string): ConsentPair => ({
    user: { type: userObject, id: user },
    agent: readPartyReference(agent, agentObject, 'agent'),
  });
  if (caller.kind === 'agent') {
    for (const member of ['token', 'user', 'agent'] as const)
      if (named[member] !== undefined) throw new BadRequest('is for clients: an agent asks with its own token', member);
    if (caller.user === undefined)
      throw new BadRequest('This needs a token for a user, whose session is alive.', '', 403, 'forbidden');
    return toPair(caller.user, caller.agent);
  }
  if (named.token !== undefined) {
    for (const member of ['user', 'agent'] as const)
      if (named[member] !== undefined) throw new BadRequest('can not be named beside a token', member);
    return readTokenParties(request, service, caller.client, named.token, toPair);
  }
  if (!caller.client.may.has('asserts_subject'))
    throw new BadRequest('is required, unless the client may "asserts_subject" and names user and agent', 'token');
  if (named.user === undefined) throw new BadRequest('is required where there is no token', 'user');
  if (named.agent === undefined) throw new BadRequest('is required where there is no token', 'agent');
  return toPair(named.user, named.agent);
}

async function readTokenParties(
  request: FastifyRequest,
  service: Service,
  { audience }: Client,
  text: string,
  toPair: (user: string, agent: string) => ConsentPair,
): Promise<ConsentPair> {
  const tokens = getRequestTokens(request, service.trust.verifier);
  const credential = await service.credentials.verifyAndConsume(
    { reading: tokens.read(text), by: 'client', audience, proof: {}, used: tokens.usedProofs },
    service.activePolicies.rules.vocabulary,
    service.now(),
    false,
  );
  if (!credential.ok) throw new BadRequest(`is not accepted: ${credential.reason.message}`, 'token');
  const { user, actors } = credential.token;
  if (credential.sessionEnded) throw new BadRequest('is of a session that has ended', 'token');
  if (user === undefined || actors[0] === undefined) throw new BadRequest('names no user, or no agent', 'token');
  return toPair(user, actors[0].id);
}
