/** Entities as they are stored, and as a decision reads them. */
import type { EntityRef } from './ids.js';

export interface StoredEntity extends EntityRef {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Direct parents. */
  readonly parents: readonly EntityRef[];
}

/** An entity as a decision reads it. */
export interface EntityWithAncestors extends StoredEntity {
  /** The parents, their parents, and so on. */
  readonly ancestors: readonly EntityRef[];
}

export interface Entities {
  /**
   * Returns the stored entity of each reference, in order; undefined where there is none.
   * @throws Fault where the store can't answer
   */
  lookup(refs: readonly EntityRef[]): Promise<readonly (EntityWithAncestors | undefined)[]>;
  put(entities: readonly StoredEntity[]): Promise<void>;
  /** Returns whether there was one. */
  remove(ref: EntityRef): Promise<boolean>;
  count(): Promise<number>;
}
