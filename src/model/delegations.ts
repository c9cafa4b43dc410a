/** Delegations: a relationship of the graph says that there is one, and the database holds what narrows it. */
import type { AccessType, AuthorizationDetail } from './acting.js';
import { formatRef, type EntityRef } from './ids.js';
import type { StatedLimit } from './limits.js';

/** A link of a delegation: a user to an agent, or an agent that passed it on to another. */
export interface DelegationPair {
  readonly giver: EntityRef;
  readonly agent: EntityRef;
}

export interface DelegationBounds {
  /** RFC 3339; undefined where it holds until it is ended. */
  readonly ends?: string | undefined;
  /** Whether the agent may act while the user is there, and while not. */
  readonly online: boolean;
  readonly background: boolean;
  /** Details of which one must cover each question; undefined where all are. */
  readonly details?: readonly AuthorizationDetail[] | undefined;
  /** Limits on the uses that rest on it, all of which hold. */
  readonly limits?: readonly StatedLimit[] | undefined;
  /** The name under which these uses are counted: a delegation that replaces another has its own, and one that is narrowed keeps it. */
  readonly counter?: string | undefined;
}

/** A delegation as the database has it. JSON, since decision records hold it. */
export type DelegationState =
  | ({
      readonly state: 'given';
      /** Whether the agent is barred all the same from what others pass on: a delegation that was stopped, and then narrowed. */
      readonly bars?: true;
    } & DelegationBounds)
  /** Ended: nothing is allowed on it, though the graph may have its relationship for a moment. */
  | { readonly state: 'ended' }
  /** The user stopped the agent: no agent can pass the user's delegation on to it, until the user gives one again. */
  | { readonly state: 'barred' };

/** Delegations by their {@link DelegationPair}'s key; undefined where the database has none. */
export type DelegationMap = ReadonlyMap<string, DelegationState | undefined>;

export interface Delegations {
  /** Reads the delegations of the pairs: the answer has the key of each. @throws Fault where the store can't answer */
  fetch(pairs: readonly DelegationPair[]): Promise<DelegationMap>;
}

/** The relation on an agent's definition that says who has delegated to it. */
export const DELEGATOR_RELATION = 'delegator';

/** The relationship's text without its end, which is also the key of the check for it. */
export function delegationKey({ giver, agent }: DelegationPair): string {
  return `${formatRef(agent)}#${DELEGATOR_RELATION}@${formatRef(giver)}`;
}

/** The accesses that the bounds allow. */
export function listAccesses({ online, background }: DelegationBounds): AccessType[] {
  return [...(online ? (['online'] as const) : []), ...(background ? (['background'] as const) : [])];
}
