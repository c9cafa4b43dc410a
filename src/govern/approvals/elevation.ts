/**
 * Gives users the relation that an elevation was approved for, and takes it from them when the approval ends. The database
 * is written first, and says what is to be in the graph; the graph follows, tried again until it does. So a process that
 * dies in between leaves a right that is still to be given, or one that is still to be taken: never one that is forgotten.
 */
import { toExactFilter, type RelationshipGraph } from '../../graph/port.js';
import { BadRequest, Fault } from '../../model/faults.js';
import type { Relationship } from '../../model/relationships.js';
import type { ElevationStore, StoredElevation } from '../../store/elevations.js';
import { EMERGENCY_MS } from './task-progress.js';

/** Elevations that a sweep takes at a time. */
const ELEVATION_SWEEP_SIZE = 100;
/** Longer than any write to the graph takes: until then one may arrive of a process that has died. */
const LATE_WRITE_MS = 60_000;
/** Names the writer for the journal or SpiceDB's transaction. */
const ELEVATION_WRITER = 'remit';

export interface ElevationKeeperDeps {
  readonly store: ElevationStore;
  /** Returns the graph in force. */
  readonly graph: () => Pick<RelationshipGraph, 'write' | 'read'>;
  readonly now: () => Date;
}

export class ElevationKeeper {
  constructor(private readonly deps: ElevationKeeperDeps) {}

  /**
   * Brings the graph to what the database says of one approval.
   * @throws Fault where that can't be done now, BadRequest where the graph refuses the relationship: then the next sweep tries
   */
  async settle(id: string): Promise<void> {
    const task = await this.deps.store.find(id);
    if (task !== undefined) await this.settleTask(task);
  }

  /** Settles a task as a route does whose answer doesn't depend on it: a failure is left to the next sweep. */
  async settleOrLeave(id: string): Promise<void> {
    await this.settle(id).catch(leaveToNextSweep);
  }

  /** Sweeps as a route does whose answer doesn't depend on it. */
  async sweepOrLeave(): Promise<void> {
    await this.sweep().catch(leaveToNextSweep);
  }

  /** Settles all that isn't. @throws the first failure, after the others were tried */
  async sweep(): Promise<void> {
    const failures: Error[] = [];
    for (const task of await this.deps.store.listUnsettled(this.deps.now(), ELEVATION_SWEEP_SIZE))
      await this.settleTask(task).catch((error: unknown) => {
        if (!(error instanceof Fault || error instanceof BadRequest)) throw error;
        failures.push(error);
      });
    if (failures[0] !== undefined) throw failures[0];
  }

  private async settleTask(task: StoredElevation): Promise<void> {
    const { store, now } = this.deps;
    if (task.grantState === 'none' || task.grantState === 'deleted') return;
    const relationship = buildElevationRelationship(task);
    // SpiceDB ends it by itself.
    if (relationship === undefined || Date.parse(relationship.expiresAt) <= now().getTime())
      return store.noteDeleted(task.id);
    if (task.state !== 'approved') {
      await this.deleteOwn(relationship);
      const ended = Date.parse(task.decided ?? task.asked);
      if (now().getTime() - ended > LATE_WRITE_MS) await store.noteDeleted(task.id);
      return;
    }
    if (task.grantState === 'written') return;
    const isThere = await this.write(relationship);
    const isInForce = await store.noteGranted(task.id, isThere ? 'written' : 'none');
    if (!isInForce) await this.deleteOwn(relationship);
  }

  /** @returns whether the relationship is there as it was to be written; where the user holds the relation anyway it stays so */
  private async write(relationship: Relationship & { readonly expiresAt: string }): Promise<boolean> {
    try {
      await this.deps
        .graph()
        .write([{ operation: 'touch', relationship }], ELEVATION_WRITER, { absent: [relationship] });
      return true;
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      const existing = await this.readExisting(relationship);
      if (existing === undefined) throw error;
      return isSameEnd(existing, relationship);
    }
  }

  /** Deletes the relationship where its end is the one that was written: what others wrote in its place stays. */
  private async deleteOwn(relationship: Relationship): Promise<void> {
    const existing = await this.readExisting(relationship);
    if (existing === undefined || !isSameEnd(existing, relationship)) return;
    await this.deps.graph().write([{ operation: 'delete', relationship }], ELEVATION_WRITER);
  }

  private async readExisting(relationship: Relationship): Promise<Relationship | undefined> {
    const { relationships } = await this.deps.graph().read(toExactFilter(relationship), 1, 'full');
    return relationships[0];
  }
}

/** The relationship that the approval gives; undefined where it gives none. */
export function buildElevationRelationship({
  steps, user, question: { resource }, answers, scope, approved_until, requested_until, emergency,
}: StoredElevation): (Relationship & { readonly expiresAt: string }) | undefined {
  const step = steps.find((one) => one.kind === 'elevation');
  const approvedAt = Math.max(...answers.map(({ at }) => Date.parse(at)));
  if (step?.kind !== 'elevation' || user === undefined || answers.length === 0) return undefined;
  const ends = [
    approvedAt + step.seconds * 1000,
    ...(scope === 'until' && approved_until !== undefined ? [Date.parse(approved_until)] : []),
    ...(requested_until === undefined ? [] : [Date.parse(requested_until)]),
    ...(emergency === undefined ? [] : [approvedAt + EMERGENCY_MS]),
  ];
  return {
    resource: { type: resource.type, id: resource.id },
    relation: step.relation,
    subject: user,
    expiresAt: new Date(Math.min(...ends)).toISOString().replace('.000Z', 'Z'),
  };
} // prettier-ignore

/** Passes over a failure of the graph or the database; a bug stays loud. */
function leaveToNextSweep(error: unknown): void {
  if (!(error instanceof Fault || error instanceof BadRequest)) throw error;
}

function isSameEnd(a: Relationship, b: Relationship): boolean {
  return a.expiresAt !== undefined && b.expiresAt !== undefined && Date.parse(a.expiresAt) === Date.parse(b.expiresAt);
}
