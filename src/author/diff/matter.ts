/** Something that varies in the generated requests of a kind, and what all of it is made from. */
import type { Draft } from './draft.js';
import { changedIn, readBy, type Kind } from './kinds.js';
import { literalsOf, type Literals } from './literals.js';

export interface Dimension {
  /** `principal.kind`, `context.can.edit`. */
  readonly name: string;
  /** The name by which policies read it; empty where it isn't by name. */
  readonly read: string;
  /** The first is the usual one. */
  readonly values: readonly Value[];
}

export interface Value {
  readonly text: string;
  readonly put: (draft: Draft) => void;
}

export interface Matter {
  readonly kind: Kind;
  /** Names that its policies read. */
  readonly reads: ReadonlySet<string>;
  readonly literals: Literals;
}

export function matterOf(kind: Kind): Matter {
  return {
    kind,
    reads: readBy(kind),
    // Of many values some are left out: not those that changed policies compare with.
    literals: literalsOf([...changedIn(kind), ...kind.known.flatMap(({ policies }) => policies)]),
  };
}

export function isAgents({ kind }: Matter): boolean {
  return kind.mode !== 'human';
}

/** Texts that policies compare what is called so with. */
export function textsOf({ literals }: Matter, name: string): string[] {
  return literals.of(name).flatMap(({ value, as }) => (as === undefined && typeof value === 'string' ? [value] : []));
}

/** All that the action asks for by either set of rules. */
export function scopesOf({ kind }: Matter): string[] {
  return unique(kind.known.flatMap(({ action }) => [action.scope ?? [], action.backgroundScope ?? []].flat()));
}

export function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
