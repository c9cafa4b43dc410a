/** Entities of a world under test: looked up in memory, as they are or as a test changes them. */
import { formatRef, isSameRef, type EntityRef } from '../../model/ids.js';
import { isObject } from '../../policy/schema/types.js';
import type { Entities } from '../../model/entities.js';
import type { EntityWithAncestors } from '../../model/entities.js';
import type { StoredEntity } from '../../model/entities.js';
import type { LoadedWorld } from '../../config/world.js';
import type { EntityChange } from './format.js';

export function findEntity({ entities }: Pick<LoadedWorld, 'entities'>, ref: EntityRef): StoredEntity | undefined {
  return entities.find((entity) => isSameRef(entity, ref));
}

/** What is stored of it then; undefined for nothing. */
export function applyEntityChange(stored: StoredEntity | undefined, change: EntityChange): StoredEntity | undefined {
  const { type, id, attributes, parents } = change;
  if (attributes === null) return undefined;
  return {
    type,
    id,
    attributes: mergePatch(stored?.attributes ?? {}, attributes ?? {}),
    parents: parents ?? stored?.parents ?? [],
  };
}

/** RFC 7396, JSON Merge Patch. */
function mergePatch(
  target: Readonly<Record<string, unknown>>,
  patch: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const result = new Map(Object.entries(target));
  for (const [name, value] of Object.entries(patch)) {
    const before = result.get(name);
    if (value === null) result.delete(name);
    else result.set(name, isObject(value) ? mergePatch(isObject(before) ? before : {}, value) : value);
  }
  return Object.fromEntries(result);
}

/** The part of the store's port that decisions look up, over a map. */
export class MemoryEntities implements Pick<Entities, 'lookup'> {
  private readonly stored = new Map<string, StoredEntity>();

  /** Replaces everything. */
  set(entities: readonly StoredEntity[]): void {
    this.stored.clear();
    for (const entity of entities) this.stored.set(formatRef(entity), entity);
  }

  change(changes: readonly EntityChange[]): void {
    for (const change of changes) {
      const key = formatRef(change);
      const entity = applyEntityChange(this.stored.get(key), change);
      if (entity === undefined) this.stored.delete(key);
      else this.stored.set(key, entity);
    }
  }

  lookup(refs: readonly EntityRef[]): Promise<readonly (EntityWithAncestors | undefined)[]> {
    return Promise.resolve(
      refs.map((ref) => {
        const entity = this.stored.get(formatRef(ref));
        return entity === undefined ? undefined : { ...entity, ancestors: this.ancestors(entity) };
      }),
    );
  }

  /** Over any number of steps, each once. */
  private ancestors({ parents }: StoredEntity): EntityRef[] {
    const visited = new Map<string, EntityRef>();
    const open = [...parents];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (visited.has(formatRef(next))) continue;
      visited.set(formatRef(next), { type: next.type, id: next.id });
      open.push(...(this.stored.get(formatRef(next))?.parents ?? []));
    }
    return [...visited.values()];
  }
}
