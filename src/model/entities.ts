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
  /** Attributes that are stored and whose values are left out, as a record does; `address.street` is one in a record. */
  readonly omitted?: ReadonlySet<string>;
}

/** An entity as a decision's record has it: what was read of it. */
export interface RecordedEntity {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Absent where nothing asked what the entity is in. */
  readonly ancestors?: readonly EntityRef[];
  /** The attributes that were stored and that nothing read, by name; absent where there were none. */
  readonly omitted?: readonly string[];
}

/** A reference that is followed from an entity to another. */
export interface ReferenceStep {
  /** The attribute that refers, and where it is a record's member the names that lead there. */
  readonly path: readonly string[];
  /** The type of the entities that it refers to. */
  readonly type: string;
  readonly steps: readonly ReferenceStep[];
}

/** An entity that is needed, with those that references lead to from it. */
export interface EntityNeed extends EntityRef {
  readonly steps?: readonly ReferenceStep[];
}

/** Entities by their text `type:id`; undefined where nothing is stored. What wasn't looked up isn't in it. */
export type EntityMap = ReadonlyMap<string, EntityWithAncestors | undefined>;

export interface Entities {
  /**
   * Returns the stored entity of each reference, in order; undefined where there is none.
   * @throws Fault where the store can't answer
   */
  lookup(refs: readonly EntityRef[]): Promise<readonly (EntityWithAncestors | undefined)[]>;
  /**
   * Fetches the entities and all that the references lead to, as of one moment.
   * @throws Fault where the store can't answer
   */
  fetch(needs: readonly EntityNeed[]): Promise<EntityMap>;
  put(entities: readonly StoredEntity[]): Promise<void>;
  /** Returns whether there was one. */
  remove(ref: EntityRef): Promise<boolean>;
  count(): Promise<number>;
}

/** The names that lead to an attribute or to a record's member within one, as one text: `address.street`. */
export function formatAttributePath(names: readonly string[]): string {
  return names.map((name) => name.replace(/[.\\]/g, '\\$&')).join('.');
}
