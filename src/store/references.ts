/** Follows references among stored entities: what a decision needs beyond the entities that its question names. */
import type { EntityMap, EntityNeed, EntityWithAncestors } from '../model/entities.js';
import { formatRef } from '../model/ids.js';

/** The entities that were found, and the needs that the source didn't know. */
export interface FollowedReferences {
  readonly entities: EntityMap;
  readonly unknown: readonly EntityNeed[];
}

/** @param find returns the entity in an object, or undefined where it doesn't know whether there is one */
export function followReferences(
  needs: readonly EntityNeed[],
  find: (key: string, need: EntityNeed) => { readonly entity: EntityWithAncestors | undefined } | undefined,
): FollowedReferences {
  const entities = new Map<string, EntityWithAncestors | undefined>();
  const unknown: EntityNeed[] = [];
  const pending = [...needs];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const key = formatRef(next);
    const cached = find(key, next);
    if (cached === undefined) {
      unknown.push(next);
      continue;
    }
    entities.set(key, cached.entity);
    if (cached.entity === undefined) continue;
    for (const { path, type, steps } of next.steps ?? []) {
      const id = readReferencedId(cached.entity.attributes, path);
      if (id !== undefined) pending.push({ type, id, steps });
    }
  }
  return { entities, unknown };
}

/** A reference is stored as an id, or as `{"type": …, "id": …}`. */
function readReferencedId(attributes: Readonly<Record<string, unknown>>, path: readonly string[]): string | undefined {
  let value: unknown = attributes;
  for (const name of path) value = readMember(value, name);
  const id = typeof value === 'object' ? readMember(value, 'id') : value;
  return typeof id === 'string' ? id : undefined;
}

function readMember(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
    return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
