/**
 * Builds a Cedar request from the facts of a decision: the principal, the resource and every entity that the policies can
 * reach from the request, with the attributes, ancestors and context members that they can read. Cedar is called without
 * a schema, so every value is converted to the type that the schema declares.
 */
import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarRequest } from './cedar.js';
import type { ActingParties } from '../model/acting.js';
import type { EntityWithAncestors } from '../model/entities.js';
import { findIdProblem, isSameRef, type EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import { toLocalTime } from '../runtime/local-time.js';
import type { PolicyReads, ValueReads } from './policy-reads.js';
import { findReachedEntities, listStatedReferences, type ReachedEntity } from './reached-entities.js';
import { RequestValues } from './request-values.js';
import {
  datetimeValue,
  getStatedMember,
  readReference,
  toCedarValue,
  type CedarType,
  type RecordMembers,
} from './schema/types.js';
import { isActionType, type EntityUid } from './schema/uid.js';
import type { Vocabulary } from './schema/vocabulary.js';
import type { Action, EntityType } from './schema/action.js';

export interface CedarRequestFacts {
  readonly acting: ActingParties;
  readonly action: Action;
  readonly resourceType: EntityType;
  readonly resource: EntityRef;
  /** Attributes of the resource that override those stored. */
  readonly resourceProperties: Properties;
  /** Attributes of the user or agent that the client asserts; empty unless it may. */
  readonly subjectProperties: Properties;
  readonly subject: EntityRef;
  readonly actionProperties: Properties;
  readonly context: Properties;
  readonly entity: (ref: EntityRef) => EntityWithAncestors | undefined;
  /** The members of `context.can`: whether each permission is held. */
  readonly can: Readonly<Record<string, boolean>>;
  readonly agentCan: Readonly<Record<string, boolean>>;
  readonly now: Date;
  /** The time zone of `context.local`. */
  readonly zone: string;
}

export type CedarRequestResult =
  | { readonly ok: true; readonly request: CedarRequest }
  /**
   * The required attributes and members that are nowhere: `employee.status`, `context.action.branch`. Of the request
   * without them, only policies that read none of them say what they mean.
   */
  | { readonly ok: false; readonly missing: readonly string[]; readonly request: CedarRequest };

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
  for (const one of reached) {
    if (isSameUid(one.uid, facts.action.uid)) continue;
    const entity = add(one, requireAll || isSelf || !isSameUid(one.uid, resourceUid));
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
      } else if (member.required) values.missing.push('context.user');
      continue;
    }
    // A required member of the request's own must be there even where no policy reads it.
    if (memberReads === undefined && name !== 'action' && name !== 'request') continue;
    const supplied = contextMemberValue(name, facts);
    if (supplied === undefined) {
      if (member.required) values.missing.push(`context.${name}`);
      continue;
    }
    const value =
      supplied instanceof Date
        ? datetimeValue(supplied)
        : values.contextMember(name, member.type, memberReads, supplied);
    if (value !== undefined && memberReads !== undefined) context[name] = value;
  }
  const request = { principal: principalUid, action: facts.action.uid, resource: resourceUid, context, entities };
  const missing = [...new Set(values.missing)].sort();
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
    ? Object.fromEntries([...reads.context.members.keys()].map((name) => [name, contextMemberValue(name, facts)]))
    : {};
  return findReachedEntities(
    reads,
    { principal: principalUid, resource: resourceUid, context },
    {
      attributes: (uid) => {
        if (isActionType(uid.type)) return undefined;
        const { stored, overrides } = findAttributes(facts, toStoredRef(uid, vocabulary));
        return { ...stored?.attributes, ...overrides };
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
    Object.keys(properties).length === 0
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

/** What is stored of the entity, and what the request says of it instead. */
function findAttributes(
  facts: CedarRequestFacts,
  ref: EntityRef,
): { readonly stored: EntityWithAncestors | undefined; readonly overrides: Properties } {
  return {
    // A policy may name an id that nothing can be stored under.
    stored: findIdProblem(ref.id) === undefined ? facts.entity(ref) : undefined,
    overrides: {
      ...(isSameRef(ref, facts.resource) ? facts.resourceProperties : {}),
      ...(isSameRef(ref, facts.subject) ? facts.subjectProperties : {}),
    },
  };
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

/** Stands for what is read of the members of a context that is used as a whole. */
const WHOLE: ValueReads = { type: { kind: 'Bool' }, members: new Map(), whole: true, ancestors: false };

function isSameUid(a: EntityUid, b: EntityUid): boolean {
  return a.type === b.type && a.id === b.id;
}

/** The value of a context member before it is converted; undefined where Remit has none. */
function contextMemberValue(name: string, facts: CedarRequestFacts): unknown {
  const { acting } = facts;
  switch (name) {
    case 'user':
      return acting.user;
    case 'delegation':
      return {
        mode: acting.mode,
        depth: (acting.agent === undefined ? 0 : 1) + acting.chain.length,
        chain_complete: acting.grant?.chainComplete ?? acting.agent === undefined,
        access: acting.grant?.access ?? 'online',
        scopes: acting.grant?.scopes ?? [],
        ...omitUndefined({
          profile: acting.grant?.profile,
          purpose: acting.grant?.purpose,
          session: acting.grant?.session,
          transaction: acting.grant?.txn,
          issuer: acting.grant?.issuer,
        }),
      };
    case 'can':
      return facts.can;
    case 'agent_can':
      return acting.mode === 'delegated' ? facts.agentCan : undefined;
    case 'now':
      return facts.now;
    case 'local':
      return toLocalTime(facts.now, facts.zone);
    case 'action':
      return facts.actionProperties;
    case 'request':
      return facts.context;
    default:
      return undefined; // consent, approval, budget: nothing grants them yet.
  }
}

/** The members that have a value: Cedar's optional members are absent, never undefined. */
function omitUndefined(members: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(members).filter((m): m is [string, string] => m[1] !== undefined));
}

/**
 * Checks the types of a request's properties, whether or not policies read them. Missing ones are the policy step's to
 * find.
 * @throws InvalidValueError
 */
export function checkProperties(
  facts: Pick<CedarRequestFacts, 'action' | 'resourceType' | 'resourceProperties' | 'actionProperties' | 'context'>,
  subject: { readonly type: EntityType; readonly properties: Properties } | undefined,
  vocabulary: Vocabulary,
): void {
  const checkMembers = (members: RecordMembers, values: Properties, path: string): void => {
    for (const [name, member] of Object.entries(members)) {
      const value = getStatedMember(values, name);
      if (value !== undefined)
        toCedarValue(withoutRequiredMembers(member.type), value, `${path}.${name}`, vocabulary.objectOf);
    }
  };
  checkMembers(facts.resourceType.attributes, facts.resourceProperties, 'resource.properties');
  if (subject !== undefined) checkMembers(subject.type.attributes, subject.properties, 'subject.properties');
  const { action, request } = facts.action.context;
  if (action?.type.kind === 'Record') checkMembers(action.type.members, facts.actionProperties, 'action.properties');
  if (request?.type.kind === 'Record') checkMembers(request.type.members, facts.context, 'context');
}

/** The type with every member of its records optional, at any depth. */
function withoutRequiredMembers(type: CedarType): CedarType {
  if (type.kind === 'Set') return { kind: 'Set', element: withoutRequiredMembers(type.element) };
  if (type.kind !== 'Record') return type;
  const members = Object.entries(type.members).map(
    ([name, member]) => [name, { ...member, type: withoutRequiredMembers(member.type), required: false }] as const,
  );
  return { kind: 'Record', members: Object.fromEntries(members) };
}
