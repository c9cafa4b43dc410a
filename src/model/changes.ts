/**
 * Changes of what is in force: a delegation is given, a consent ends, an approval is answered. Each is a record of its own in the
 * log, which names what it changed and the decision that it is about. A path that is proved after its decision is told like one.
 */
import type { EntityRef } from './ids.js';

export const RECORDED_KINDS = [
  'delegation',
  'consent',
  'consent_request',
  'approval',
  'elevation',
  'review',
  'revocation',
  'path',
] as const;
export type RecordedKind = (typeof RECORDED_KINDS)[number];

/** A change as the part that makes it knows it; what the rows say that it changes, the statement adds. */
export interface StatedChange {
  readonly kind: RecordedKind;
  /** The verb: `given`, `narrowed`, `ended`. */
  readonly change: string;
  readonly at: Date;
  /** The caller by its id as it is recorded (`user:…`, `agent:…`, or a client's), or a person; undefined: Remit itself. */
  readonly by: string | EntityRef | undefined;
  readonly user?: EntityRef | undefined;
  readonly agent?: EntityRef | undefined;
  /** The decision that it is about. */
  readonly about?: string | undefined;
  /** The id of what is changed, where it has one. */
  readonly object?: string | undefined;
  /** Says which of the rows that one statement changes is this one's; undefined where each row is. */
  readonly row?: string | undefined;
  /** The terms that hold from now on: bounds, details, limits, an end, a note. */
  readonly terms?: object | undefined;
}

export function isChangeKind(kind: string): kind is RecordedKind {
  return (RECORDED_KINDS as readonly string[]).includes(kind);
}
