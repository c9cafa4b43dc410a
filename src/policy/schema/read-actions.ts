/** The actions of the Cedar schema: what each asks of the graph, of the token and of the engine. */
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { FindingCollector } from '../../diagnostics/diagnostics.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import type { Action, EntityType } from './action.js';
import { readActionLimits } from './action-limits.js';
import { readElevation } from './elevation.js';
import { readHistoryMembers } from './history.js';
import { checkAction, checkActionAgainstGraph, CONSENT_VALUES, EFFECT_VALUES } from './check-action.js';
import { reportAnnotationProblems, transitiveClosure, type LocatePart, type ParsedSchema } from './declarations.js';
import type { RecordMember } from './types.js';
import { formatUid, qualifyName, type EntityUid } from './uid.js';

const ACTION_ANNOTATIONS = [
  'permission', 'agent_permission', 'scope', 'background_scope', 'title', 'consent', 'effect', 'limit', 'amount',
  'elevation', 'emergency',
]; // prettier-ignore

type ActionJson = SchemaJson<string>[string]['actions'][string];

/**
 * Reads the actions that can be asked for; one that applies to nothing is only a group of others.
 * @param graph undefined where the SpiceDB schema can't be read: then actions aren't held against it
 */
export function readActions(
  schema: ParsedSchema,
  entityTypes: ReadonlyMap<string, EntityType>,
  graph: GraphSchema | undefined,
): Action[] {
  const groupsOf = readGroups(schema.json);
  return Object.entries(schema.json).flatMap(([namespace, contents]) =>
    Object.entries(contents.actions).flatMap(([id, json]) => {
      const isAskable = [json.appliesTo?.principalTypes, json.appliesTo?.resourceTypes].every(
        (names = []) => names.length > 0,
      );
      if (!isAskable) return [];
      const uid = { type: qualifyName(namespace, 'Action'), id };
      const locate: LocatePart = (part) => schema.locateDeclaration('action', namespace, id, part);
      const action: Action = { ...readAction(uid, json, schema, locate, entityTypes), groups: groupsOf(uid) };
      checkAction(action, json.annotations ?? {}, locate, schema.findings);
      if (graph !== undefined) checkActionAgainstGraph(graph, action, locate, schema.findings);
      return [action];
    }),
  );
}

/** @returns the groups of an action, or of a group, over any number of steps */
export function readGroups(json: SchemaJson<string>): (uid: EntityUid) => EntityUid[] {
  const groups = new Map<string, readonly string[]>();
  const uids = new Map<string, EntityUid>();
  for (const [namespace, contents] of Object.entries(json)) {
    for (const [id, action] of Object.entries(contents.actions)) {
      const uid = { type: qualifyName(namespace, 'Action'), id };
      const groupUids = (action.memberOf ?? []).map((group) => ({ type: group.type ?? uid.type, id: group.id }));
      for (const actionUid of [uid, ...groupUids]) uids.set(formatUid(actionUid), actionUid);
      groups.set(formatUid(uid), groupUids.map(formatUid));
    }
  }
  return (uid) => [...transitiveClosure(groups, formatUid(uid))].map((text) => uids.get(text) as EntityUid);
}

function readAction(
  uid: EntityUid,
  json: ActionJson,
  { types, findings }: ParsedSchema,
  locate: LocatePart,
  entityTypes: ReadonlyMap<string, EntityType>,
): Omit<Action, 'groups'> {
  const annotations = json.annotations ?? {};
  reportAnnotationProblems(annotations, ACTION_ANNOTATIONS, locate, findings);
  const context = types.members(json.appliesTo?.context, ({ message }, member) => {
    findings.error('unsupported-type', locate(member), message);
  });
  const { scope } = annotations;
  return {
    name: uid.id,
    uid,
    title: annotations['title'] ?? uid.id,
    scope,
    backgroundScope: annotations['background_scope'] ?? (scope === undefined ? undefined : `${scope}.background`),
    consent: CONSENT_VALUES.find((consent) => consent === annotations['consent']),
    ...readActionLimits(annotations, context, locate, findings),
    ...readElevation(annotations, locate, findings),
    history: readHistoryMembers(context, locate, findings),
    effect: EFFECT_VALUES.find((effect) => effect === annotations['effect']) ?? 'delete',
    permission: annotations['permission'] ?? uid.id,
    agentPermission: annotations['agent_permission'],
    principalTypes: lookUpEntityTypes(json.appliesTo?.principalTypes, entityTypes),
    resourceTypes: lookUpEntityTypes(json.appliesTo?.resourceTypes, entityTypes),
    context,
    can: readPermissionSet('can', context['can'], locate, findings),
    agentCan: readPermissionSet('agent_can', context['agent_can'], locate, findings),
  };
}

/** Cedar has read the schema, so every type that it names is declared. */
function lookUpEntityTypes(names: readonly string[] = [], entityTypes: ReadonlyMap<string, EntityType>): EntityType[] {
  return names.flatMap((name) => entityTypes.get(name) ?? []);
}

/** The permissions that a record of Bools in the context names: each is checked in SpiceDB beside the gate. */
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
