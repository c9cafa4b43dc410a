/**
 * Gives users the relation that an elevation was approved for, and takes it from them when the approval ends. The database
 * is written first, and says what is to be in the graph; the graph follows, tried again until it does. So a process that
 * dies in between leaves a right that is still to be given, or one that is still to be taken: never one that is forgotten.
 */
import { toExactFilter, type RelationshipGraph } from '../../graph/port.js';
import { toUtcInstant } from '../../graph/relationship-text.js';
import { BadRequest, Fault } from '../../model/faults.js';
import type { Relationship } from '../../model/relationships.js';
import type { ElevatedRight, ElevationStore, StoredElevation } from '../../store/elevations.js';
import { describeElevation, isLive, isSettledForGood, planRight, type ElevationGrant } from './elevated-right.js';

/** Elevations that a sweep takes at a time. */
const ELEVATION_SWEEP_SIZE = 100;
/** Looks at a right while others change it: what isn't settled then is left to the next sweep. */
const MAX_LOOKS = 6;
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
   * Brings the graph to what the database says of the right that an approval gives.
   * @throws Fault where that can't be done now, BadRequest where the graph refuses the relationship: then the next sweep tries
   */
  async settle(id: string): Promise<void> {
    const task = await this.deps.store.find(id);
    if (task !== undefined) await this.settleTasks([task]);
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
    await this.settleTasks(await this.deps.store.listUnsettled(this.deps.now(), ELEVATION_SWEEP_SIZE));
  }

  /** Settles the rights that tasks give, each once. @throws the first failure, after the others were tried */
  private async settleTasks(tasks: readonly StoredElevation[]): Promise<void> {
    const rights = new Map<string, ElevatedRight>();
    for (const task of tasks) {
      const right = describeElevation(task)?.right;
      if (right !== undefined) rights.set(JSON.stringify(right), right);
      else if (task.grantState !== 'none') await this.deps.store.noteDeleted([task.id], this.deps.now());
    }
    const failures: Error[] = [];
    for (const right of rights.values())
      await this.settleRight(right).catch((error: unknown) => {
        if (!(error instanceof Fault || error instanceof BadRequest)) throw error;
        failures.push(error);
      });
    if (failures[0] !== undefined) throw failures[0];
  }

  /**
   * Looks at the database and the graph until they agree. The graph is changed without a lock: another may change it by what the
   * database said before, and each that has changed it looks again. One that dies before it has leaves a task unsettled.
   */
  private async settleRight(right: ElevatedRight): Promise<void> {
    const { store, now } = this.deps;
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      const tasks = await store.listOfRight(right);
      const grants = tasks.flatMap((task) => describeElevation(task)?.grant ?? []);
      // Read after the database: what is written by then, and can't be told from it, is written by a later state of it.
      const existing = grants.length === 0 ? undefined : await this.readExisting(right);
      const step = planRight(grants, existing, now());
      if (step.kind === 'forget') await Promise.all(step.ids.map((id) => store.noteGranted(id, 'none', now())));
      else if (step.kind === 'write') await this.write(right, step);
      else if (step.kind === 'leave') {
        if (await this.noteSettled(grants, step.granted)) return;
      } else if (
        await store.noteDeleting(
          right,
          grants.map(({ id }) => id),
          now(),
        )
      )
        await this.deps.graph().write([{ operation: 'delete', relationship: right }], ELEVATION_WRITER);
    }
  }

  /** @returns false where an elevation was ended meanwhile */
  private async noteSettled(grants: readonly ElevationGrant[], granted: 'written' | 'none'): Promise<boolean> {
    const { store, now } = this.deps;
    const over = grants.filter((grant) => isSettledForGood(grant, now()));
    if (over.length > 0)
      await store.noteDeleted(
        over.map(({ id }) => id),
        now(),
      );
    const wanted = grants.filter((grant) => isLive(grant, now()) && grant.grantState === 'wanted');
    const noted = await Promise.all(wanted.map(({ id }) => store.noteGranted(id, granted, now())));
    return noted.every((isInForce) => isInForce);
  }

  /** @throws BadRequest where the graph refuses it; a relationship that has come there meanwhile is left for the next look */
  private async write(
    right: ElevatedRight,
    { end, overwrites }: { readonly end: number; readonly overwrites: boolean },
  ): Promise<void> {
    const relationship = { ...right, expiresAt: toUtcInstant(new Date(end).toISOString()) };
    const condition = overwrites ? undefined : { absent: [relationship] };
    try {
      await this.deps.graph().write([{ operation: 'touch', relationship }], ELEVATION_WRITER, condition);
    } catch (error) {
      if (!(error instanceof BadRequest) || (await this.readExisting(right)) === undefined) throw error;
    }
  }

  private async readExisting(right: ElevatedRight): Promise<Relationship | undefined> {
    const { relationships } = await this.deps.graph().read(toExactFilter(right), 1, 'full');
    return relationships[0];
  }
}

/** Passes over a failure of the graph or the database; a bug stays loud. */
function leaveToNextSweep(error: unknown): void {
  if (!(error instanceof Fault || error instanceof BadRequest)) throw error;
}
