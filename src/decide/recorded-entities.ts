/**
 * Stored entities as a record keeps them: of each what the policies read and no more, since records outlast the people
 * that they are about. What was left out is named, so that a replay knows that it was there.
 */
import { formatAttributePath, type EntityWithAncestors, type RecordedEntity } from '../model/entities.js';
import { formatRef, isSameRef, type EntityRef } from '../model/ids.js';
import type { RecordedFacts } from '../model/decision.js';
import type { ValueReads } from '../policy/policy-reads.js';
import { isObject, type RecordMembers } from '../policy/schema/types.js';
import type { BoundQuestion } from './bound-question.js';
import { findElevationStep } from './elevation.js';
import { listOwnEntities, listReadEntities } from './entity-needs.js';
import { collectCedarFacts } from './facts.js';
import { readName } from './reason-text.js';
import type { Facts } from './step.js';

export function recordEntities(
  bound: BoundQuestion,
  facts: Pick<Facts, 'check' | 'entity'>,
): NonNullable<RecordedFacts['entities']> {
  const recorded: Record<string, RecordedEntity | null> = {};
  for (const [key, { ref, reads }] of listNeededEntities(bound, facts)) {
    const entity = facts.entity(ref);
    recorded[key] = entity === undefined ? null : recordEntity(entity, reads, bound);
  }
  return recorded;
}

/**
 * Lists what the question needs and the record doesn't have: an entity as `type:id`, an attribute as
 * `type:id.attribute`.
 */
export function findUnrecordedEntities(
  recorded: RecordedFacts['entities'],
  bound: BoundQuestion,
  facts: Pick<Facts, 'check' | 'entity'>,
): string[] {
  return [...listNeededEntities(bound, facts)].flatMap(([key, { reads }]) => {
    const entity = recorded !== undefined && Object.hasOwn(recorded, key) ? recorded[key] : undefined;
    if (entity === undefined) return [key];
    return entity === null || reads === undefined ? [] : findUnrecordedParts(entity, reads).map((part) => key + part);
  });
}

interface NeededEntity {
  readonly ref: EntityRef;
  /** undefined where it only counts whether there is one. */
  readonly reads: ValueReads | undefined;
}

/** A resource out of reach isn't needed: nothing that is stored of it may be read, but to tell whether a right can be asked for. */
function listNeededEntities(
  bound: BoundQuestion,
  facts: Pick<Facts, 'check' | 'entity'>,
): ReadonlyMap<string, NeededEntity> {
  const plainFacts = collectCedarFacts(bound, facts);
  // Whether a right can be asked for rests on the resource as well: those who may ask are meant to know of it.
  const cedarFacts = {
    ...plainFacts,
    reachable: plainFacts.reachable || findElevationStep(bound, facts) !== undefined,
  };
  const isWithin = (ref: EntityRef): boolean => cedarFacts.reachable || !isSameRef(ref, bound.question.resource);
  const ownEntities = listOwnEntities(bound).filter(isWithin);
  return new Map<string, NeededEntity>([
    ...ownEntities.map((ref) => [formatRef(ref), { ref, reads: undefined }] as const),
    ...listReadEntities(bound, cedarFacts),
  ]);
}

function recordEntity(
  { type, id, attributes, ancestors }: EntityWithAncestors,
  reads: ValueReads | undefined,
  { rules, acting }: BoundQuestion,
): RecordedEntity {
  const types = rules.vocabulary.typesByObject.get(type) ?? [];
  const declared = Object.assign({}, ...types.map((entityType) => entityType.attributes)) as RecordMembers;
  const omitted: string[] = [];
  const recorded = keepRead(attributes, declared, reads?.members ?? new Map<string, ValueReads>(), [], omitted);
  const isParty = [acting.user, acting.agent].some((party) => party !== undefined && isSameRef(party, { type, id }));
  const name = isParty ? readName({ attributes }) : undefined;
  return {
    // The name of a party is in the decision's texts, whether or not a policy reads it.
    attributes: name === undefined ? recorded : { name, ...recorded },
    ...(reads?.ancestors === true ? { ancestors } : {}),
    ...(omitted.length === 0
      ? {}
      : { omitted: omitted.filter((path) => name === undefined || path !== 'name').sort() }),
  };
}

function keepRead(
  values: Readonly<Record<string, unknown>>,
  declared: RecordMembers,
  reads: ReadonlyMap<string, ValueReads>,
  path: readonly string[],
  omitted: string[],
): Record<string, unknown> {
  const recorded: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    const member = Object.hasOwn(declared, name) ? declared[name] : undefined;
    const memberReads = reads.get(name);
    const memberPath = [...path, name];
    // What the schema doesn't declare is never read.
    if (member === undefined) continue;
    if (memberReads === undefined) omitted.push(formatAttributePath(memberPath));
    else if (member.type.kind === 'Record' && !memberReads.whole && isObject(value))
      recorded[name] = keepRead(value, member.type.members, memberReads.members, memberPath, omitted);
    else recorded[name] = value;
  }
  return recorded;
}

function findUnrecordedParts({ ancestors, omitted = [] }: RecordedEntity, reads: ValueReads): string[] {
  const findWithin = (members: ReadonlyMap<string, ValueReads>, path: readonly string[]): string[] =>
    [...members].flatMap(([name, member]) => {
      const memberPath = [...path, name];
      const text = formatAttributePath(memberPath);
      const parts = omitted.filter((part) => part === text || (member.whole && part.startsWith(`${text}.`)));
      return [...parts, ...(member.type.kind === 'Record' ? findWithin(member.members, memberPath) : [])];
    });
  const attributes = [...new Set(findWithin(reads.members, []))].map((part) => `.${part}`);
  return reads.ancestors && ancestors === undefined ? [...attributes, ' (its parents)'] : attributes;
}
