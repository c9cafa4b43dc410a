/** Reading the declarations of the Cedar schema: entity types and actions, each held against the SpiceDB schema. */
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import { ConfigError } from '../model/faults.js';
import type { Graph } from './graph.js';
import type { Places } from './places.js';
import { didYouMean, nearest } from './suggest.js';
import type { Member, Members, TypeReader } from './types.js';
import { uidText, type Uid } from './uid.js';
import type { Action, EntityType } from './vocabulary.js';

/** RFC 6749 §3.3 scope-token. */
export const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const ACTION_ANNOTATIONS = ['permission', 'agent_permission', 'scope', 'background_scope', 'title', 'consent'];
const ENTITY_ANNOTATIONS = ['object', 'title'];
const ATTRIBUTE_ANNOTATIONS = ['class', 'title'];
/** What Remit can put into a context, and the type it must be declared with where that is fixed. */
export const CONTEXT_MEMBERS = [
  'user', 'delegation', 'can', 'agent_can', 'now', 'consent', 'approval', 'budget', 'action', 'request',
] as const; // prettier-ignore

const MEMBER_KINDS = {
  user: 'Entity',
  delegation: 'Record',
  now: 'datetime',
  action: 'Record',
  request: 'Record',
} as const;

/** Finds where something is declared, as `file:line`, for errors. */
export type Place = (...where: Parameters<Places['find']>) => string;

export function readEntityTypes(schema: SchemaJson<string>, types: TypeReader, place: Place): Map<string, EntityType> {
  const parents = new Map<string, readonly string[]>();
  for (const [space, contents] of Object.entries(schema)) {
    for (const [name, type] of Object.entries(contents.entityTypes)) {
      const of = 'memberOfTypes' in type ? (type.memberOfTypes ?? []) : [];
      parents.set(qualified(space, name), of);
    }
  }
  const found = new Map<string, EntityType>();
  for (const [space, contents] of Object.entries(schema)) {
    for (const [name, type] of Object.entries(contents.entityTypes)) {
      const full = qualified(space, name);
      const annotations = type.annotations ?? {};
      const at = place('entity', space, name);
      knownAnnotations(annotations, ENTITY_ANNOTATIONS, at);
      if ('tags' in type)
        throw new ConfigError(`"${full}" has tags, which Remit does not supply: declare attributes`, at);
      const attributes = 'shape' in type ? types.members(type.shape, at) : {};
      found.set(full, {
        name: full,
        object: annotations['object'] ?? snakeCase(name),
        attributes,
        ancestors: closure(parents, full),
        ...fieldsOf(attributes, (member) => place('entity', space, name, member)),
      });
    }
  }
  return found;
}

export function readActions(
  schema: SchemaJson<string>,
  types: TypeReader,
  entityTypes: ReadonlyMap<string, EntityType>,
  graph: Graph,
  place: Place,
): Action[] {
  const groups = new Map<string, readonly string[]>();
  const uids = new Map<string, Uid>();
  for (const [space, contents] of Object.entries(schema)) {
    for (const [id, action] of Object.entries(contents.actions)) {
      const uid = { type: qualified(space, 'Action'), id };
      const of = (action.memberOf ?? []).map((g) => ({ type: g.type ?? uid.type, id: g.id }));
      for (const each of [uid, ...of]) uids.set(uidText(each), each);
      groups.set(uidText(uid), of.map(uidText));
    }
  }
  const actions: Action[] = [];
  for (const [space, contents] of Object.entries(schema)) {
    for (const [id, json] of Object.entries(contents.actions)) {
      const principals = json.appliesTo?.principalTypes ?? [];
      const resources = json.appliesTo?.resourceTypes ?? [];
      if (principals.length === 0 || resources.length === 0) continue; // A group of actions, or one nobody can ask for.
      const at = place('action', space, id);
      const annotations = json.annotations ?? {};
      knownAnnotations(annotations, ACTION_ANNOTATIONS, at);
      const uid = { type: qualified(space, 'Action'), id };
      const context = types.members(json.appliesTo?.context, at);
      const action: Action = {
        name: id,
        uid,
        groups: [...closure(groups, uidText(uid))].map((text) => uids.get(text) as Uid),
        title: annotations['title'] ?? id,
        scope: annotations['scope'],
        backgroundScope: annotations['background_scope'] ?? suffixed(annotations['scope'], '.background'),
        consent: consentOf(annotations['consent'], at),
        permission: annotations['permission'] ?? id,
        agentPermission: annotations['agent_permission'],
        principalTypes: typesOf(principals, entityTypes, at),
        resourceTypes: typesOf(resources, entityTypes, at),
        context,
        can: permissionSet(context['can'], `${at}: context.can`),
        agentCan: permissionSet(context['agent_can'], `${at}: context.agent_can`),
      };
      checkAction(action, graph, at);
      actions.push(action);
    }
  }
  return actions;
}

function suffixed(scope: string | undefined, suffix: string): string | undefined {
  return scope === undefined ? undefined : `${scope}${suffix}`;
}

function checkAction(action: Action, graph: Graph, at: string): void {
  for (const [annotation, scope] of [
    ['scope', action.scope],
    ['background_scope', action.backgroundScope],
  ] as const) {
    if (scope !== undefined && !SCOPE.test(scope))
      throw new ConfigError(`@${annotation} "${scope}" is not a scope token (RFC 6749 section 3.3)`, at);
  }
  if (action.backgroundScope === action.scope && action.scope !== undefined)
    throw new ConfigError('@background_scope must be another than @scope', at);
  for (const name of Object.keys(action.context)) {
    if (!CONTEXT_MEMBERS.some((known) => known === name)) {
      const hint = didYouMean(name, CONTEXT_MEMBERS);
      throw new ConfigError(
        `context.${name} is nothing that Remit supplies${hint}; a client's own go under "request"`,
        at,
      );
    }
  }
  for (const [name, kind] of Object.entries(MEMBER_KINDS)) {
    const type = action.context[name]?.type;
    const found = type?.kind === 'Extension' ? type.name : type?.kind;
    if (found !== undefined && found !== kind)
      throw new ConfigError(`context.${name} must be of type ${kind}, not ${found}`, at);
  }
  for (const object of action.principalTypes.map((t) => t.object)) requireDefinition(graph, object, at);
  for (const { object } of action.resourceTypes) {
    requireDefinition(graph, object, at);
    const asked = [action.permission, action.agentPermission ?? action.permission, ...action.can, ...action.agentCan];
    for (const permission of asked) {
      if (graph.has(object, permission)) continue;
      const hint = didYouMean(permission, graph.memberNames(object));
      throw new ConfigError(`definition "${object}" has no permission or relation "${permission}"${hint}`, at);
    }
  }
}

function requireDefinition(graph: Graph, object: string, at: string): void {
  if (graph.hasDefinition(object)) return;
  const hint = didYouMean(object, graph.definitionNames());
  throw new ConfigError(`the SpiceDB schema has no definition "${object}"${hint}; @object names another`, at);
}

function permissionSet(member: Member | undefined, at: string): string[] {
  if (member === undefined) return [];
  if (member.type.kind !== 'Record') throw new ConfigError('must be a record of Bools', at);
  for (const [name, { type }] of Object.entries(member.type.members)) {
    if (type.kind !== 'Bool')
      throw new ConfigError(`member "${name}" must be a Bool: whether the permission is held`, at);
  }
  return Object.keys(member.type.members);
}

function typesOf(names: readonly string[], known: ReadonlyMap<string, EntityType>, at: string): EntityType[] {
  return names.map((name) => {
    const type = known.get(name);
    if (type === undefined) throw new ConfigError(`entity type "${name}" is not declared`, at);
    return type;
  });
}

function consentOf(value: string | undefined, at: string): 'standing' | 'each' | undefined {
  if (value === undefined || value === 'standing' || value === 'each') return value;
  throw new ConfigError(`@consent must be "standing" or "each", not "${value}"`, at);
}

function fieldsOf(attributes: Members, place: (member: string) => string): Pick<EntityType, 'paths' | 'classes'> {
  const paths = new Set<string>();
  const classes = new Map<string, string[]>();
  const walk = (members: Members, prefix: string): void => {
    for (const [name, member] of Object.entries(members)) {
      knownAnnotations(member.annotations, ATTRIBUTE_ANNOTATIONS, place(name));
      const of = member.annotations['class'];
      if (name.includes('.')) {
        // Nothing could name it: `a.b` is the `b` of an `a`.
        if (of !== undefined) throw new ConfigError(`an attribute of a @class has no "." in its name`, place(name));
        continue;
      }
      const path = `${prefix}${name}`;
      paths.add(path);
      if (of !== undefined) classes.set(of, [...(classes.get(of) ?? []), path]);
      let { type } = member;
      while (type.kind === 'Set') type = type.element;
      if (type.kind === 'Record') walk(type.members, `${path}.`);
    }
  };
  walk(attributes, '');
  return { paths, classes };
}

/** Other annotations are the authors' own business, but a slip in one of ours would silently change a rule. */
export function knownAnnotations(given: Readonly<Record<string, string>>, known: readonly string[], at: string): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    if (meant !== undefined)
      throw new ConfigError(`annotation "@${name}" is not known (did you mean "@${meant}"?)`, at);
  }
}

function closure(edges: ReadonlyMap<string, readonly string[]>, from: string): Set<string> {
  const found = new Set<string>();
  const open = [...(edges.get(from) ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(edges.get(next) ?? []));
  }
  return found;
}

export function spaceOf(type: string): string {
  const cut = type.lastIndexOf('::');
  return cut === -1 ? '' : type.slice(0, cut);
}

function qualified(space: string, name: string): string {
  return space === '' ? name : `${space}::${name}`;
}

function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
}
