/** The right that elevations give: one relationship of a user, which ends with the last of those that live. Pure. */
import type { ApprovalAnswer } from '../../model/approvals.js';
import type { Relationship } from '../../model/relationships.js';
import type { ElevatedRight, StoredElevation } from '../../store/elevations.js';
import { EMERGENCY_MS } from './task-progress.js';

/** An elevation by its relationship. */
export interface ElevationGrant extends Pick<StoredElevation, 'id' | 'state' | 'grantState'> {
  /** The end of the right that it gives, in milliseconds since the epoch. */
  readonly end: number;
  /** When the approval was ended, where it was. */
  readonly ended: number;
}

/** Longer than any write to the graph takes: until then one may arrive of a process that has died. */
const LATE_WRITE_MS = 60_000;

/** The change that the graph lacks. */
type RightStep =
  | { readonly kind: 'write'; readonly end: number; readonly overwrites: boolean }
  /** Others have taken what these gave: it is theirs no more. */
  | { readonly kind: 'forget'; readonly ids: readonly string[] }
  | { readonly kind: 'delete' }
  /** Nothing. `granted`: of those that live it is there as it was to be written, or it is there anyway. */
  | { readonly kind: 'leave'; readonly granted: 'written' | 'none' };

/**
 * @param grants all elevations of the right that aren't settled for good
 * @param existing the relationship in the graph: one with the end of an elevation is ours, and what others wrote stays
 */
export function planRight(grants: readonly ElevationGrant[], existing: Relationship | undefined, now: Date): RightStep {
  const live = grants.filter((grant) => isLive(grant, now));
  const end = existing?.expiresAt === undefined ? undefined : Date.parse(existing.expiresAt);
  const isOurs = end !== undefined && grants.some((grant) => grant.end === end);
  if (existing !== undefined && !isOurs && (end === undefined || end > now.getTime()))
    return { kind: 'leave', granted: 'none' };
  // SpiceDB ends by itself what has come to its end.
  if (live.length === 0) return isOurs && end > now.getTime() ? { kind: 'delete' } : { kind: 'leave', granted: 'none' };
  // What isn't there any more was taken by others, and nothing gives it back; unless a delete of ours came late.
  const mayGiveBack = isOurs || grants.some(({ grantState }) => grantState === 'deleting');
  const taken = mayGiveBack ? [] : live.filter(({ grantState }) => grantState === 'written');
  if (taken.length > 0) return { kind: 'forget', ids: taken.map(({ id }) => id) };
  const latest = Math.max(...live.map((grant) => grant.end));
  return isOurs && end === latest
    ? { kind: 'leave', granted: 'written' }
    : { kind: 'write', end: latest, overwrites: isOurs };
}

export function isLive({ state, end }: ElevationGrant, now: Date): boolean {
  return state === 'approved' && end > now.getTime();
}

/** Whether nothing of the elevation can be in the graph any more, nor come. */
export function isSettledForGood({ state, end, ended, grantState }: ElevationGrant, now: Date): boolean {
  const isPast = end <= now.getTime() && grantState !== 'deleting';
  return isPast || (state !== 'approved' && now.getTime() - ended > LATE_WRITE_MS);
}

/** The right that an approval gives, and until when; undefined where it gives none. */
export function describeElevation({
  id, state, grantState, steps, user, question: { resource }, answers, decided, asked, ...terms
}: StoredElevation): { readonly right: ElevatedRight; readonly grant: ElevationGrant } | undefined {
  const step = steps.find((one) => one.kind === 'elevation');
  if (step?.kind !== 'elevation' || user === undefined || answers.length === 0) return undefined;
  return {
    right: { resource: { type: resource.type, id: resource.id }, relation: step.relation, subject: user },
    grant: { id, state, grantState, end: findElevationEnd(terms, step.seconds, findApprovedAt(answers)), ended: Date.parse(decided ?? asked) },
  };
} // prettier-ignore

/** The instant of the last yes, in milliseconds since the epoch. @param answers one at least */
export function findApprovedAt(answers: readonly Pick<ApprovalAnswer, 'at'>[]): number {
  return Math.max(...answers.map(({ at }) => Date.parse(at)));
}

/** The end of the right that an elevation gives, or would give, in milliseconds since the epoch. */
export function findElevationEnd(
  {
    scope,
    approved_until,
    requested_until,
    emergency,
  }: Pick<StoredElevation, 'scope' | 'approved_until' | 'requested_until' | 'emergency'>,
  seconds: number,
  approvedAt: number,
): number {
  return Math.min(
    approvedAt + seconds * 1000,
    ...(scope === 'until' && approved_until !== undefined ? [Date.parse(approved_until)] : []),
    ...(requested_until === undefined ? [] : [Date.parse(requested_until)]),
    ...(emergency === undefined ? [] : [approvedAt + EMERGENCY_MS]),
  );
}
