/** Reading the declarations of the Cedar schema: entity types and actions, each held against the SpiceDB schema. */
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { FindingCollector, SourceLocation, Problem } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import type { DeclarationIndex } from './source-map.js';
import type { RecordMember, RecordMembers, TypeReader } from './types.js';
import { formatUid, type EntityUid } from './uid.js';
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
export type LocateDeclaration = (...where: Parameters<DeclarationIndex['find']>) => SourceLocation;

/** A schema that Cedar has read, where its declarations are, and where to put down what is wrong with them. */
export interface ParsedSchema {
  readonly json: SchemaJson<string>;
  readonly types: TypeReader;
  readonly locateDeclaration: LocateDeclaration;
  readonly findings: FindingCollector;
}

export function readEntityTypes({
  json: schema,
  types,
  locateDeclaration: place,
  findings,
}: ParsedSchema): Map<string, EntityType> {
  const parents = new Map<string, readonly string[]>();
  for (const [space, contents] of Object.entries(schema)) {
    for (const [name, type] of Object.entries(contents.entityTypes)) {
      const parentTypes = 'memberOfTypes' in type ? (type.memberOfTypes ?? []) : [];
      parents.set(qualifiedName(space, name), parentTypes);
    }
  }
  const entityTypes = new Map<string, EntityType>();
  for (const [space, contents] of Object.entries(schema)) {
    for (const [name, type] of Object.entries(contents.entityTypes)) {
      const full = qualifiedName(space, name);
      const annotations = type.annotations ?? {};
      const locate = (part?: string): SourceLocation => place('entity', space, name, part);
      for (const { annotation, problem } of findMisspelledAnnotations(annotations, ENTITY_ANNOTATIONS))
        findings.error('unknown-annotation', locate(annotation), problem.message, problem.suggestion);
      if ('tags' in type)
        findings.error(
          'unsupported-type',
          locate(),
          `"${full}" has tags, which Remit does not supply: declare attributes`,
        );
      const attributes =
        'shape' in type
          ? types.members(type.shape, ({ message }, member) => {
              findings.error('unsupported-type', locate(member), message);
            })
          : {};
      entityTypes.set(full, {
        name: full,
        object: annotations['object'] ?? snakeCase(name),
        attributes,
        ancestors: transitiveClosure(parents, full),
        ...collectFields(attributes, locate, findings),
      });
    }
  }
  return entityTypes;
}

/** @param graph undefined where the SpiceDB schema can't be read: then actions aren't held against it */
export function readActions(
  { json: schema, types, locateDeclaration: place, findings }: ParsedSchema,
  entityTypes: ReadonlyMap<string, EntityType>,
  graph: GraphSchema | undefined,
): Action[] {
  const groups = new Map<string, readonly string[]>();
  const uids = new Map<string, EntityUid>();
  for (const [space, contents] of Object.entries(schema)) {
    for (const [id, action] of Object.entries(contents.actions)) {
      const uid = { type: qualifiedName(space, 'Action'), id };
      const groupUids = (action.memberOf ?? []).map((g) => ({ type: g.type ?? uid.type, id: g.id }));
      for (const groupUid of [uid, ...groupUids]) uids.set(formatUid(groupUid), groupUid);
      groups.set(formatUid(uid), groupUids.map(formatUid));
    }
  }
  const actions: Action[] = [];
  for (const [space, contents] of Object.entries(schema)) {
    for (const [id, json] of Object.entries(contents.actions)) {
      const principals = json.appliesTo?.principalTypes ?? [];
      const resources = json.appliesTo?.resourceTypes ?? [];
      if (principals.length === 0 || resources.length === 0) continue; // A group of actions, or one nobody can ask for.
      const locate = (part?: string): SourceLocation => place('action', space, id, part);
      const annotations = json.annotations ?? {};
      for (const { annotation, problem } of findMisspelledAnnotations(annotations, ACTION_ANNOTATIONS))
        findings.error('unknown-annotation', locate(annotation), problem.message, problem.suggestion);
      const uid = { type: qualifiedName(space, 'Action'), id };
      const context = types.members(json.appliesTo?.context, ({ message }, member) => {
        findings.error('unsupported-type', locate(member), message);
      });
      const action: Action = {
        name: id,
        uid,
        groups: [...transitiveClosure(groups, formatUid(uid))].map((text) => uids.get(text) as EntityUid),
        title: annotations['title'] ?? id,
        scope: annotations['scope'],
        backgroundScope: annotations['background_scope'] ?? appendSuffix(annotations['scope'], '.background'),
        consent: parseConsent(annotations['consent']),
        permission: annotations['permission'] ?? id,
        agentPermission: annotations['agent_permission'],
        principalTypes: lookUpEntityTypes(principals, entityTypes),
        resourceTypes: lookUpEntityTypes(resources, entityTypes),
        context,
        can: readPermissionSet('can', context['can'], locate, findings),
        agentCan: readPermissionSet('agent_can', context['agent_can'], locate, findings),
      };
      checkAction(action, annotations['consent'], locate, findings);
      if (graph !== undefined) checkAgainstGraph(graph, action, locate, findings);
      actions.push(action);
    }
  }
  return actions;
}

function appendSuffix(scope: string | undefined, suffix: string): string | undefined {
  return scope === undefined ? undefined : `${scope}${suffix}`;
}

type LocatePart = (part?: string) => SourceLocation;

function checkAction(
  action: Action,
  consent: string | undefined,
  locate: LocatePart,
  findings: FindingCollector,
): void {
  for (const [annotation, scope] of [
    ['scope', action.scope],
    ['background_scope', action.backgroundScope],
  ] as const) {
    if (scope === undefined || SCOPE.test(scope)) continue;
    const message = `@${annotation} "${scope}" is not a scope token (RFC 6749 section 3.3)`;
    // What follows from a @scope is said of the @scope.
    if (annotation === 'scope' || SCOPE.test(action.scope ?? 'x'))
      findings.error('invalid-annotation', locate(`@${annotation}`), message);
  }
  if (action.backgroundScope === action.scope && action.scope !== undefined)
    findings.error('invalid-annotation', locate('@background_scope'), '@background_scope must be another than @scope');
  if (consent !== undefined && action.consent === undefined)
    findings.error(
      'invalid-annotation',
      locate('@consent'),
      `@consent must be "standing" or "each", not "${consent}"`,
      suggestNearest(consent, CONSENT_VALUES),
    );
  for (const name of Object.keys(action.context)) {
    if (CONTEXT_MEMBERS.some((supported) => supported === name)) continue;
    findings.error(
      'context-member',
      locate(`context.${name}`),
      `context.${name} is nothing that Remit supplies; a client's own go under "request"`,
      suggestNearest(name, CONTEXT_MEMBERS),
    );
  }
  for (const [name, expectedKind] of Object.entries(MEMBER_KINDS)) {
    const type = action.context[name]?.type;
    const actualKind = type?.kind === 'Extension' ? type.name : type?.kind;
    if (actualKind !== undefined && actualKind !== expectedKind)
      findings.error(
        'context-member',
        locate(`context.${name}`),
        `context.${name} must be of type ${expectedKind}, not ${actualKind}`,
      );
  }
}

function checkAgainstGraph(graph: GraphSchema, action: Action, locate: LocatePart, findings: FindingCollector): void {
  const objects = (types: readonly EntityType[]): string[] => types.map((t) => t.object);
  for (const object of new Set(objects([...action.principalTypes, ...action.resourceTypes]))) {
    if (graph.hasDefinition(object)) continue;
    findings.error(
      'unknown-definition',
      locate(),
      `the SpiceDB schema has no definition "${object}"; @object names another`,
      suggestNearest(object, graph.definitionNames()),
    );
  }
  const permissions = [
    { permission: action.permission, part: '@permission' },
    ...(action.agentPermission === undefined
      ? []
      : [{ permission: action.agentPermission, part: '@agent_permission' }]),
    ...action.can.map((permission) => ({ permission, part: `context.can.${permission}` })),
    ...action.agentCan.map((permission) => ({ permission, part: `context.agent_can.${permission}` })),
  ];
  for (const object of objects(action.resourceTypes).filter((definition) => graph.hasDefinition(definition))) {
    for (const { permission, part } of permissions) {
      if (graph.hasMember(object, permission)) continue;
      findings.error(
        'unknown-permission',
        locate(part),
        `definition "${object}" has no permission or relation "${permission}"`,
        suggestNearest(permission, graph.memberNames(object)),
      );
    }
  }
}

function readPermissionSet(
  name: 'can' | 'agent_can',
  member: RecordMember | undefined,
  locate: LocatePart,
  findings: FindingCollector,
): string[] {
  if (member === undefined) return [];
  if (member.type.kind !== 'Record') {
    findings.error('context-member', locate(`context.${name}`), `context.${name}: must be a record of Bools`);
    return [];
  }
  return Object.entries(member.type.members).flatMap(([permission, { type }]) => {
    if (type.kind === 'Bool') return [permission];
    const message = `context.${name}: member "${permission}" must be a Bool: whether the permission is held`;
    findings.error('context-member', locate(`context.${name}.${permission}`), message);
    return [];
  });
}

/** Cedar has read the schema, so all that it names is declared. */
function lookUpEntityTypes(names: readonly string[], entityTypes: ReadonlyMap<string, EntityType>): EntityType[] {
  return names.flatMap((name) => entityTypes.get(name) ?? []);
}

const CONSENT_VALUES = ['standing', 'each'] as const;

function parseConsent(value: string | undefined): (typeof CONSENT_VALUES)[number] | undefined {
  return CONSENT_VALUES.find((consent) => consent === value);
}

function collectFields(
  attributes: RecordMembers,
  locate: LocatePart,
  findings: FindingCollector,
): Pick<EntityType, 'paths' | 'classes'> {
  const paths = new Set<string>();
  const classes = new Map<string, string[]>();
  const walk = (members: RecordMembers, prefix: string): void => {
    for (const [name, member] of Object.entries(members)) {
      const path = `${prefix}${name}`;
      for (const { problem } of findMisspelledAnnotations(member.annotations, ATTRIBUTE_ANNOTATIONS))
        findings.error('unknown-annotation', locate(path), problem.message, problem.suggestion);
      const className = member.annotations['class'];
      if (name.includes('.')) {
        // Nothing could name it: `a.b` is the `b` of an `a`.
        if (className !== undefined)
          findings.error('invalid-annotation', locate(path), `an attribute of a @class has no "." in its name`);
        continue;
      }
      paths.add(path);
      if (className !== undefined) classes.set(className, [...(classes.get(className) ?? []), path]);
      let { type } = member;
      while (type.kind === 'Set') type = type.element;
      if (type.kind === 'Record') walk(type.members, `${path}.`);
    }
  };
  walk(attributes, '');
  return { paths, classes };
}

/** Other annotations are the authors' own business, but a slip in one of ours would silently change a rule. */
export function findMisspelledAnnotations(
  annotations: Readonly<Record<string, string>>,
  knownNames: readonly string[],
): { readonly annotation: string; readonly problem: Problem }[] {
  return Object.keys(annotations).flatMap((name) => {
    if (knownNames.includes(name)) return [];
    const suggestion = suggestNearest(name, knownNames, '@');
    if (suggestion === undefined) return [];
    return [{ annotation: `@${name}`, problem: { message: `annotation "@${name}" is not known`, suggestion } }];
  });
}

function transitiveClosure(edges: ReadonlyMap<string, readonly string[]>, from: string): Set<string> {
  const reached = new Set<string>();
  const pending = [...(edges.get(from) ?? [])];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (reached.has(next)) continue;
    reached.add(next);
    pending.push(...(edges.get(next) ?? []));
  }
  return reached;
}

export function namespaceOf(type: string): string {
  const cut = type.lastIndexOf('::');
  return cut === -1 ? '' : type.slice(0, cut);
}

function qualifiedName(space: string, name: string): string {
  return space === '' ? name : `${space}::${name}`;
}

function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
}
