/**
 * The vocabulary: the Cedar schema as the catalogue of what can be asked. Its annotations tie each action to its SpiceDB
 * permission, its token scope and its title for people; there is no second mapping.
 */
import { DELEGATOR_RELATION } from '../../model/delegations.js';
import type { FindingCollector } from '../../diagnostics/diagnostics.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import type { Action, ActionOnResource, EntityType } from './action.js';
import type { LocatePart, ParsedSchema } from './declarations.js';
import { checkElevation } from './elevation.js';
import {
  checkHistory,
  collectCountedEvents,
  DEFAULT_LONGEST_HISTORY_MS,
  eventNameOf,
  type CountedEvents,
} from './history.js';
import { readActions, readGroups } from './read-actions.js';
import { readEntityTypes } from './read-entity-types.js';
import { formatUid, namespaceOf, type EntityUid } from './uid.js';

export interface Vocabulary {
  readonly actions: readonly Action[];
  readonly entityTypes: ReadonlyMap<string, EntityType>;
  /** The entity types of a SpiceDB definition (usually one). */
  readonly typesByObject: ReadonlyMap<string, readonly EntityType[]>;
  /** The definitions of the users and agents that tokens name by a bare id; undefined where no action has such. */
  readonly userObject: string | undefined;
  /** The SpiceDB definitions whose ids name people: that of users, and those of types that are marked `@person`. */
  readonly personObjects: ReadonlySet<string>;
  readonly agentObject: string | undefined;
  /** Whether agents may delegate further: the `delegator` relation takes agents. */
  readonly allowsRedelegation: boolean;
  readonly find: (actionName: string, resourceObject: string) => ActionOnResource | undefined;
  readonly objectOf: (entityTypeName: string) => string;
  /** The groups of an action, or of a group, over any number of steps. */
  readonly groupsOf: (action: EntityUid) => readonly EntityUid[];
  /** The events that an allow of the action may be one of. */
  readonly countedEventsOf: (action: Action) => readonly CountedEvents[];
}

export { DELEGATOR_RELATION };

/**
 * @param graph undefined where the SpiceDB schema can't be read: nothing is held against it then
 * @param longestHistoryMs the longest window that policies may look back, in milliseconds
 */
export function readVocabulary(
  schema: ParsedSchema,
  graph: GraphSchema | undefined,
  longestHistoryMs = DEFAULT_LONGEST_HISTORY_MS,
): Vocabulary {
  const { locateDeclaration, findings } = schema;
  const locateAction =
    ({ uid, name }: Action): LocatePart =>
    (part) =>
      locateDeclaration('action', namespaceOf(uid.type), name, part);
  const entityTypes = readEntityTypes(schema, graph);
  const actions = readActions(schema, entityTypes, graph);
  const byObject = new Map<string, EntityType[]>();
  for (const type of entityTypes.values()) byObject.set(type.object, [...(byObject.get(type.object) ?? []), type]);

  const index = new Map<string, ActionOnResource>();
  for (const action of actions) {
    for (const resourceType of action.resourceTypes) {
      const key = pairKey(action.name, resourceType.object);
      const existing = index.get(key);
      if (existing !== undefined) {
        const both = `${formatUid(existing.action.uid)} and ${formatUid(action.uid)}`;
        findings.error(
          'ambiguous-action',
          locateAction(action)(),
          `${both} both answer to "${action.name}" on "${resourceType.object}"`,
        );
      }
      index.set(key, { action, resourceType });
    }
  }
  for (const action of actions) checkHistory(action, actions, longestHistoryMs, locateAction(action), findings);
  const counted = collectCountedEvents(actions);
  const { userObject, agentObject } = graph === undefined ? NO_ACTORS : findActors(actions, graph, findings);
  if (graph !== undefined)
    for (const action of actions)
      checkElevation(graph, action, { userObject, agentObject }, locateAction(action), findings);
  // Through a userset of agents a delegation would reach an agent without the agents in between being known.
  if (
    graph !== undefined &&
    agentObject !== undefined &&
    graph.reachability.reachesUserset(agentObject, DELEGATOR_RELATION, agentObject)
  )
    findings.error(
      'ambiguous-actors',
      graph.place(agentObject, DELEGATOR_RELATION),
      `"${DELEGATOR_RELATION}" of "${agentObject}" must not lead over a relation of "${agentObject}"; name the agent itself: ${DELEGATOR_RELATION}: … | ${agentObject}`,
    );
  return {
    actions,
    entityTypes,
    typesByObject: byObject,
    userObject,
    agentObject,
    personObjects: new Set([
      ...(userObject === undefined ? [] : [userObject]),
      ...[...entityTypes.values()].flatMap(({ person, object }) => (person ? [object] : [])),
    ]),
    allowsRedelegation:
      agentObject !== undefined && graph?.subjectTypes(agentObject, DELEGATOR_RELATION).includes(agentObject) === true,
    find: (name, object) => index.get(pairKey(name, object)),
    objectOf: (name) => entityTypes.get(name)?.object ?? name,
    groupsOf: readGroups(schema.json),
    countedEventsOf: (action) => counted.get(eventNameOf(action)) ?? [],
  };
}

export interface ScopeCoverage {
  readonly scope: string;
  readonly access: 'online' | 'background';
  readonly actions: readonly {
    readonly name: string;
    readonly resource_types: readonly string[];
    readonly title: string;
  }[];
}

/** The scopes that cover something, by name, and the actions that each covers. */
export function listScopes({ actions }: Vocabulary): ScopeCoverage[] {
  const scopes = new Map<string, ScopeCoverage & { actions: ScopeCoverage['actions'][number][] }>();
  for (const { name, title, resourceTypes, scope, backgroundScope } of actions) {
    for (const [token, access] of [
      [scope, 'online'],
      [backgroundScope, 'background'],
    ] as const) {
      if (token === undefined) continue;
      const entry = scopes.get(token) ?? { scope: token, access, actions: [] };
      entry.actions.push({ name, resource_types: resourceTypes.map((t) => t.object), title });
      scopes.set(token, entry);
    }
  }
  return [...scopes.values()].sort((a, b) => (a.scope < b.scope ? -1 : 1));
}

const NO_ACTORS = { userObject: undefined, agentObject: undefined };

function pairKey(action: string, object: string): string {
  return `${object} ${action}`;
}

/**
 * Finds the definitions of agents and of users, which tokens don't name. Agents are the definition that can be delegated
 * to (it has a `delegator`), or else the one called `agent`; users are the one that remains, or the one called `user`.
 */
function findActors(
  actions: readonly Action[],
  graph: GraphSchema,
  findings: FindingCollector,
): { userObject: string | undefined; agentObject: string | undefined } {
  const objects = [...new Set(actions.flatMap((a) => a.principalTypes.map((t) => t.object)))];
  const findNamed = (name: string, among: readonly string[]): string | undefined =>
    among.find((o) => o === name) ?? among.find((o) => o.endsWith(`/${name}`));
  const delegable = objects.filter((o) => graph.hasMember(o, DELEGATOR_RELATION));
  if (delegable.length > 1) {
    findings.error(
      'ambiguous-actors',
      graph.place(delegable[1] ?? '', DELEGATOR_RELATION),
      `only one definition can stand for agents, but ${delegable.join(' and ')} have a "${DELEGATOR_RELATION}"`,
    );
  }
  const agentObject =
    delegable.length === 1 ? delegable[0] : findNamed('agent', delegable.length > 0 ? delegable : objects);
  const others = objects.filter((o) => o !== agentObject && !delegable.includes(o));
  // Where users act only through agents, no action has them as principals, but the delegator relation names them.
  const delegators =
    agentObject === undefined
      ? []
      : graph.subjectTypes(agentObject, DELEGATOR_RELATION).filter((t) => t !== agentObject);
  const candidates = others.length > 0 ? others : delegators;
  const userObject =
    candidates.length === 1 ? candidates[0] : (findNamed('user', candidates) ?? findNamed('user', delegators));
  return { userObject, agentObject };
}
