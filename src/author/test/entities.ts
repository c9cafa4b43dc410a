/** Entities of a world under test: looked up in memory, as they are or as a test changes them. */
import { refText, sameRef, type EntityRef } from '../../model/ids.js';
import { isObject } from '../../policy/schema/types.js';
import type { Entities } from '../../model/entities.js';
import type { KnownEntity } from '../../model/entities.js';
import type { StoredEntity } from '../../model/entities.js';
import type { World } from '../../config/world.js';
import type { EntityChange } from './format.js';

export function find({ entities }: Pick<World, 'entities'>, ref: EntityRef): StoredEntity | undefined {
  return entities.find((entity) => sameRef(entity, ref));
}

/** What is stored of it then; undefined for nothing. */
export function changed(stored: StoredEntity | undefined, change: EntityChange): StoredEntity | undefined {
  const { type, id, attributes, parents } = change;
  if (attributes === null) return undefined;
  return {
    type,
    id,
    attributes: merged(stored?.attributes ?? {}, attributes ?? {}),
    parents: parents ?? stored?.parents ?? [],
  };
}

/** RFC 7396, JSON Merge Patch. */
function merged(
  target: Readonly<Record<string, unknown>>,
  patch: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const out = new Map(Object.entries(target));
  for (const [name, value] of Object.entries(patch)) {
    const before = out.get(name);
    if (value === null) out.delete(name);
    else out.set(name, isObject(value) ? merged(isObject(before) ? before : {}, value) : value);
  }
  return Object.fromEntries(out);
}

/** The part of the store's port that decisions look up, over a map. */
export class MemoryEntities implements Pick<Entities, 'lookup'> {
  private readonly stored = new Map<string, StoredEntity>();

  /** Replaces everything. */
  set(entities: readonly StoredEntity[]): void {
    this.stored.clear();
    for (const entity of entities) this.stored.set(refText(entity), entity);
  }

  change(changes: readonly EntityChange[]): void {
    for (const change of changes) {
      const key = refText(change);
      const entity = changed(this.stored.get(key), change);
      if (entity === undefined) this.stored.delete(key);
      else this.stored.set(key, entity);
    }
  }

  lookup(refs: readonly EntityRef[]): Promise<readonly (KnownEntity | undefined)[]> {
    return Promise.resolve(
      refs.map((ref) => {
        const entity = this.stored.get(refText(ref));
        return entity === undefined ? undefined : { ...entity, ancestors: this.ancestors(entity) };
      }),
    );
  }

  /** Over any number of steps, each once. */
  private ancestors({ parents }: StoredEntity): EntityRef[] {
    const found = new Map<string, EntityRef>();
    const open = [...parents];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (found.has(refText(next))) continue;
      found.set(refText(next), { type: next.type, id: next.id });
      open.push(...(this.stored.get(refText(next))?.parents ?? []));
    }
    return [...found.values()];
  }
}
