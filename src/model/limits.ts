/** Limits on use: the words for how much may be done in which time, and for what has been used of it. */

import type { ApprovalUse } from './approvals.js';
import type { HistoryEvent, HistoryUse, HistoryValue } from './history.js';
import type { EntityRef } from './ids.js';

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

export const LIMIT_WINDOWS = ['sliding', 'calendar'] as const;
export type LimitWindowKind = (typeof LIMIT_WINDOWS)[number];

/** A limit as JSON states it: so grants and records of decisions have it. */
export interface StatedLimit {
  readonly count?: number | undefined;
  readonly amount?:
    { readonly value: number; readonly unit: string; readonly decimals?: number | undefined } | undefined;
  readonly per: LimitPeriod;
  readonly window?: LimitWindowKind | undefined;
  readonly zone?: string | undefined;
}

/**
 * The most limits that a user's consents in force for one agent have together, and the most time zones of their calendars: a
 * decision reads all of them, to find one that has room.
 */
export const MAX_LIMITS_OF_PAIR = 50;
export const MAX_ZONES_OF_PAIR = 8;

/** The parties that a limit is counted for apart from others. */
export const LIMIT_SUBJECTS = ['user', 'agent'] as const;
export type LimitSubject = (typeof LIMIT_SUBJECTS)[number];

/** A bound on what is used within a period. */
export interface Limit {
  readonly bound: Quantity;
  readonly period: LimitPeriod;
  /** A sliding window ends now; calendar windows follow each other. */
  readonly window: LimitWindowKind;
  /** The time zone of calendar windows. */
  readonly zone: string;
  /** Each combination has uses of its own; none: all have them together. */
  readonly by: readonly LimitSubject[];
  /** The limit as people write it: `100 per P1D by user, agent`. */
  readonly text: string;
}

/** A delegation or consent that has limits. */
export interface LimitedGrant {
  readonly kind: 'delegation' | 'consent';
  /** The relationship of the delegation, or the id of the consent. */
  readonly id: string;
  /** The user who gave it; for a delegation that was passed on, the agent that did. */
  readonly giver: EntityRef;
}

/** The use that one question makes of one limit, for one combination of parties. */
export interface Charge {
  readonly limit: Limit;
  /** The action, delegation or consent that has the limit, as messages name it. */
  readonly owner: string;
  /** undefined where the action has the limit. */
  readonly grant?: LimitedGrant | undefined;
  /** The parties that the limit is counted for, as text: `user:alice`. */
  readonly parties: readonly string[];
  /** The name of the uses that count together. It says nothing of whose they are. */
  readonly key: string;
  /** The quantity that the question uses, in the decimals of the limit. */
  readonly required: bigint;
  /** The first millisecond of a sliding window; undefined where all uses under the key count. */
  readonly since: number | undefined;
  /** The end of a calendar window, in milliseconds since 1970. */
  readonly end: number | undefined;
  /** The length of a sliding window, in milliseconds. */
  readonly length: number | undefined;
  /** The end of the grant that has the limit, in milliseconds since 1970: nothing counts any more after it. */
  readonly expires?: number | undefined;
}

/** The uses that there have been under a key. */
export interface LimitReading {
  /** A decimal number, in units. */
  readonly used: string;
  /** The time of the oldest use in a sliding window, in milliseconds since 1970. */
  readonly oldest?: number | undefined;
  /**
   * The part of `used`, in the window of now, that the question's own retry key holds: a decimal number, in units. Only where
   * that key holds something.
   */
  readonly held?: string | undefined;
}

/** The request's `Idempotency-Key`, made one with its question. */
export interface RetryKey {
  readonly key: string;
  /** The first millisecond at which an earlier question with it counts. */
  readonly since: number;
}

/** The fate of an earlier question with the same key. */
export type RetryState =
  /** There is none that holds anything. `released` is the decision that did and was reported as not done: its approval serves the retry. */
  | { readonly kind: 'new'; readonly released?: string | undefined }
  /** It was allowed, and what it holds serves the retry as well; the retry reserves what is missing to that in its name. */
  | { readonly kind: 'held'; readonly decision: string; readonly at: number }
  /** It was reported as executed. */
  | { readonly kind: 'executed' };

/** All that was read for one question, of one moment. */
export interface LimitState {
  /** The uses by the keys of the charges. */
  readonly readings: Readonly<Record<string, LimitReading>>;
  /** Says of a world that was made up that nothing else has been used. */
  readonly others?: 'unused' | undefined;
  /** Absent where the question has no key of its own. */
  readonly retry?: RetryState | undefined;
  /** The answers about the past as they are now, by the ids of their queries; only where others were faster. */
  readonly history?: Readonly<Record<string, HistoryValue>> | undefined;
  /** The use of the question's approval; absent where that wasn't asked for. */
  readonly approval?: { readonly used_by?: string | undefined } | undefined;
}

export interface ReservedPart {
  readonly charges: readonly Charge[];
  readonly count: number;
  /** The places of a list's uses among the items of its record, which loses those that aren't reserved. */
  readonly items?: readonly number[];
}

/** Uses that are to be reserved together with a record: of limits, and of an approval. */
export interface Reservation {
  /** The time at which the uses count, in milliseconds since 1970. */
  readonly at: number;
  /** Charges that are made at once, and how many times; several where parts of a list use other limits. */
  readonly parts: readonly ReservedPart[];
  /** Whether fewer than all may be reserved: the record of a list then says so. */
  readonly partial: boolean;
  readonly retry?: (RetryKey & { readonly expected: RetryState }) | undefined;
  /** The key of a list that may be repeated, and that of the list with the records that it hands out. */
  readonly repeat?: (RetryKey & { readonly permitted: string }) | undefined;
  /** The approval that the decision uses. */
  readonly approval?: ApprovalUse | undefined;
  /** The past that it rests on and becomes part of. */
  readonly history?: ReservedHistory | undefined;
  /** Charges that the question could have instead: where others were faster, the state of these is told as well. */
  readonly others?: readonly Charge[] | undefined;
}

export interface ReservedHistory {
  /** The answers that were judged: where one differs by now, nothing is stored. */
  readonly answered: HistoryUse['answered'];
  readonly events: readonly ReservedEvent[];
}

export interface ReservedEvent extends HistoryEvent {
  /** The place of its record in the list; 0 where there is no list. */
  readonly place: number;
  /** The part of the reservation, from 1, that its record is the n-th use of; absent where the record has no limit. */
  readonly part?: number | undefined;
  readonly nth?: number | undefined;
}

export type RecordResult =
  /** `accepted` has the number that was reserved of each part. */
  | { readonly kind: 'stored'; readonly accepted: readonly number[] }
  /** Nothing was stored, since another question was faster, or the approval is good no more: the state that is left of limits. */
  | { readonly kind: 'overtaken'; readonly state: LimitState };

/** Reads what has been used. */
export interface LimitUses {
  /** @param approval the id of the approval whose use is read along, of the same moment. @throws Fault */
  read(charges: readonly Charge[], retry: RetryKey | undefined, approval?: string): Promise<LimitState>;
}
