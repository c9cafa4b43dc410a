/**
 * Builds a Cedar request from the facts of a decision: the principal, the resource and every entity that the policies can
 * reach from the request, with the attributes, ancestors and context members that they can read. Cedar is called without
 * a schema, so every value is converted to the type that the schema declares.
 */
import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarRequest } from './cedar.js';
import type { EntityWithAncestors } from '../model/entities.js';
import { findIdProblem, isSameRef, type EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import type { CedarRequestFacts } from './cedar-request-facts.js';
import { listMemberNames } from '../runtime/memoize.js';
import { contextMemberValue } from './context-values.js';
import type { MissingValue } from '../model/reasons.js';
import { sortMissingValues } from './missing-values.js';
import type { PolicyReads, ValueReads } from './policy-reads.js';
import { findReachedEntities, listStatedReferences, type ReachedEntity } from './reached-entities.js';
import { RequestValues } from './request-values.js';
import { datetimeValue, readReference, type CedarType } from './schema/types.js';
import { isActionType, type EntityUid } from './schema/uid.js';
import type { Vocabulary } from './schema/vocabulary.js';
import type { EntityType } from './schema/action.js';

export type CedarRequestResult =
  | { readonly ok: true; readonly request: CedarRequest }
  /** A request with missing values: only policies that read none of them say what they mean of it. */
  | { readonly ok: false; readonly missing: readonly MissingValue[]; readonly request: CedarRequest };

/** A principal that policies are asked about: the acting agent or user, or an earlier agent of the chain. */
export interface TypedPrincipal {
  readonly ref: EntityRef;
  readonly type: EntityType;
}

/** @param requireAll false: required attributes of the resource that no policy reads may be missing */
export function buildCedarRequest(
  facts: CedarRequestFacts,
  principal: TypedPrincipal,
  reads: PolicyReads,
  vocabulary: Vocabulary,
  requireAll = true,
): CedarRequestResult {
  const values = new RequestValues(vocabulary);
  const entities: EntityJson[] = [];
  const add = (reached: ReachedEntity, requireAttributes = true): EntityJson | undefined => {
    const { uid } = reached;
    if (isActionType(uid.type)) return { uid, attrs: {}, parents: [...vocabulary.groupsOf(uid)] };
    const type = vocabulary.entityTypes.get(uid.type);
    const { stored, overrides } = findAttributes(facts, toStoredRef(uid, vocabulary));
    return type && values.entity(reached, type, stored, overrides, requireAttributes);
  };
  const [principalUid, resourceUid] = requestUids(facts, principal);
  const reached = findRequestEntities(facts, principal, reads, vocabulary);
  const isSelf = isSameUid(principalUid, resourceUid);
  for (const reachedEntity of reached) {
    if (isSameUid(reachedEntity.uid, facts.action.uid)) continue;
    const entity = add(reachedEntity, requireAll || isSelf || !isSameUid(reachedEntity.uid, resourceUid));
    if (entity !== undefined) entities.push(entity);
  }
  if (facts.action.groups.length > 0)
    entities.splice(isSelf ? 1 : 2, 0, { uid: facts.action.uid, attrs: {}, parents: [...facts.action.groups] });
  const context: Record<string, CedarValueJson> = {};
  for (const [name, member] of Object.entries(facts.action.context)) {
    const memberReads = reads.context.whole ? WHOLE : reads.context.members.get(name);
    if (name === 'user') {
      const user = readUser(member.type, facts, vocabulary);
      if (user !== undefined) {
        // Its required attributes must be there even where no policy reads them, as those of the principal.
        if (!reached.some(({ uid }) => isSameUid(uid, user))) add({ uid: user, reads: unreadEntity(user) });
        if (memberReads !== undefined) context[name] = { __entity: { ...user } };
      } else if (member.required) values.missing.push({ path: 'context.user' });
      continue;
    }
    // A required member of the request's own must be there even where no policy reads it.
    if (memberReads === undefined && name !== 'action' && name !== 'request') continue;
    const supplied = contextMemberValue(name, facts, principal.ref);
    if (supplied === undefined) {
      if (member.required) values.missing.push({ path: `context.${name}` });
      continue;
    }
    const value =
      supplied instanceof Date
        ? datetimeValue(supplied)
        : values.contextMember(name, member.type, memberReads, supplied);
    if (value !== undefined && memberReads !== undefined) context[name] = value;
  }
  const request = { principal: principalUid, action: facts.action.uid, resource: resourceUid, context, entities };
  const missing = sortMissingValues(values.missing);
  return missing.length > 0 ? { ok: false, missing, request } : { ok: true, request };
}

/** Every entity that the policies can reach from the request, the principal and the resource first. */
export function findRequestEntities(
  facts: CedarRequestFacts,
  principal: TypedPrincipal,
  reads: PolicyReads,
  vocabulary: Vocabulary,
): ReachedEntity[] {
  const [principalUid, resourceUid] = requestUids(facts, principal);
  const context = reads.followsReferences
    ? Object.fromEntries(
        [...reads.context.members.keys()].map((name) => [name, contextMemberValue(name, facts, principal.ref)]),
      )
    : {};
  return findReachedEntities(
    reads,
    { principal: principalUid, resource: resourceUid, context },
    {
      attributes: (uid) => {
        if (isActionType(uid.type)) return undefined;
        const { stored, overrides } = findAttributes(facts, toStoredRef(uid, vocabulary));
        return mergeProperties(stored?.attributes, overrides);
      },
      reference: (type, value) => readReference(type, value, vocabulary.objectOf),
    },
  );
}

/**
 * The entities that the policies can reach as far as the request alone says, before anything stored is known: what is
 * stored leads on from these.
 */
export function listStatedEntities(
  facts: Omit<CedarRequestFacts, 'entity'>,
  principal: TypedPrincipal,
  reads: PolicyReads,
  vocabulary: Vocabulary,
): ReachedEntity[] {
  const { subject, subjectProperties, resource, resourceProperties } = facts;
  const statements = [
    [resource, resourceProperties],
    [subject, subjectProperties],
  ] as const;
  const stated = statements.flatMap(([{ type }, properties]) =>
    listMemberNames(properties).length === 0
      ? []
      : (vocabulary.typesByObject.get(type) ?? []).flatMap(({ name }) =>
          listStatedReferences(reads, name, properties, (target, value) =>
            readReference(target, value, vocabulary.objectOf),
          ),
        ),
  );
  return [...findRequestEntities({ ...facts, entity: () => undefined }, principal, reads, vocabulary), ...stated];
}

/** The entity of the store that stands for Cedar's. */
export function toStoredRef({ type, id }: EntityUid, { objectOf }: Pick<Vocabulary, 'objectOf'>): EntityRef {
  return { type: objectOf(type), id };
}

function requestUids(
  { resource, resourceType }: CedarRequestFacts,
  principal: TypedPrincipal,
): readonly [EntityUid, EntityUid] {
  return [
    { type: principal.type.name, id: principal.ref.id },
    { type: resourceType.name, id: resource.id },
  ];
}

/** Returns what is stored of the entity, and what the request says of it instead. */
function findAttributes(
  facts: CedarRequestFacts,
  ref: EntityRef,
): { readonly stored: EntityWithAncestors | undefined; readonly overrides: Properties } {
  return {
    // A policy may name an id that nothing can be stored under.
    stored: findIdProblem(ref.id) === undefined ? facts.entity(ref) : undefined,
    overrides: mergeProperties(
      isSameRef(ref, facts.resource) ? facts.resourceProperties : undefined,
      isSameRef(ref, facts.subject) ? facts.subjectProperties : undefined,
    ),
  };
}

/** The second's properties before the first's. What is one's alone isn't copied: a caller may state thousands. */
function mergeProperties(first: Properties | undefined, second: Properties | undefined): Properties {
  if (first === undefined || second === undefined) return first ?? second ?? {};
  if (listMemberNames(first).length === 0) return second;
  return listMemberNames(second).length === 0 ? first : { ...first, ...second };
}

/** The context's `user`; undefined where the question has no user, or one of another type. */
function readUser(type: CedarType, { acting }: CedarRequestFacts, vocabulary: Vocabulary): EntityUid | undefined {
  const { user } = acting;
  if (user === undefined || type.kind !== 'Entity' || vocabulary.entityTypes.get(type.name)?.object !== user.type)
    return undefined;
  return { type: type.name, id: user.id };
}

function unreadEntity({ type }: EntityUid): ValueReads {
  return { type: { kind: 'Entity', name: type }, members: new Map(), whole: false, ancestors: false };
}

/** The same reads, and all that is declared of these members of the context. */
export function readWhole(reads: PolicyReads, names: readonly string[]): PolicyReads {
  const members = new Map([...reads.context.members, ...names.map((name) => [name, WHOLE] as const)]);
  return { ...reads, context: { ...reads.context, members } };
}

/** Stands for what is read of the members of a context that is used as a whole. */
const WHOLE: ValueReads = { type: { kind: 'Bool' }, members: new Map(), whole: true, ancestors: false };

function isSameUid(a: EntityUid, b: EntityUid): boolean {
  return a.type === b.type && a.id === b.id;
}
