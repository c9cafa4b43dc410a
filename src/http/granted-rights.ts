/** The delegations and consents in force that usage is held against: a user's, or the delegations to one agent. */
import { DELEGATOR_RELATION, delegationKey } from '../model/delegations.js';
import { describeRef, isSameRef, type EntityRef } from '../model/ids.js';
import { findConsentEnd } from '../govern/consents/consent-state.js';
import type { GrantedConsent, GrantedDelegation, GrantedRights } from '../records/usage/unused-grants.js';
import type { Service } from '../service/service.js';
import { fromRelationship, type VisibleDelegation } from './delegation-json.js';
import { requireGrantObjects } from './grant-parties.js';
import { listVisibleDelegations } from './visible-delegations.js';

/** The relationships of users to one agent that are read. */
const MAX_READ_DELEGATORS = 500;

/** The parties of a report: a user, an agent, or an agent for a user. */
export interface UsageParties {
  readonly user?: EntityRef | undefined;
  readonly agent?: EntityRef | undefined;
}

export interface ReadRights extends GrantedRights {
  /** False where there may be more. */
  readonly complete: boolean;
}

type RightsParts = Pick<Service, 'activePolicies' | 'delegationStore' | 'consents' | 'now'>;

/** Consents are read of one user alone: an agent's are those of any number of users. @throws Fault */
export async function readGrantedRights(service: RightsParts, { user, agent }: UsageParties): Promise<ReadRights> {
  if (user === undefined)
    return agent === undefined
      ? { delegations: [], consents: [], complete: true }
      : { ...(await readDelegationsTo(service, agent)), consents: [] };
  const { agentObject } = requireGrantObjects(service);
  const [delegations, consents] = await Promise.all([
    listVisibleDelegations(service, user, agentObject),
    service.consents.list(user, agent),
  ]);
  const now = service.now();
  return {
    delegations: delegations
      .filter((delegation) => agent === undefined || isSameRef(delegation.agent, agent))
      .filter((delegation) => isInForce(delegation, now))
      .map(toGrantedDelegation),
    consents: consents.flatMap((stored): GrantedConsent[] => {
      const { id, details, given } = stored.consent;
      if (findConsentEnd(stored.consent, now) !== undefined) return [];
      const actions = [...new Set(details.flatMap((detail) => detail.actions ?? []))].sort();
      return [{ id, user: describeRef(stored.user), agent: describeRef(stored.agent), actions, givenAt: given }];
    }),
    complete: true,
  };
}

async function readDelegationsTo(
  { activePolicies, delegationStore, now }: RightsParts,
  agent: EntityRef,
): Promise<Omit<ReadRights, 'consents'>> {
  const filter = { resourceType: agent.type, resourceId: agent.id, relation: DELEGATOR_RELATION };
  const { relationships } = await activePolicies.engine.read(filter, MAX_READ_DELEGATORS, 'full');
  // What another agent has passed on is its user's delegation.
  const pairs = relationships
    .flatMap((relationship) => fromRelationship(relationship) ?? [])
    .filter(({ giver }) => giver.type !== agent.type);
  const states = await delegationStore.fetch(pairs);
  const delegations = pairs.flatMap((pair): GrantedDelegation[] => {
    const state = states.get(delegationKey(pair));
    if (state?.state === 'ended' || !isInForce(pair, now())) return [];
    const details = state?.state === 'given' ? state.details : undefined;
    return [{ user: describeRef(pair.giver), agent: describeRef(agent), details, givenAt: undefined }];
  });
  return { delegations, complete: relationships.length < MAX_READ_DELEGATORS };
}

function isInForce({ bounds: { ends } }: VisibleDelegation, now: Date): boolean {
  return ends === undefined || Date.parse(ends) > now.getTime();
}

function toGrantedDelegation({ giver, agent, bounds, stored }: VisibleDelegation): GrantedDelegation {
  return {
    user: describeRef(giver),
    agent: describeRef(agent),
    details: bounds.details,
    givenAt: stored?.madeAt,
  };
}
