/** Events: what other systems and people are told of. An event has ids alone, never arguments or names. */
import type { Approval, ApprovalRequester } from './approvals.js';
import type { EntityRef } from './ids.js';

export const EVENT_NAMES = [
  'approval.requested',
  'approval.decided',
  'approval.used',
  'approval.expired',
  'consent.requested',
  'consent.given',
  'consent.suspended',
  'consent.ended',
  'delegation.given',
  'delegation.ended',
  'limit.reached',
  'review.opened',
  'review.closed',
  'review.overdue',
] as const;
export type EventName = (typeof EVENT_NAMES)[number];

/** The people who may see an event: the user that it is about, or those who hold the permission at that moment. */
export interface EventAudience {
  readonly user?: EntityRef | undefined;
  readonly holders?: { readonly permission: string; readonly resource: EntityRef } | undefined;
}

/** The part of a task that says who may answer it. It never changes. */
export interface EventTask extends Pick<Approval, 'id' | 'steps' | 'emergency'>, ApprovalRequester {
  readonly resource: EntityRef;
}

/** An event that has happened. Without an audience only webhooks tell it. */
export interface OutboxEvent extends EventAudience {
  readonly event: EventName;
  readonly at: Date;
  /** `{"consent": "0199…", "user": "user:maria"}`. */
  readonly ids: Readonly<Record<string, string>>;
}

/** An event as the outbox has it. */
export interface StoredEvent extends OutboxEvent {
  /** The same at each try of each receiver. */
  readonly id: string;
  /** Says which of two events was committed first. */
  readonly position: number;
  /** The task that it is about: who may answer it may see it, too. */
  readonly task?: EventTask | undefined;
  /** People who may not see it though they hold the permission, as `type:id`. */
  readonly barred?: readonly string[] | undefined;
}

/** The body of a webhook, and the data of an event of the stream. */
export function toEventJson({ event, ids, at }: Pick<OutboxEvent, 'event' | 'ids' | 'at'>): {
  readonly event: EventName;
  readonly ids: OutboxEvent['ids'];
  readonly time: string;
} {
  return { event, ids, time: at.toISOString() };
}
