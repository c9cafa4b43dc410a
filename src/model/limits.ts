/** Limits on use: the words for how much may be done in which time, and for what has been used of it. */

/** A whole number of a unit, or of uses where it has none: 12.50 EUR is 1250 with two decimals. */
export interface Quantity {
  readonly value: bigint;
  /** The currency or measure; undefined where uses are counted. */
  readonly unit: string | undefined;
  readonly decimals: number;
}

export const LIMIT_PERIODS = ['PT1H', 'P1D', 'P1W', 'P1M', 'total'] as const;
/** ISO 8601 durations; `total` never starts anew. */
export type LimitPeriod = (typeof LIMIT_PERIODS)[number];

/** The parties that a limit is counted for apart from others. */
export const LIMIT_SUBJECTS = ['user', 'agent'] as const;
export type LimitSubject = (typeof LIMIT_SUBJECTS)[number];

/** A bound on what is used within a period. */
export interface Limit {
  readonly bound: Quantity;
  readonly period: LimitPeriod;
  /** A sliding window ends now; calendar windows follow each other. */
  readonly window: 'sliding' | 'calendar';
  /** The time zone of calendar windows. */
  readonly zone: string;
  /** Each combination has uses of its own; none: all have them together. */
  readonly by: readonly LimitSubject[];
  /** The limit as people write it: `100 per P1D by user, agent`. */
  readonly text: string;
}
