/**
 * The groups by which callers share limits. A client is one. Agents and users share what their issuer has, since it can
 * name any number of either; within that, agents share what their user has, since a user can have any number of agents.
 */
import type { DelegationToken } from '../../model/delegation-token.js';
import type { Client } from '../../model/question.js';
import type { CallerGroups } from '../../runtime/fair-limit.js';

export function getClientGroups(client: Client): CallerGroups {
  return [`client ${client.id}`];
}

/** The groups of an agent or a user that calls with this token of its own. */
export function getTokenGroups({ issuer, user, actors }: Pick<DelegationToken, 'issuer' | 'user' | 'actors'>): CallerGroups {
  return [`issuer ${issuer}`, user === undefined ? `agent ${actors[0]?.id ?? ''}` : `user ${user}`];
} // prettier-ignore
