/** Serves decisions the bounds of delegations that a scene says users have given, as the store does for a service. */
import {
  delegationKey,
  type DelegationMap,
  type DelegationPair,
  type Delegations,
  type DelegationState,
} from '../../model/delegations.js';
import type { DelegationSpec } from './format.js';

export class MemoryDelegations implements Delegations {
  private given: readonly DelegationSpec[] = [];

  set(specs: readonly DelegationSpec[]): void {
    this.given = specs;
  }

  fetch(pairs: readonly DelegationPair[]): Promise<DelegationMap> {
    return Promise.resolve(new Map(pairs.map((pair) => [delegationKey(pair), this.find(pair)])));
  }

  /** @returns undefined for a relationship alone, as what one agent passes on to another is */
  private find({ giver, agent }: DelegationPair): DelegationState | undefined {
    if (giver.type === agent.type) return undefined;
    const spec = this.given.find(
      ({ user, agent: named }) => (user ?? giver.id) === giver.id && (named ?? agent.id) === agent.id,
    );
    if (spec === undefined) return undefined;
    const { ends, online, background, details, limits } = spec;
    return { state: 'given', ends, online, background, details, limits };
  }
}
