/** World files: relationships and entities that a start loads into empty stores, and that checks and tests read. */
import { z } from 'zod';
import { countOthers, formatProblem, type Problem } from '../diagnostics/diagnostics.js';
import { displayPath, readBoundedSource, requireKind } from './files.js';
import { idText } from './schema-types.js';
import type { SourceFile } from '../diagnostics/source.js';
import { loadYaml } from './yaml.js';
import { MAX_UPDATES_PER_WRITE, type RelationshipGraph } from '../graph/port.js';
import { BadRequest, ConfigError } from '../model/faults.js';
import { findIdProblem, formatRef } from '../model/ids.js';
import { StrictJsonError, parseStrictJson } from '../runtime/strict-json.js';
import { trimBlanks } from '../runtime/trim-blanks.js';
import type { Relationship } from '../model/relationships.js';
import { relationshipKey, parseRelationship } from '../graph/relationship-text.js';
import { findEntityProblem, type EntityProblem } from '../policy/entity-validation.js';
import { relationshipProblem } from '../graph/schema/validate-relationship.js';
import type { Rules } from '../policy/load.js';
import type { EntityStore } from '../store/entities.js';
import type { StoredEntity } from '../model/entities.js';

const refFormat = z.strictObject({
  type: z.string().min(1),
  id: idText,
});
/** The format of a world file. */
export const worldFormat = z
  .strictObject({
    relationships: z.string().default('').describe('One a line, as SpiceDB writes them: document:plan#viewer@user:ann'),
    entities: z
      .array(
        refFormat.extend({
          attributes: z.record(z.string(), z.unknown()).default({}),
          parents: z.array(refFormat).default([]),
        }),
      )
      .default([])
      .describe('What is stored of users, agents and resources; type is the SpiceDB definition'),
  })
  .meta({ title: 'Remit world' });

export type WorldFile = z.infer<typeof worldFormat>;

export interface LoadedWorld {
  readonly relationships: readonly Relationship[];
  readonly entities: readonly StoredEntity[];
}

export interface WorldProblem extends Problem {
  readonly rule: 'relationship-invalid' | 'entity-invalid';
  /** Its place in the file. For a relationship it ends with the line within the block, from 0. */
  readonly path: readonly PropertyKey[];
}

/** Reads the text of a world file. @throws ConfigError */
export function readWorldSource(path: string): SourceFile {
  return readBoundedSource(requireKind(path, 'a world'));
}

/** @throws ConfigError naming file, line or entry */
export function readWorldFile(path: string, rules: Rules): LoadedWorld {
  return validateWorld(loadYaml(requireKind(path, 'a world'), worldFormat, 'world'), rules, displayPath(path));
}

/** Validates a world. @param place the file, for errors. @throws ConfigError naming the line or entry */
export function validateWorld(file: WorldFile, rules: Rules, place: string): LoadedWorld {
  const problems: WorldProblem[] = [];
  const world = examineWorld(file, rules, (problem) => problems.push(problem));
  const [first, ...others] = problems;
  if (first === undefined) return world;
  const [part, index] = first.path;
  const where =
    part === 'relationships' ? `relationships, line ${Number(index) + 1} of the block:` : `entities[${String(index)}]`;
  throw new ConfigError(`${where} ${formatProblem(first)}${countOthers(others)}`, place);
}

/** Lists the relationships of the block as they are written, without comments; lines are counted from 0. */
export function listRelationshipLines({
  relationships,
}: Pick<WorldFile, 'relationships'>): { readonly line: number; readonly text: string }[] {
  return relationships
    .split('\n')
    .map((text, line) => ({ line, text: trimBlanks(text.replace(/(^|[ \t\r])\/\/.*$/, '')) }))
    .filter(({ text }) => text !== '');
}

/** Takes what fits both schemas, and reports the rest. */
export function examineWorld(file: WorldFile, rules: Rules, report: (problem: WorldProblem) => void): LoadedWorld {
  const relationships = new Map<string, Relationship>();
  for (const { line, text } of listRelationshipLines(file)) {
    const reportLine = ({ message, suggestion }: Problem): void => {
      const path = ['relationships', line];
      report({ rule: 'relationship-invalid', path, message: `"${text}" ${message}`, suggestion });
    };
    let relationship: Relationship;
    try {
      relationship = parseRelationship(text);
    } catch (error) {
      reportLine(error as Error);
      continue;
    }
    const refusal = relationshipProblem(relationship, rules.graph);
    if (refusal === undefined) relationships.set(relationshipKey(relationship), relationship);
    else reportLine(refusal);
  }
  const entities = new Map<string, StoredEntity>();
  for (const [i, entity] of file.entities.entries()) {
    const problem = findWorldEntityProblem(entity, entities, rules);
    if (problem === undefined) entities.set(formatRef(entity), entity);
    else {
      const message = `(${entity.type}:${entity.id.toWellFormed()}): ${problem.message}`;
      const path = ['entities', i, ...splitPartPath(problem.path, entity)];
      report({ rule: 'entity-invalid', path, message, suggestion: problem.suggestion });
    }
  }
  return { relationships: [...relationships.values()], entities: [...entities.values()] };
}

/** @param earlier the entities before it in the file, by reference */
function findWorldEntityProblem(
  entity: StoredEntity,
  earlier: ReadonlyMap<string, StoredEntity>,
  rules: Rules,
): EntityProblem | undefined {
  const idProblem = findIdProblem(entity.id);
  if (idProblem !== undefined) return { path: 'id', message: `id ${idProblem}` };
  for (const [i, parent] of entity.parents.entries()) {
    const problem = findIdProblem(parent.id);
    if (problem !== undefined) return { path: `parents[${i}].id`, message: `parents[${i}].id ${problem}` };
  }
  if (earlier.has(formatRef(entity))) return { path: 'id', message: 'is there twice' };
  return findUnreadableText(entity.attributes) ?? findEntityProblem(entity, rules);
}

/** The keys that a path such as `attributes.address.street` or `parents[0].id` goes through, as far as the value has them. */
function splitPartPath(path: string, value: unknown): PropertyKey[] {
  if (path === '' || typeof value !== 'object' || value === null) return [];
  const rest = path.replace(/^\./, '');
  const names = Object.keys(value);
  // A name may have points and brackets of its own.
  const [name] = Array.isArray(value)
    ? names.filter((index) => rest.startsWith(`[${index}]`))
    : names.filter((key) => rest.startsWith(key) && /^($|[.[])/.test(rest.slice(key.length))).sort(byLength);
  if (name === undefined) return [];
  const member = (value as Readonly<Record<string, unknown>>)[name];
  return Array.isArray(value)
    ? [Number(name), ...splitPartPath(rest.slice(name.length + 2), member)]
    : [name, ...splitPartPath(rest.slice(name.length), member)];
}

function byLength(a: string, b: string): number {
  return b.length - a.length;
}

/** Finds the reason that a text within the value can't be stored; undefined where all can. */
function findUnreadableText(value: unknown): EntityProblem | undefined {
  try {
    parseStrictJson(JSON.stringify(value));
    return undefined;
  } catch (error) {
    const path = error instanceof StrictJsonError && error.path !== '' ? `attributes.${error.path}` : 'attributes';
    return {
      path,
      message: `${path} ${error instanceof StrictJsonError ? error.message : 'can not be written as JSON'}`,
    };
  }
}

/** Writes a world to the stores. @throws ConfigError where SpiceDB refuses a relationship */
export async function loadWorld(
  path: string,
  world: LoadedWorld,
  stores: { relationships: RelationshipGraph; entities: EntityStore },
): Promise<void> {
  const updates = world.relationships.map((relationship) => ({ operation: 'touch' as const, relationship }));
  for (let i = 0; i < updates.length; i += MAX_UPDATES_PER_WRITE) {
    try {
      await stores.relationships.write(updates.slice(i, i + MAX_UPDATES_PER_WRITE), 'world');
    } catch (error) {
      if (error instanceof BadRequest)
        throw new ConfigError(error.message, { file: displayPath(path), key: 'relationships' });
      throw error;
    }
  }
  for (let i = 0; i < world.entities.length; i += MAX_UPDATES_PER_WRITE)
    await stores.entities.put(world.entities.slice(i, i + MAX_UPDATES_PER_WRITE));
}
