/** Something that varies in the generated requests of a kind, and what all of it is made from. */
import type { RequestDraft } from './synthetic-record.js';
import { changedPolicies, namesReadBy, type QuestionKind } from './question-kinds.js';
import { findLiterals, type Literals } from '../hypotheses/literals.js';

/** Values of one dimension at most: a policy that lists more of them is looked at in parts. */
export const MAX_VALUES = 16;

export interface Dimension {
  /** `principal.kind`, `context.can.edit`. */
  readonly name: string;
  /** The name by which policies read it; empty where it isn't by name. */
  readonly read: string;
  /** The first is the usual one. */
  readonly values: readonly DimensionValue[];
}

export interface DimensionValue {
  readonly text: string;
  readonly put: (draft: RequestDraft) => void;
}

export interface DimensionSource {
  readonly kind: QuestionKind;
  /** Names that its policies read. */
  readonly reads: ReadonlySet<string>;
  readonly literals: Literals;
}

export function dimensionSource(kind: QuestionKind): DimensionSource {
  return {
    kind,
    reads: namesReadBy(kind),
    // Of many values some are left out: not those that changed policies compare with.
    literals: findLiterals([...changedPolicies(kind), ...kind.versions.flatMap(({ policies }) => policies)]),
  };
}

export function hasAgent({ kind }: DimensionSource): boolean {
  return kind.mode !== 'human';
}

/** All that the action asks for by either set of rules. */
export function scopesAskedFor({ kind }: DimensionSource): string[] {
  return uniqueValues(kind.versions.flatMap(({ action }) => [action.scope ?? [], action.backgroundScope ?? []].flat()));
}

export function uniqueValues<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
