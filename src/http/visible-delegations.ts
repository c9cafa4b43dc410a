/** The delegations of a user, from the database and the graph: what is a relationship alone is the user's as well. */
import { DELEGATOR_RELATION, delegationKey, type DelegationPair } from '../model/delegations.js';
import type { EntityRef } from '../model/ids.js';
import type { Service } from '../service/service.js';
import { fromRelationship, fromStored, type VisibleDelegation } from './delegation-json.js';

/** The most relationships of a user to agents that are listed. */
const MAX_LISTED_RELATIONSHIPS = 2000;

type DelegationParts = Pick<Service, 'activePolicies' | 'delegationStore'>;

/** Finds a delegation; one that was ended is none. @throws Fault */
export async function findVisibleDelegation(
  { activePolicies, delegationStore }: DelegationParts,
  { giver, agent }: DelegationPair,
): Promise<VisibleDelegation | undefined> {
  const stored = await delegationStore.find({ giver, agent });
  if (stored?.state === 'given') return fromStored(stored);
  if (stored?.state === 'ended') return undefined;
  const filter = {
    resourceType: agent.type,
    resourceId: agent.id,
    relation: DELEGATOR_RELATION,
    subjectType: giver.type,
    subjectId: giver.id,
  };
  const { relationships } = await activePolicies.engine.read(filter, 10, 'full');
  return relationships.flatMap((relationship) => fromRelationship(relationship) ?? [])[0];
}

/** Lists all delegations of a user, by the agents' ids. @throws Fault */
export async function listVisibleDelegations(
  { activePolicies, delegationStore }: DelegationParts,
  giver: EntityRef,
  agentType: string,
): Promise<VisibleDelegation[]> {
  const filter = {
    resourceType: agentType,
    relation: DELEGATOR_RELATION,
    subjectType: giver.type,
    subjectId: giver.id,
  };
  const [stored, { relationships }] = await Promise.all([
    delegationStore.list(giver),
    activePolicies.engine.read(filter, MAX_LISTED_RELATIONSHIPS, 'full'),
  ]);
  // The database says more of those that it has, and of those that were ended that they are none.
  const storedKeys = new Set(stored.filter(({ state }) => state !== 'barred').map(delegationKey));
  const bare = relationships
    .flatMap((relationship) => fromRelationship(relationship) ?? [])
    .filter((delegation) => !storedKeys.has(delegationKey(delegation)));
  return [...stored.filter(({ state }) => state === 'given').map(fromStored), ...bare].sort((a, b) =>
    a.agent.id < b.agent.id ? -1 : 1,
  );
}
