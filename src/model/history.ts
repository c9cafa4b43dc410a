/** History: the words for what policies ask about the past, and for the events that it is answered from. */

/** The parts of a question that events are counted for apart from others. */
export const HISTORY_SUBJECTS = ['user', 'agent', 'session', 'task', 'resource'] as const;
export type HistorySubject = (typeof HISTORY_SUBJECTS)[number];

/** The forms of a question about the past, by the annotation that states each. */
export const HISTORY_KINDS = ['count', 'sum', 'happened', 'since'] as const;
export type HistoryKind = (typeof HISTORY_KINDS)[number];

/** An attribute that the resource of an event must have had. */
export interface EventCondition {
  /** `["address", "country"]`. */
  readonly path: readonly string[];
  /** The value as it is written, without its quotation marks. */
  readonly value: string;
}

/** The events that a question is about: allowed questions about one action. */
export interface EventSelector {
  /** The action with its namespace, without `Action`: `HR::export`. */
  readonly action: string;
  readonly where: EventCondition | undefined;
}

/** A question about the past, for which a member of `context.history` stands. */
export interface HistoryQuestion {
  readonly kind: HistoryKind;
  readonly events: EventSelector;
  /** The events after which those of `events` no longer count: of `since` alone. */
  readonly cleared: EventSelector | undefined;
  /** The unit and decimals in which amounts are added: of `sum` alone. */
  readonly amount: { readonly unit: string; readonly decimals: number } | undefined;
  /** Each combination has events of its own; none: all have them together. */
  readonly by: readonly HistorySubject[];
  readonly windowMs: number;
  /** The question in one form, however it is written: `count HR::export by user within PT1H`. */
  readonly text: string;
}

/** A number of events or of an amount, or whether there was one. */
export type HistoryValue = number | boolean;

/** A question about the past, asked for the parties of one question about the present. */
export interface HistoryQuery {
  /** Tells it from every other query. */
  readonly id: string;
  /** The member of `context.history` that it answers. */
  readonly member: string;
  readonly kind: HistoryKind;
  /** The name of the events that count. It says nothing of whose they are. */
  readonly key: string;
  /** The name of the events after which they don't. */
  readonly clearedKey: string | undefined;
  readonly amount: HistoryQuestion['amount'];
  /** The first millisecond of the window. It has no end: what others stored meanwhile counts, by whichever clock. */
  readonly since: number;
}

/** The answers by the ids of their queries. */
export type HistoryAnswers = ReadonlyMap<string, HistoryValue>;

/** An event that an allow leaves under one name. */
export interface HistoryEvent {
  readonly key: string;
  /** The milliseconds for which it can count. */
  readonly lastsMs: number;
  /** A decimal number of the unit; undefined where the action has no amount. */
  readonly amount?: string | undefined;
  readonly unit?: string | undefined;
}

/** The history of one allow: the answers that it rests on, which must still hold where it is stored, and what it leaves. */
export interface HistoryUse {
  readonly answered: readonly { readonly query: HistoryQuery; readonly value: HistoryValue }[];
  readonly events: readonly HistoryEvent[];
}

/** Reads the past. */
export interface History {
  /** @throws Fault */
  fetch(queries: readonly HistoryQuery[]): Promise<HistoryAnswers>;
}
