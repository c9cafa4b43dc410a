/** `/v1/delegations` and below: which agents may act for a user, and within which bounds. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { narrowBounds } from '../../govern/narrow-delegation.js';
import { checkGrantLimits } from '../../govern/limits/grant-limits.js';
import { checkRequestedDetails, nameDeletion } from '../../govern/requested-details.js';
import type { DelegationPair } from '../../model/delegations.js';
import { BadRequest } from '../../model/faults.js';
import type { EntityRef } from '../../model/ids.js';
import { formatCallerId, type AuthenticatedUser, type Client } from '../../model/question.js';
import { completeLimits } from '../../policy/schema/limits-format.js';
import type { Service } from '../../service/service.js';
import { idFormat } from '../authzen-formats.js';
import {
  delegationFormat,
  fromStored,
  givenDelegationBody,
  narrowedDelegationBody,
  readBounds,
  requireAccess,
  toDelegationJson,
  type VisibleDelegation,
} from '../delegation-json.js';
import { findVisibleDelegation, isOthersDelegation, listVisibleDelegations } from '../visible-delegations.js';
import { authenticate, type AuthenticationHooks } from '../edge/authentication.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { hasSignedInLately, sendSignInNeeded } from '../edge/recent-sign-in.js';
import { requireParty } from '../edge/request-party.js';
import { readPartyReference, requireGrantObjects } from '../grant-parties.js';
import { requireFuture } from '../grant-terms.js';
import type { TypedApp } from '../typed-app.js';

const agentParams = z.object({ agent: z.string().min(1).max(4096).describe('`mail-bot` or `agent:mail-bot`') });
const userQuery = z.strictObject({
  user: idFormat.optional().describe('For clients that may `delegate`: the user in whose name'),
});
const delegationListFormat = z.object({ delegations: z.array(delegationFormat) }).meta({ id: 'DelegationList' });
const NO_DELEGATION = createProblem('not_found', 'There is no such delegation.');
/** Changes of one delegation by others that a change may meet. */
const MAX_RACES = 5;

export function delegationRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['delegate'], { users: true });
  giveDelegationRoute(app, service, onRequest);
  readDelegationRoutes(app, service, onRequest);
  narrowDelegationRoute(app, service, onRequest);
  endDelegationRoute(app, service, onRequest);
}

function giveDelegationRoute(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.post('/v1/delegations', {
    schema: {
      tags: ['delegations'],
      summary: 'Delegate to an agent, in place of what was delegated to it before',
      body: givenDelegationBody,
      response: { 201: delegationFormat, ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const { body } = request;
      const { caller, giver } = requireGiver(request, service, body.user);
      const agent = readPartyReference(body.agent, requireGrantObjects(service).agentObject, 'agent');
      const bounds = readBounds(body, service.now());
      const { rules } = service.activePolicies;
      if (bounds.details !== undefined) checkRequestedDetails(bounds.details, rules, 'details');
      checkGrantLimits(bounds.limits ?? [], bounds.details, rules);
      if (caller.kind === 'client') requireClientBounds(bounds.ends, service);
      else if (nameDeletion(bounds.details ?? [], rules) && !hasSignedInLately(caller, service.now()))
        return sendSignInNeeded(reply);
      const pair = { giver, agent };
      if (await isOutOfReach(service, pair, caller)) return reply.code(409).send(OTHERS_DELEGATION);
      if ((await findVisibleDelegation(service, pair))?.conditional === true)
        return reply.code(409).send(createProblem('conflict', CONDITIONAL));
      const by = formatCallerId(caller);
      const replacement = caller.kind === 'client' ? { onlyBy: by } : {};
      const stored = await service.delegations.give(pair, bounds, by, replacement);
      return stored === undefined
        ? reply.code(409).send(OTHERS_DELEGATION)
        : reply.code(201).send(toDelegationJson(fromStored(stored)));
    },
  });
}

function readDelegationRoutes(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.get('/v1/delegations', {
    schema: {
      tags: ['delegations'],
      summary: 'The delegations of a user, by the agents’ ids; for a client those that it has given',
      querystring: userQuery,
      response: { 200: delegationListFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request) => {
      const { caller, giver } = requireGiver(request, service, request.query.user);
      const all = await listVisibleDelegations(service, giver, requireGrantObjects(service).agentObject);
      return { delegations: all.filter((one) => isShown(one, caller)).map(toDelegationJson) };
    },
  });

  app.get('/v1/delegations/:agent', {
    schema: {
      tags: ['delegations'],
      summary: 'The delegation to one agent',
      params: agentParams,
      querystring: userQuery,
      response: { 200: delegationFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const visible = await findShownDelegation(service, request, request.params.agent, request.query.user);
      return visible === undefined
        ? reply.code(404).send(NO_DELEGATION)
        : reply.send(toDelegationJson(visible.delegation));
    },
  });
}

function narrowDelegationRoute(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.patch('/v1/delegations/:agent', {
    schema: {
      tags: ['delegations'],
      summary: 'Narrow a delegation',
      params: agentParams,
      querystring: userQuery,
      body: narrowedDelegationBody,
      response: { 200: delegationFormat, ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const { limits, ...others } = request.body;
      const body = { ...others, limits: limits && completeLimits(limits) };
      const { rules } = service.activePolicies;
      for (let race = 1; race <= MAX_RACES; race += 1) {
        const found = await findShownDelegation(service, request, request.params.agent, request.query.user);
        if (found === undefined) return reply.code(404).send(NO_DELEGATION);
        const { caller, delegation } = found;
        if (await isOutOfReach(service, delegation, caller)) return reply.code(409).send(OTHERS_DELEGATION);
        if (delegation.conditional) return reply.code(409).send(createProblem('conflict', CONDITIONAL));
        if (body.details !== undefined) checkRequestedDetails(body.details, rules, 'details');
        const bounds = requireAccess(narrowBounds(delegation.bounds, body));
        checkGrantLimits(body.limits ?? [], bounds.details, rules, delegation.bounds.limits);
        if (body.ends !== undefined) requireFuture(body.ends, service.now());
        const stored = await service.delegations.give(delegation, bounds, formatCallerId(caller), {
          replaces: delegation.version ?? 'absent',
          // To narrow is not to give anew: what was stopped stays so.
          keepsBar: true,
        });
        if (stored !== undefined) return reply.send(toDelegationJson(fromStored(stored)));
      }
      return reply.code(409).send(CHANGED_MEANWHILE);
    },
  });
}

function endDelegationRoute(app: TypedApp, service: Service, onRequest: AuthenticationHooks): void {
  app.delete('/v1/delegations/:agent', {
    schema: {
      tags: ['delegations'],
      summary: 'End a delegation: the next decision denies',
      params: agentParams,
      querystring: userQuery,
      response: { 204: z.undefined(), ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      for (let race = 1; race <= MAX_RACES; race += 1) {
        const found = await findShownDelegation(service, request, request.params.agent, request.query.user);
        if (found === undefined) return reply.code(404).send(NO_DELEGATION);
        const { caller, delegation } = found;
        if (await isOutOfReach(service, delegation, caller)) return reply.code(409).send(OTHERS_DELEGATION);
        // A user ends whatever there is, and a client what it has seen to be its own.
        const version = caller.kind === 'client' ? delegation.version : undefined;
        if (await service.delegations.end(delegation, formatCallerId(caller), version)) return reply.code(204).send();
      }
      return reply.code(409).send(CHANGED_MEANWHILE);
    },
  });
}

/** Whether the caller is a client, and another has had a part in the delegation. */
async function isOutOfReach(service: Service, pair: DelegationPair, caller: DelegatingCaller): Promise<boolean> {
  return caller.kind === 'client' && (await isOthersDelegation(service, pair, caller.client.id));
}

/** Finds a delegation that the caller may see; another's counts as absent. */
async function findShownDelegation(
  service: Service,
  request: FastifyRequest,
  agent: string,
  user: string | undefined,
): Promise<{ caller: DelegatingCaller; delegation: VisibleDelegation } | undefined> {
  const { caller, giver } = requireGiver(request, service, user);
  const pair = { giver, agent: readPartyReference(agent, requireGrantObjects(service).agentObject, 'agent') };
  const delegation = await findVisibleDelegation(service, pair);
  return delegation !== undefined && isShown(delegation, caller) ? { caller, delegation } : undefined;
}

const OTHERS_DELEGATION = createProblem(
  'conflict',
  'The user, an administrator or another client has made or ended this delegation, or stopped the agent: a client changes only what it alone has given. The user can delegate anew.',
);
const CHANGED_MEANWHILE = createProblem('conflict', 'The delegation is changed by others at the same time.');
const CONDITIONAL =
  'An administrator has made this delegation depend on a condition, which this would undo: it can only be ended.';

type DelegatingCaller = AuthenticatedUser | { readonly kind: 'client'; readonly client: Client };

/** A client sees what it has given, and a user all of theirs. */
function isShown({ stored }: VisibleDelegation, caller: DelegatingCaller): boolean {
  return caller.kind === 'user' || stored?.madeBy === caller.client.id;
}

/**
 * The user whose delegations the request is about: the one that calls, or the one that a client names.
 * @throws BadRequest, 404 where a user names another
 */
function requireGiver(
  request: FastifyRequest,
  service: Service,
  named: string | undefined,
): { readonly caller: DelegatingCaller; readonly giver: EntityRef } {
  const caller = requireParty(request);
  const { userObject: type } = requireGrantObjects(service);
  switch (caller.kind) {
    case 'agent':
      throw new TypeError('the route takes no agents');
    case 'client':
      if (named === undefined) throw new BadRequest('is required: the user in whose name', 'user');
      return { caller, giver: { type, id: named } };
    case 'user':
      if (named !== undefined && named !== caller.user)
        throw new BadRequest('There is no such user.', 'user', 404, 'not_found');
      return { caller, giver: { type, id: caller.user } };
  }
}

/** @throws BadRequest where a client delegates for longer than it may */
function requireClientBounds(ends: string | undefined, { config, now }: Service): void {
  if (ends === undefined) throw new BadRequest('can only be said by the user: a client gives "ends"', 'until_ended');
  const latest = new Date(now().getTime() + config.delegations.clientMaxMs);
  if (Date.parse(ends) > latest.getTime())
    throw new BadRequest(`can be ${latest.toISOString()} at the latest for a client`, 'ends');
}
