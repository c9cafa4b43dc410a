/**
 * Builds a Cedar request from the facts of a decision: the principal, the resource and their stored ancestors, with the
 * attributes and context members that the policies can read. Cedar is called without a schema, so every value is
 * converted here to the type that the schema declares.
 */
import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarRequest } from './cedar.js';
import type { EntityUid } from './schema/uid.js';
import type { ActingParties } from '../model/acting.js';
import type { EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import type { EntityWithAncestors } from '../model/entities.js';
import type { PolicyReads } from './policy-reads.js';
import {
  datetimeValue,
  toCedarValue,
  InvalidValueError,
  type CedarType,
  type RecordMember,
  type RecordMembers,
} from './schema/types.js';
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
}

export type CedarRequestResult =
  | { readonly ok: true; readonly request: CedarRequest }
  /** The required attributes and members that are nowhere: `employee.status`, `context.action.branch`. */
  | { readonly ok: false; readonly missing: readonly string[] };

/**
 * @param principal the acting agent or user, or an earlier agent of the chain
 * @param requireAll false: required attributes of the resource that no policy reads may be missing
 */
export function buildCedarRequest(
  facts: CedarRequestFacts,
  principal: { readonly ref: EntityRef; readonly type: EntityType },
  reads: PolicyReads,
  vocabulary: Vocabulary,
  requireAll = true,
): CedarRequestResult {
  const missing: string[] = [];
  const builder = new CedarRequestBuilder(vocabulary, reads, missing);
  const entities: EntityJson[] = [];

  const add = (ref: EntityRef, type: EntityType, overrides: Properties, requireAll = true): EntityUid => {
    const uid = { type: type.name, id: ref.id };
    if (!entities.some((e) => ('__entity' in e.uid ? false : e.uid.type === uid.type && e.uid.id === uid.id))) {
      entities.push(builder.entity(uid, type, facts.entity(ref), overrides, requireAll));
    }
    return uid;
  };
  const subjectOverrides = (ref: EntityRef): Properties =>
    ref.type === facts.subject.type && ref.id === facts.subject.id ? facts.subjectProperties : {};

  const principalUid = add(principal.ref, principal.type, subjectOverrides(principal.ref));
  const resourceUid = add(facts.resource, facts.resourceType, facts.resourceProperties, requireAll);
  if (facts.action.groups.length > 0) {
    entities.push({ uid: facts.action.uid, attrs: {}, parents: [...facts.action.groups] });
  }
  const context: Record<string, CedarValueJson> = {};
  for (const [name, member] of Object.entries(facts.action.context)) {
    if (name === 'user') {
      const type = member.type.kind === 'Entity' ? vocabulary.entityTypes.get(member.type.name) : undefined;
      const { user } = facts.acting;
      if (type !== undefined && user?.type === type.object) {
        // Given even if `context.user` isn't read: an attribute of the resource may lead to the user as well.
        context[name] = { __entity: add(user, type, subjectOverrides(user)) };
      } else if (member.required) missing.push('context.user');
      continue;
    }
    if (!reads.wholeContext && !reads.names.has(name)) {
      // No policy reads it, but a required member of the request's own must be there all the same.
      if (name === 'action' || name === 'request')
        builder.contextMember(name, member.type, contextMemberValue(name, facts));
      continue;
    }
    const supplied = contextMemberValue(name, facts);
    if (supplied === undefined) {
      if (member.required) missing.push(`context.${name}`);
      continue;
    }
    const value =
      supplied instanceof Date ? datetimeValue(supplied) : builder.contextMember(name, member.type, supplied);
    if (value !== undefined) context[name] = value;
  }
  if (missing.length > 0) return { ok: false, missing: [...new Set(missing)].sort() };
  return {
    ok: true,
    request: { principal: principalUid, action: facts.action.uid, resource: resourceUid, context, entities },
  };
}

/** The value of a context member before it is converted; undefined where Remit has none. */
function contextMemberValue(name: string, facts: CedarRequestFacts): unknown {
  const { acting } = facts;
  switch (name) {
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
      if (Object.hasOwn(values, name))
        toCedarValue(withoutRequiredMembers(member.type), values[name], `${path}.${name}`, vocabulary.objectOf);
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

class CedarRequestBuilder {
  constructor(
    private readonly vocabulary: Vocabulary,
    private readonly reads: PolicyReads,
    private readonly missing: string[],
  ) {}

  entity(
    uid: EntityUid,
    type: EntityType,
    stored: EntityWithAncestors | undefined,
    overrides: Properties,
    requireAll: boolean,
  ): EntityJson {
    const attrs: Record<string, CedarValueJson> = {};
    for (const [name, member] of Object.entries(type.attributes)) {
      const properties = Object.hasOwn(overrides, name) ? overrides : (stored?.attributes ?? {});
      if (!Object.hasOwn(properties, name)) {
        if (member.required && (requireAll || this.reads.names.has(name))) this.missing.push(`${type.object}.${name}`);
        continue;
      }
      if (!this.reads.names.has(name)) continue;
      const value = this.pruneRecord(
        this.convert(member.type, properties[name], `${type.object}.${name}`),
        member.type,
        name,
      );
      if (value !== undefined) attrs[name] = value;
    }
    const parents = (stored?.ancestors ?? []).flatMap((parent) =>
      // Even parents that the schema wouldn't allow: leaving one out could lose a forbid about it.
      (this.vocabulary.typesByObject.get(parent.type) ?? [])
        .map((t) => ({ type: t.name, id: parent.id }))
        // Stored parents may form a cycle, and Cedar refuses an entity that is its own ancestor.
        .filter((p) => p.type !== uid.type || p.id !== uid.id),
    );
    return { uid, attrs, parents };
  }

  contextMember(name: string, type: CedarType, value: unknown): CedarValueJson | undefined {
    return this.pruneRecord(this.convert(type, value, `context.${name}`), type, name);
  }

  /** Leaves out the members that no policy reads, unless one uses the whole record: passing values to Cedar costs. */
  private pruneRecord(value: CedarValueJson | undefined, type: CedarType, name: string): CedarValueJson | undefined {
    if (type.kind !== 'Record' || value === undefined || this.reads.wholeContext || this.reads.wholeNames.has(name))
      return value;
    const members = Object.entries(value as Record<string, CedarValueJson>).filter(([member]) =>
      this.reads.names.has(member),
    );
    return Object.fromEntries(
      members.map(([m, v]) => [m, this.pruneRecord(v, (type.members[m] as RecordMember).type, m) as CedarValueJson]),
    );
  }

  /** @returns undefined, and notes it as missing, where a required part isn't there or a stored value no longer fits */
  private convert(type: CedarType, value: unknown, path: string): CedarValueJson | undefined {
    try {
      return toCedarValue(type, value, path, this.vocabulary.objectOf);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      this.missing.push(error.path);
      return undefined;
    }
  }
}
