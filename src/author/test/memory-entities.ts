/** Keeps the entities of a test's world in memory, with the test's changes. */
import { formatRef, isSameRef, type EntityRef } from '../../model/ids.js';
import { isObject } from '../../policy/schema/types.js';
import type { Entities, EntityMap, EntityNeed, EntityWithAncestors, StoredEntity } from '../../model/entities.js';
import { followReferences } from '../../store/references.js';
import type { LoadedWorld } from '../../config/world.js';
import type { EntityChange } from './format.js';

export function findWorldEntity({ entities }: Pick<LoadedWorld, 'entities'>, ref: EntityRef): StoredEntity | undefined {
  return entities.find((entity) => isSameRef(entity, ref));
}

/** @returns the entity after the change; undefined where it is removed */
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

/** JSON Merge Patch (RFC 7396). */
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

/** Serves decisions the entities of a scene, as the store does for a service. */
export class MemoryEntities implements Pick<Entities, 'lookup' | 'fetch'> {
  private readonly stored = new Map<string, StoredEntity>();

  /** Replaces all entities. */
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
    return Promise.resolve(refs.map((ref) => this.find(formatRef(ref))));
  }

  fetch(needs: readonly EntityNeed[]): Promise<EntityMap> {
    return Promise.resolve(followReferences(needs, (key) => ({ entity: this.find(key) })).entities);
  }

  private find(key: string): EntityWithAncestors | undefined {
    const entity = this.stored.get(key);
    return entity === undefined ? undefined : { ...entity, ancestors: this.ancestors(entity) };
  }

  /** Every ancestor once, over any number of steps; a cycle ends. */
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
