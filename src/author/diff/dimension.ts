/** The dimensions by which generated requests of one kind vary, and the source that they are made from. */
import type { RequestDraft } from './synthetic-record.js';
import { changedPolicies, namesReadBy, type QuestionKind } from './question-kinds.js';
import { findLiterals, type Literals } from '../hypotheses/literals.js';

/** Values of one dimension at most. Where policies compare with more, the rest are left out. */
export const MAX_VALUES = 16;

export interface Dimension {
  /** `principal.kind`, `context.can.edit`. */
  readonly name: string;
  /** The name by which policies read it; empty where they don't read it by name. */
  readonly read: string;
  /** The usual value comes first. */
  readonly values: readonly DimensionValue[];
}

export interface DimensionValue {
  readonly text: string;
  readonly put: (draft: RequestDraft) => void;
}

export interface DimensionSource {
  readonly kind: QuestionKind;
  /** Names of the attributes and context members that its policies read. */
  readonly reads: ReadonlySet<string>;
  readonly literals: Literals;
}

export function dimensionSource(kind: QuestionKind): DimensionSource {
  return {
    kind,
    reads: namesReadBy(kind),
    // The values of changed policies come first: they must not be among those that are left out.
    literals: findLiterals([...changedPolicies(kind), ...kind.versions.flatMap(({ policies }) => policies)]),
  };
}

export function hasAgent({ kind }: DimensionSource): boolean {
  return kind.mode !== 'human';
}

/** The scopes that the action asks for by either set of rules. */
export function scopesAskedFor({ kind }: DimensionSource): string[] {
  return uniqueValues(kind.versions.flatMap(({ action }) => [action.scope ?? [], action.backgroundScope ?? []].flat()));
}

export function uniqueValues<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
