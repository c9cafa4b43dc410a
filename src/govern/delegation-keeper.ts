/**
 * Keeps what people delegate in two places: the database says what narrows a delegation, and the graph has its
 * relationship. The database is written first. It can only narrow what the graph says, so whatever happens in between,
 * nothing is allowed that wasn't asked for; what is left over is completed by the next try, or at the next start.
 */
import type { RelationshipGraph } from '../graph/port.js';
import { relationshipProblem } from '../graph/schema/validate-relationship.js';
import { DELEGATOR_RELATION, type DelegationBounds, type DelegationPair } from '../model/delegations.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { Relationship } from '../model/relationships.js';
import type { Revocation } from '../model/revocations.js';
import type { Rules } from '../policy/load.js';
import {
  TOO_MANY,
  type DelegationReplacement,
  type DelegationStore,
  type StoredDelegation,
} from '../store/delegations.js';
import type { ApprovalStore } from '../store/approvals.js';
import type { ConsentStore } from '../store/consents.js';
import type { RevocationStore } from '../store/revocations.js';

/** The most times that one call follows a delegation which others keep changing. */
const MAX_TURNS = 5;
/** Delegations that a sweep takes at a time. */
const SWEEP_SIZE = 100;
/** SpiceDB's clock may be behind; until then its own expiration is left to it. */
const EXPIRED_AFTER_MS = 10_000;
/** Names the writer for the journal or SpiceDB's transaction, where no caller does. */
const SWEEPER = 'remit';

export interface DelegationKeeperDeps {
  readonly store: DelegationStore;
  readonly consents: Pick<ConsentStore, 'withdrawAll'>;
  readonly approvals: Pick<ApprovalStore, 'prepareEndAll'>;
  readonly revocations: RevocationStore;
  /** Returns the graph in force. */
  readonly graph: () => Pick<RelationshipGraph, 'write'>;
  readonly rules: () => Rules;
  readonly now: () => Date;
}

export class DelegationKeeper {
  constructor(private readonly deps: DelegationKeeperDeps) {}

  /**
   * Gives a delegation, in place of the one that there is.
   * @param by a user as `user:…`, or the id of a client
   * @returns what is stored now; undefined where what there is may not be replaced
   * @throws BadRequest where the graph can't have it, `too_many` where the user has too many; Fault
   */
  async give(
    pair: DelegationPair,
    bounds: DelegationBounds,
    by: string,
    replacement?: DelegationReplacement,
  ): Promise<StoredDelegation | undefined> {
    const problem = relationshipProblem(toRelationship(pair, bounds), this.deps.rules().graph);
    if (problem !== undefined)
      throw new BadRequest(`is none that the schema of relationships takes: it ${problem.message}`, 'ends');
    const at = this.deps.now();
    const version = await this.deps.store.put(pair, bounds, { by, at }, replacement);
    if (version === undefined) return undefined;
    if (version === TOO_MANY)
      throw new BadRequest('There are too many delegations of this user: end some first.', '', 429, 'too_many');
    await this.reconcile(pair, by);
    return {
      ...pair,
      state: 'given',
      bounds,
      madeBy: by,
      madeAt: at.toISOString(),
      version,
      settled: true,
      bars: replacement?.keepsBar === true,
    };
  }

  /**
   * Ends a delegation. It is denied when this resolves, whether or not its relationship could be deleted yet.
   * @param version the only one to end; undefined for any
   * @returns whether it was ended
   * @throws Fault
   */
  async end(pair: DelegationPair, by: string, version?: string): Promise<boolean> {
    const made = { by, at: this.deps.now() };
    if (!(await this.deps.store.end(pair, made, version === undefined ? {} : { version }))) return false;
    await this.reconcile(pair, by).catch(leaveToSweep);
    return true;
  }

  /**
   * Stops an agent for a user: in one transaction the delegation, consents, requests and approvals end, and the pair's
   * tokens are revoked. The agent stays barred from what others pass on, and no client gives it a delegation of this user
   * again.
   * @throws Fault
   */
  async stop(pair: DelegationPair, revocation: Revocation, by: string): Promise<void> {
    const { store, consents, approvals, revocations, now } = this.deps;
    const at = now();
    const parties = { user: pair.giver, agent: pair.agent };
    const ending = await approvals.prepareEndAll(parties, by, at);
    await revocations.add(revocation, (statements) =>
      consents.withdrawAll(parties, by, at, (withdrawing) =>
        store.end(pair, { by, at }, { bars: true, alongside: [...statements, ...withdrawing, ending] }),
      ),
    );
    await this.reconcile(pair, by).catch(leaveToSweep);
  }

  /** Brings the graph to what the database says, for all that isn't settled. @throws Fault */
  async sweep(): Promise<void> {
    const { store, now } = this.deps;
    let failure: Error | undefined;
    for (const delegation of await store.listUnsettled(new Date(now().getTime() - EXPIRED_AFTER_MS), SWEEP_SIZE)) {
      if (delegation.state === 'given' && hasEnded(delegation, now()))
        await store.end(
          delegation,
          { by: delegation.madeBy, at: now() },
          { version: delegation.version, cause: 'expired' },
        );
      try {
        await this.reconcile(delegation, SWEEPER);
      } catch (error) {
        failure ??= requireFault(error);
      }
    }
    if (failure !== undefined) throw failure;
  }

  /**
   * Brings the graph to what the database says of one delegation. The database is asked again after each write of the
   * graph: where another process has changed it meanwhile, its write may have come first.
   * @throws BadRequest where the graph refuses it, and it is ended; Fault
   */
  private async reconcile(pair: DelegationPair, by: string): Promise<void> {
    const { store } = this.deps;
    let hasTouched = false;
    let hasWritten = false;
    for (let turn = 1; turn <= MAX_TURNS; turn += 1) {
      const stored = await store.find(pair);
      if (stored === undefined) {
        // It was ended while this process gave it: then its relationship must not outlive that.
        if (hasTouched) await this.writeGraph('delete', pair, undefined, by);
        return;
      }
      if (stored.settled && !hasWritten) return;
      hasWritten = true;
      if (stored.state === 'given') {
        hasTouched = true;
        await this.touchOrEnd(stored, by);
        if (await store.settle(pair, stored.version)) return;
      } else {
        await this.writeGraph('delete', pair, undefined, by);
        if (stored.state !== 'ended' || (await store.forget(pair, stored.version))) return;
      }
    }
    throw new Fault('overloaded', 'a delegation that others keep changing');
  }

  private async touchOrEnd(stored: StoredDelegation, by: string): Promise<void> {
    try {
      await this.writeGraph('touch', stored, stored.bounds, by);
    } catch (error) {
      if (error instanceof BadRequest) {
        const made = { by, at: this.deps.now() };
        await this.deps.store.end(stored, made, { version: stored.version, cause: 'refused' });
        await this.reconcile(stored, by).catch(leaveToSweep);
      }
      throw error;
    }
  }

  private writeGraph(
    operation: 'touch' | 'delete',
    pair: DelegationPair,
    bounds: DelegationBounds | undefined,
    by: string,
  ): Promise<string> {
    return this.deps.graph().write([{ operation, relationship: toRelationship(pair, bounds) }], by);
  }
}

function toRelationship({ giver, agent }: DelegationPair, bounds: DelegationBounds | undefined): Relationship {
  return {
    resource: agent,
    relation: DELEGATOR_RELATION,
    subject: giver,
    ...(bounds?.ends === undefined ? {} : { expiresAt: bounds.ends }),
  };
}

/** Whether its time is over. */
export function hasEnded({ bounds: { ends } }: Pick<StoredDelegation, 'bounds'>, now: Date): boolean {
  return ends !== undefined && Date.parse(ends) <= now.getTime();
}

/** Passes over a fault: an ended delegation is denied already, so the caller's answer doesn't depend on the graph. */
function leaveToSweep(error: unknown): void {
  requireFault(error);
}

/** A bug stays loud. */
function requireFault(error: unknown): Error {
  if (error instanceof Fault || error instanceof BadRequest) return error;
  throw error;
}
