/** The effects of a decision: they are stored in the transaction of its record, where that is stored as it was made. */
import type { EntityRef } from './ids.js';

/** A limit of which nothing is left, or too little for a question that all of it would have been enough for. */
export interface ReachedLimit {
  /** The name of its uses, as {@link Charge} has it. */
  readonly key: string;
  /** The end of its window, in milliseconds since 1970: it is told of once until then. */
  readonly until: number;
  /** The ids of the event: the parties that it is counted for. */
  readonly ids: Readonly<Record<string, string>>;
  /** The user who is told. */
  readonly user?: EntityRef | undefined;
  /** The use that, once the record is stored, there must be too little left for: what a list reserves is known only then. */
  readonly unless?:
    { readonly since?: number | undefined; readonly bound: string; readonly required: string } | undefined;
}

/** An item for people to look at, of an allow. */
export interface OpenedReview {
  /** Its holders on the resource review it. */
  readonly permission: string;
  readonly resource: EntityRef;
  readonly action: string;
  readonly user?: EntityRef | undefined;
  /** The agent that acts, then the earlier ones. */
  readonly agents: readonly EntityRef[];
  /** People who must not review it, beside the user. */
  readonly barred: readonly EntityRef[];
}

export interface RecordEffects {
  readonly reachedLimits: readonly ReachedLimit[];
  readonly reviews: readonly OpenedReview[];
}

export const NO_EFFECTS: RecordEffects = { reachedLimits: [], reviews: [] };
