/** The findings of a search for grants, and how they combine along arrows, unions and intersections. */
import type { Relationship } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';

export type GrantProof =
  | {
      readonly kind: 'proved';
      /** Relationships from the resource to the subject; undefined where a caveat decided, which has no path. */
      readonly path: readonly string[] | undefined;
      /** When the first of them expires, RFC 3339; undefined where none does. */
      readonly until: string | undefined;
    }
  /** No relationship that is there grants it. */
  | { readonly kind: 'none' }
  /** Something may grant it that can't be followed: a caveat on the way, or too much to look at. */
  | { readonly kind: 'unsure' };

export const NO_PROOF: GrantProof = { kind: 'none' };
export const UNSURE_PROOF: GrantProof = { kind: 'unsure' };
/** Proved without any relationship: the end of every path. */
export const EMPTY_PROOF: GrantProof = { kind: 'proved', path: [], until: undefined };

/** The first candidate's proof that grants; otherwise unsure, where any is. */
export async function findFirstProof<T>(
  candidates: readonly T[],
  prove: (candidate: T) => Promise<GrantProof>,
): Promise<GrantProof> {
  let result = NO_PROOF;
  for (const candidate of candidates) {
    const proof = await prove(candidate);
    if (proof.kind === 'proved') return proof;
    if (proof.kind === 'unsure') result = UNSURE_PROOF;
  }
  return result;
}

/** Both proofs together; the second isn't looked for where the first grants nothing. */
export async function combineProofs(first: GrantProof, proveSecond: () => Promise<GrantProof>): Promise<GrantProof> {
  if (first.kind === 'none') return NO_PROOF;
  const second = await proveSecond();
  if (second.kind === 'none') return NO_PROOF;
  if (first.kind === 'unsure' || second.kind === 'unsure') return UNSURE_PROOF;
  const hasPath = first.path !== undefined && second.path !== undefined;
  return {
    kind: 'proved',
    path: hasPath ? [...new Set([...first.path, ...second.path])] : undefined,
    until: earliestInstant([first.until, second.until]),
  };
}

/** The relationship, followed by the proof of what it leads to. */
export function extendProof(row: Relationship, rest: GrantProof): GrantProof {
  if (rest.kind !== 'proved') return rest;
  return {
    kind: 'proved',
    path: rest.path === undefined ? undefined : [relationshipKey(row), ...rest.path],
    until: earliestInstant([row.expiresAt, rest.until]),
  };
}

/** The proof by the relationship that expires last, of several that each grant by themselves. */
export function proofByLastToExpire(rows: readonly Relationship[]): GrantProof {
  const [row] = [...rows].sort(compareByLatestExpiration);
  return row === undefined ? NO_PROOF : extendProof(row, EMPTY_PROOF);
}

/** All instants in one form, so that they compare as texts; undefined where there are none. */
export function earliestInstant(instants: readonly (string | undefined)[]): string | undefined {
  const times = instants.flatMap((instant) => (instant === undefined ? [] : [Date.parse(instant)]));
  return times.length === 0 ? undefined : new Date(Math.min(...times)).toISOString();
}

function compareByLatestExpiration(a: Relationship, b: Relationship): number {
  const expiration = ({ expiresAt }: Relationship): number =>
    expiresAt === undefined ? Infinity : Date.parse(expiresAt);
  return expiration(a) === expiration(b) ? 0 : expiration(b) - expiration(a);
}
