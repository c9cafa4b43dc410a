/**
 * The entities that policies reach from a request over references: the principal and the resource first, then those
 * that the request states, that conditions name, and that attributes lead to. Building a request for Cedar, recording it
 * and replaying it all go through here, so that they can't differ in what they take to be needed.
 */
import type { ReferenceStep } from '../model/entities.js';
import { needsEntity, uniteReads, type PolicyReads, type ValueReads } from './policy-reads.js';
import { formatUid, isActionType, type EntityUid } from './schema/uid.js';

export interface ReachedEntity {
  readonly uid: EntityUid;
  /** The reads of it, over whichever way it was reached. */
  readonly reads: ValueReads;
}

type AttributeValues = Readonly<Record<string, unknown>>;

/** A reader of the attributes of entities, and of references in values. */
export interface EntitySource {
  /** Returns undefined where there is no such entity. */
  readonly attributes: (uid: EntityUid) => AttributeValues | undefined;
  /** Returns undefined where the value is no reference. */
  readonly reference: (type: string, value: unknown) => EntityUid | undefined;
}

/** @returns each entity once, the principal and the resource first */
export function findReachedEntities(
  reads: PolicyReads,
  request: { readonly principal: EntityUid; readonly resource: EntityUid; readonly context: AttributeValues },
  source: EntitySource,
): ReachedEntity[] {
  const { principal, resource } = request;
  // Most policies follow no reference, and need nothing but these two.
  if (!reads.followsReferences && (principal.id !== resource.id || principal.type !== resource.type))
    return [
      { uid: principal, reads: reads.principal },
      { uid: resource, reads: reads.resource },
    ];
  const reached = new Map<string, { readonly uid: EntityUid; readonly reads: [ValueReads, ...ValueReads[]] }>();
  const pending: (readonly [EntityUid, ValueReads])[] = [];
  const reach = (uid: EntityUid, entityReads: ValueReads): void => {
    const key = formatUid(uid);
    const former = reached.get(key);
    if (former === undefined) reached.set(key, { uid, reads: [entityReads] });
    else former.reads.push(entityReads);
    pending.push([uid, entityReads]);
  };
  reach(request.principal, reads.principal);
  reach(request.resource, reads.resource);
  if (reads.followsReferences) {
    followMembers(reads.context.members, request.context, source.reference, reach);
    for (const literal of reads.literals) reach(literal.uid, literal.reads);
    // The reads are a finite tree, so this ends where references form a cycle as well.
    for (let next = pending.shift(); next !== undefined; next = pending.shift())
      followMembers(next[1].members, source.attributes(next[0]) ?? {}, source.reference, reach);
  }
  return [...reached.values()].map(({ uid, reads: all }) => ({ uid, reads: uniteReads(all) }));
}

/**
 * Lists what the attributes that a request states of an entity lead to, by whichever way the policies come to it: a
 * reference of another entity may lead to it as well.
 */
export function listStatedReferences(
  { principal, resource, context, literals }: PolicyReads,
  type: string,
  stated: AttributeValues,
  reference: EntitySource['reference'],
): ReachedEntity[] {
  const entities: ReachedEntity[] = [];
  const pending = [principal, resource, context, ...literals.map(({ reads }) => reads)];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    pending.push(...next.members.values());
    if (next.type.kind === 'Entity' && next.type.name === type)
      followMembers(next.members, stated, reference, (uid, reads) => entities.push({ uid, reads }));
  }
  return entities;
}

function followMembers(
  members: ReadonlyMap<string, ValueReads>,
  values: AttributeValues,
  reference: EntitySource['reference'],
  reach: (uid: EntityUid, reads: ValueReads) => void,
): void {
  for (const [name, member] of members) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) continue;
    if (member.type.kind === 'Record') {
      if (typeof value === 'object' && value !== null)
        followMembers(member.members, value as AttributeValues, reference, reach);
    } else if (member.type.kind === 'Entity' && needsEntity(member)) {
      const uid = reference(member.type.name, value);
      if (uid !== undefined) reach(uid, member);
    }
  }
}

const stepsByReads = new WeakMap<ValueReads, readonly ReferenceStep[]>();

/** The references to follow from an entity of which this is read. @param objectOf names a type's SpiceDB definition */
export function listReferenceSteps(reads: ValueReads, objectOf: (type: string) => string): readonly ReferenceStep[] {
  const cachedSteps = stepsByReads.get(reads);
  if (cachedSteps !== undefined) return cachedSteps;
  const steps = listStepsWithin(reads, [], objectOf);
  stepsByReads.set(reads, steps);
  return steps;
}

function listStepsWithin(
  { members }: ValueReads,
  path: readonly string[],
  objectOf: (type: string) => string,
): ReferenceStep[] {
  return [...members].flatMap(([name, member]): ReferenceStep[] => {
    const memberPath = [...path, name];
    if (member.type.kind === 'Record') return listStepsWithin(member, memberPath, objectOf);
    if (member.type.kind !== 'Entity' || !needsEntity(member) || isActionType(member.type.name)) return [];
    return [
      {
        path: memberPath,
        type: objectOf(member.type.name),
        steps: listStepsWithin(member, [], objectOf),
      },
    ];
  });
}
