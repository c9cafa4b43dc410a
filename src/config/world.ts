/** A world: the relationships and entities of a fixture file, loaded once, where the stores are empty. */
import { z } from 'zod';
import { shown } from './files.js';
import { parseYaml } from './yaml.js';
import type { Relationships } from '../graph/port.js';
import { MAX_UPDATES } from '../graph/port.js';
import { BadRequest, ConfigError } from '../model/faults.js';
import { idProblem, refText } from '../model/ids.js';
import { JsonProblem, parseJson } from '../runtime/strict-json.js';
import { type Relationship } from '../model/relationships.js';
import { relationshipKey } from '../graph/relationship-text.js';
import { parseRelationship } from '../graph/relationship-text.js';
import { storable } from '../policy/entity-validation.js';
import { refusalOf } from '../graph/schema/validate-relationship.js';
import type { Rules } from '../policy/load.js';
import type { EntityStore } from '../store/entities.js';
import type { StoredEntity } from '../model/entities.js';

const ref = z.strictObject({ type: z.string().min(1), id: z.union([z.string().min(1), z.number().transform(String)]) });
/** What a world file has. */
export const worldFormat = z
  .strictObject({
    relationships: z.string().default('').describe('One a line, as SpiceDB writes them: document:plan#viewer@user:ann'),
    entities: z
      .array(
        ref.extend({
          attributes: z.record(z.string(), z.unknown()).default({}),
          parents: z.array(ref).default([]),
        }),
      )
      .default([])
      .describe('What is stored of users, agents and resources; type is the SpiceDB definition'),
  })
  .meta({ title: 'Remit world' });

export type WrittenWorld = z.infer<typeof worldFormat>;

export interface World {
  readonly relationships: readonly Relationship[];
  readonly entities: readonly StoredEntity[];
}

export interface WorldProblem {
  readonly rule: 'relationship-invalid' | 'entity-invalid';
  /** In the file; of a relationship it ends with its line within the block, from 0. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** @throws ConfigError naming file, line or entry */
export function readWorld(path: string, rules: Rules): World {
  return worldOf(parseYaml(path, worldFormat, 'world'), rules, shown(path));
}

/** @param place for errors. @throws ConfigError naming the line or entry */
export function worldOf(read: WrittenWorld, rules: Rules, place: string): World {
  const problems: WorldProblem[] = [];
  const world = examineWorld(read, rules, (problem) => problems.push(problem));
  const [first, ...more] = problems;
  if (first === undefined) return world;
  const [part, at] = first.path;
  const where =
    part === 'relationships' ? `relationships, line ${Number(at) + 1} of the block:` : `entities[${String(at)}]`;
  const others = more.length === 0 ? '' : ` [and ${more.length} more: remit check]`;
  throw new ConfigError(`${where} ${first.message}${others}`, place);
}

/** What of a world fits both schemas; what doesn't is reported. */
export function examineWorld(read: WrittenWorld, rules: Rules, report: (problem: WorldProblem) => void): World {
  const relationships = new Map<string, Relationship>();
  for (const [i, line] of read.relationships.split('\n').entries()) {
    const text = line.replace(/(^|\s)\/\/.*$/, '').trim();
    if (text === '') continue;
    const say = (why: string): void => {
      report({ rule: 'relationship-invalid', path: ['relationships', i], message: `"${text}" ${why}` });
    };
    let relationship: Relationship;
    try {
      relationship = parseRelationship(text);
    } catch (error) {
      say((error as Error).message);
      continue;
    }
    const why = refusalOf(relationship, rules.graph);
    if (why === undefined) relationships.set(relationshipKey(relationship), relationship);
    else say(why);
  }
  const entities = new Map<string, StoredEntity>();
  for (const [i, entity] of read.entities.entries()) {
    const problem = idProblem(entity.id);
    const twice = problem === undefined && entities.has(refText(entity)) ? 'is there twice' : undefined;
    const why =
      problem === undefined ? (twice ?? unreadableText(entity.attributes) ?? storable(entity, rules)) : `id ${problem}`;
    if (why === undefined) entities.set(refText(entity), entity);
    else {
      const message = `(${entity.type}:${entity.id.toWellFormed()}): ${why}`;
      report({ rule: 'entity-invalid', path: ['entities', i], message });
    }
  }
  return { relationships: [...relationships.values()], entities: [...entities.values()] };
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
