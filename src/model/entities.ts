/** Entities as they are stored, and as a decision reads them. */
import type { EntityRef } from './ids.js';

export interface StoredEntity extends EntityRef {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Direct parents. */
  readonly parents: readonly EntityRef[];
}

/** An entity as a decision needs it. */
export interface EntityWithAncestors extends StoredEntity {
  /** Parents over any number of steps. */
  readonly ancestors: readonly EntityRef[];
}

export interface Entities {
  /** What is stored of each, in order; undefined where nothing is. @throws Fault */
  lookup(refs: readonly EntityRef[]): Promise<readonly (EntityWithAncestors | undefined)[]>;
  put(entities: readonly StoredEntity[]): Promise<void>;
  /** Whether there was one. */
  remove(ref: EntityRef): Promise<boolean>;
  count(): Promise<number>;
}
