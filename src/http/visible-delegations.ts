/** The delegations of a user, from the database and the graph: what is a relationship alone is the user's as well. */
import { DELEGATOR_RELATION, delegationKey, type DelegationBounds, type DelegationPair } from '../model/delegations.js';
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
  const bare = await readRelationship(activePolicies, { giver, agent });
  return bare && { ...bare, version: stored?.version };
}

/**
 * Whether another than the client has had a part in the delegation, so that the client changes nothing of it: it has made
 * it, ended it, stopped the agent, or written the relationship itself. @throws Fault
 */
export async function isOthersDelegation(
  { activePolicies, delegationStore }: DelegationParts,
  pair: DelegationPair,
  client: string,
): Promise<boolean> {
  const stored = await delegationStore.find(pair);
  if (stored !== undefined && (stored.madeBy !== client || stored.bars)) return true;
  // Until it is settled, the graph may not have yet what the client has given.
  if (stored?.settled === false) return false;
  const relationship = await readRelationship(activePolicies, pair);
  if (stored?.state !== 'given') return relationship !== undefined;
  return relationship === undefined || relationship.conditional || !haveSameEnd(relationship.bounds, stored.bounds);
}

/** SpiceDB may keep an end less exactly. */
const END_PRECISION_MS = 1000;

function haveSameEnd({ ends: a }: DelegationBounds, { ends: b }: DelegationBounds): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Math.abs(Date.parse(a) - Date.parse(b)) < END_PRECISION_MS;
}

async function readRelationship(
  { engine }: DelegationParts['activePolicies'],
  { giver, agent }: DelegationPair,
): Promise<VisibleDelegation | undefined> {
  const filter = {
    resourceType: agent.type,
    resourceId: agent.id,
    relation: DELEGATOR_RELATION,
    subjectType: giver.type,
    subjectId: giver.id,
  };
  const { relationships } = await engine.read(filter, 10, 'full');
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
  const storedKeys = new Set(stored.map(delegationKey));
  const bare = relationships
    .flatMap((relationship) => fromRelationship(relationship) ?? [])
    .filter((delegation) => !storedKeys.has(delegationKey(delegation)));
  return [...stored.filter(({ state }) => state === 'given').map(fromStored), ...bare].sort((a, b) =>
    a.agent.id < b.agent.id ? -1 : 1,
  );
}
