/** A world: the relationships and entities of a fixture file, loaded once, where the stores are empty. */
import { z } from 'zod';
import { parseYaml, shown } from './config/files.js';
import type { Relationships } from './engines/spicedb/port.js';
import { MAX_UPDATES } from './engines/spicedb/port.js';
import { BadRequest, ConfigError } from './model/faults.js';
import { idProblem, refText } from './model/ids.js';
import { JsonProblem, parseJson } from './model/json.js';
import { parseRelationship, relationshipKey, type Relationship } from './model/relationships.js';
import { storable } from './rules/entities.js';
import type { Rules } from './rules/load.js';
import type { EntityStore, StoredEntity } from './stores/entities.js';

const ref = z.strictObject({ type: z.string().min(1), id: z.union([z.string().min(1), z.number().transform(String)]) });
/** What a world file has. */
export const worldFormat = z.strictObject({
  relationships: z.string().default(''),
  entities: z
    .array(
      ref.extend({
        attributes: z.record(z.string(), z.unknown()).default({}),
        parents: z.array(ref).default([]),
      }),
    )
    .default([]),
});

export type WrittenWorld = z.infer<typeof worldFormat>;

export interface World {
  readonly relationships: readonly Relationship[];
  readonly entities: readonly StoredEntity[];
}

/** @throws ConfigError naming file, line or entry */
export function readWorld(path: string, rules: Rules): World {
  return worldOf(parseYaml(path, worldFormat, 'world'), rules, shown(path));
}

/** @param place for errors. @throws ConfigError naming the line or entry */
export function worldOf(read: WrittenWorld, rules: Rules, place: string): World {
  const relationships = new Map<string, Relationship>();
  for (const [i, line] of read.relationships.split('\n').entries()) {
    const text = line.replace(/(^|\s)\/\/.*$/, '').trim();
    if (text === '') continue;
    try {
      const relationship = parseRelationship(text);
      relationships.set(relationshipKey(relationship), relationship);
    } catch (error) {
      throw new ConfigError(`relationships, line ${i + 1} of the block: "${text}" ${(error as Error).message}`, place);
    }
  }
  const seen = new Set<string>();
  for (const [i, entity] of read.entities.entries()) {
    const problem = idProblem(entity.id);
    const twice = problem === undefined && seen.has(refText(entity)) ? 'is there twice' : undefined;
    const why =
      problem === undefined ? (twice ?? unreadableText(entity.attributes) ?? storable(entity, rules)) : `id ${problem}`;
    seen.add(problem === undefined ? refText(entity) : '');
    if (why !== undefined)
      throw new ConfigError(`entities[${i}] (${entity.type}:${entity.id.toWellFormed()}): ${why}`, place);
  }
  return { relationships: [...relationships.values()], entities: read.entities };
}

/** Why a string within `value` can't be stored; undefined if all can. */
function unreadableText(value: unknown): string | undefined {
  try {
    parseJson(JSON.stringify(value));
    return undefined;
  } catch (error) {
    return error instanceof JsonProblem
      ? `attributes.${error.at} ${error.message}`
      : 'attributes can not be written as JSON';
  }
}

/** @throws ConfigError where SpiceDB refuses a relationship */
export async function loadWorld(
  path: string,
  from: World,
  into: { relationships: Relationships; entities: EntityStore },
): Promise<void> {
  const updates = from.relationships.map((relationship) => ({ operation: 'touch' as const, relationship }));
  for (let i = 0; i < updates.length; i += MAX_UPDATES) {
    try {
      await into.relationships.write(updates.slice(i, i + MAX_UPDATES), 'world');
    } catch (error) {
      if (error instanceof BadRequest) throw new ConfigError(`relationships: ${error.message}`, shown(path));
      throw error;
    }
  }
  for (let i = 0; i < from.entities.length; i += MAX_UPDATES)
    await into.entities.put(from.entities.slice(i, i + MAX_UPDATES));
}
