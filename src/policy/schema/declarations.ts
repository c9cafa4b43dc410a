/** Reading the declarations of the Cedar schema: entity types and actions, each held against the SpiceDB schema. */
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import { meant, type Findings, type Location, type Problem } from '../../diagnostics/diagnostics.js';
import type { Graph } from '../../graph/schema/schema.js';
import type { Places } from './source-map.js';
import type { Member, Members, TypeReader } from './types.js';
import { uidText, type Uid } from './uid.js';
import type { Action } from './action.js';
import type { EntityType } from './action.js';

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

/** Finds where something is declared. */
export type Place = (...where: Parameters<Places['find']>) => Location;

/** A schema that Cedar has read, where its declarations are, and where to put down what is wrong with them. */
export interface ReadSchema {
  readonly json: SchemaJson<string>;
  readonly types: TypeReader;
  readonly place: Place;
  readonly findings: Findings;
}

export function readEntityTypes({ json: schema, types, place, findings }: ReadSchema): Map<string, EntityType> {
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
      const at = (part?: string): Location => place('entity', space, name, part);
      for (const { annotation, problem } of strangeAnnotations(annotations, ENTITY_ANNOTATIONS))
        findings.error('unknown-annotation', at(annotation), problem.message, problem.suggestion);
      if ('tags' in type)
        findings.error('unsupported-type', at(), `"${full}" has tags, which Remit does not supply: declare attributes`);
      const attributes =
        'shape' in type
          ? types.members(type.shape, ({ message }, member) => {
              findings.error('unsupported-type', at(member), message);
            })
          : {};
      found.set(full, {
        name: full,
        object: annotations['object'] ?? snakeCase(name),
        attributes,
        ancestors: closure(parents, full),
        ...fieldsOf(attributes, at, findings),
      });
    }
  }
  return found;
}

/** @param graph undefined where the SpiceDB schema can't be read: then actions aren't held against it */
export function readActions(
  { json: schema, types, place, findings }: ReadSchema,
  entityTypes: ReadonlyMap<string, EntityType>,
  graph: Graph | undefined,
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
      const at = (part?: string): Location => place('action', space, id, part);
      const annotations = json.annotations ?? {};
      for (const { annotation, problem } of strangeAnnotations(annotations, ACTION_ANNOTATIONS))
        findings.error('unknown-annotation', at(annotation), problem.message, problem.suggestion);
      const uid = { type: qualified(space, 'Action'), id };
      const context = types.members(json.appliesTo?.context, ({ message }, member) => {
        findings.error('unsupported-type', at(member), message);
      });
      const action: Action = {
        name: id,
        uid,
        groups: [...closure(groups, uidText(uid))].map((text) => uids.get(text) as Uid),
        title: annotations['title'] ?? id,
        scope: annotations['scope'],
        backgroundScope: annotations['background_scope'] ?? suffixed(annotations['scope'], '.background'),
        consent: consentOf(annotations['consent']),
        permission: annotations['permission'] ?? id,
        agentPermission: annotations['agent_permission'],
        principalTypes: typesOf(principals, entityTypes),
        resourceTypes: typesOf(resources, entityTypes),
        context,
        can: permissionSet('can', context['can'], at, findings),
        agentCan: permissionSet('agent_can', context['agent_can'], at, findings),
      };
      checkAction(action, annotations['consent'], at, findings);
      if (graph !== undefined) checkAgainst(graph, action, at, findings);
      actions.push(action);
    }
  }
  return actions;
}

function suffixed(scope: string | undefined, suffix: string): string | undefined {
  return scope === undefined ? undefined : `${scope}${suffix}`;
}

type At = (part?: string) => Location;

function checkAction(action: Action, consent: string | undefined, at: At, findings: Findings): void {
  for (const [annotation, scope] of [
    ['scope', action.scope],
    ['background_scope', action.backgroundScope],
  ] as const) {
    if (scope === undefined || SCOPE.test(scope)) continue;
    const message = `@${annotation} "${scope}" is not a scope token (RFC 6749 section 3.3)`;
    // What follows from a @scope is said of the @scope.
    if (annotation === 'scope' || SCOPE.test(action.scope ?? 'x'))
      findings.error('invalid-annotation', at(`@${annotation}`), message);
  }
  if (action.backgroundScope === action.scope && action.scope !== undefined)
    findings.error('invalid-annotation', at('@background_scope'), '@background_scope must be another than @scope');
  if (consent !== undefined && action.consent === undefined)
    findings.error(
      'invalid-annotation',
      at('@consent'),
      `@consent must be "standing" or "each", not "${consent}"`,
      meant(consent, CONSENTS),
    );
  for (const name of Object.keys(action.context)) {
    if (CONTEXT_MEMBERS.some((known) => known === name)) continue;
    findings.error(
      'context-member',
      at(`context.${name}`),
      `context.${name} is nothing that Remit supplies; a client's own go under "request"`,
      meant(name, CONTEXT_MEMBERS),
    );
  }
  for (const [name, kind] of Object.entries(MEMBER_KINDS)) {
    const type = action.context[name]?.type;
    const found = type?.kind === 'Extension' ? type.name : type?.kind;
    if (found !== undefined && found !== kind)
      findings.error('context-member', at(`context.${name}`), `context.${name} must be of type ${kind}, not ${found}`);
  }
}

function checkAgainst(graph: Graph, action: Action, at: At, findings: Findings): void {
  const objects = (types: readonly EntityType[]): string[] => types.map((t) => t.object);
  for (const object of new Set(objects([...action.principalTypes, ...action.resourceTypes]))) {
    if (graph.hasDefinition(object)) continue;
    findings.error(
      'unknown-definition',
      at(),
      `the SpiceDB schema has no definition "${object}"; @object names another`,
      meant(object, graph.definitionNames()),
    );
  }
  const asked = [
    { permission: action.permission, part: '@permission' },
    ...(action.agentPermission === undefined
      ? []
      : [{ permission: action.agentPermission, part: '@agent_permission' }]),
    ...action.can.map((permission) => ({ permission, part: `context.can.${permission}` })),
    ...action.agentCan.map((permission) => ({ permission, part: `context.agent_can.${permission}` })),
  ];
  for (const object of objects(action.resourceTypes).filter((of) => graph.hasDefinition(of))) {
    for (const { permission, part } of asked) {
      if (graph.has(object, permission)) continue;
      findings.error(
        'unknown-permission',
        at(part),
        `definition "${object}" has no permission or relation "${permission}"`,
        meant(permission, graph.memberNames(object)),
      );
    }
  }
}

function permissionSet(name: 'can' | 'agent_can', member: Member | undefined, at: At, findings: Findings): string[] {
  if (member === undefined) return [];
  if (member.type.kind !== 'Record') {
    findings.error('context-member', at(`context.${name}`), `context.${name}: must be a record of Bools`);
    return [];
  }
  return Object.entries(member.type.members).flatMap(([permission, { type }]) => {
    if (type.kind === 'Bool') return [permission];
    const message = `context.${name}: member "${permission}" must be a Bool: whether the permission is held`;
    findings.error('context-member', at(`context.${name}.${permission}`), message);
    return [];
  });
}

/** Cedar has read the schema, so all that it names is declared. */
function typesOf(names: readonly string[], known: ReadonlyMap<string, EntityType>): EntityType[] {
  return names.flatMap((name) => known.get(name) ?? []);
}

const CONSENTS = ['standing', 'each'] as const;

function consentOf(value: string | undefined): (typeof CONSENTS)[number] | undefined {
  return CONSENTS.find((known) => known === value);
}

function fieldsOf(attributes: Members, at: At, findings: Findings): Pick<EntityType, 'paths' | 'classes'> {
  const paths = new Set<string>();
  const classes = new Map<string, string[]>();
  const walk = (members: Members, prefix: string): void => {
    for (const [name, member] of Object.entries(members)) {
      const path = `${prefix}${name}`;
      for (const { problem } of strangeAnnotations(member.annotations, ATTRIBUTE_ANNOTATIONS))
        findings.error('unknown-annotation', at(path), problem.message, problem.suggestion);
      const of = member.annotations['class'];
      if (name.includes('.')) {
        // Nothing could name it: `a.b` is the `b` of an `a`.
        if (of !== undefined)
          findings.error('invalid-annotation', at(path), `an attribute of a @class has no "." in its name`);
        continue;
      }
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
export function strangeAnnotations(
  given: Readonly<Record<string, string>>,
  known: readonly string[],
): { readonly annotation: string; readonly problem: Problem }[] {
  return Object.keys(given).flatMap((name) => {
    if (known.includes(name)) return [];
    const suggestion = meant(name, known, '@');
    if (suggestion === undefined) return [];
    return [{ annotation: `@${name}`, problem: { message: `annotation "@${name}" is not known`, suggestion } }];
  });
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
