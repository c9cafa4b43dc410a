/**
 * The vocabulary: the Cedar schema read as the catalogue of what can be asked. Its annotations tie each action to
 * the SpiceDB permission, the token scope and the words for people; there is no second mapping.
 */
import type { Findings } from '../../diagnostics/diagnostics.js';
import type { Graph } from '../../graph/schema/schema.js';
import type { Action, ActionOnResource, EntityType } from './action.js';
import { readActions, readEntityTypes, spaceOf, type ReadSchema } from './declarations.js';
import { uidText } from './uid.js';

export interface Vocabulary {
  readonly actions: readonly Action[];
  readonly entityTypes: ReadonlyMap<string, EntityType>;
  /** The entity types of a SpiceDB definition (usually one). */
  readonly byObject: ReadonlyMap<string, readonly EntityType[]>;
  /** The SpiceDB definitions that tokens' bare user and agent ids are of; undefined where no action has such. */
  readonly userObject: string | undefined;
  readonly agentObject: string | undefined;
  /** Whether agents may pass on what people have delegated to them: the `delegator` relation takes agents. */
  readonly delegationPasses: boolean;
  readonly find: (actionName: string, resourceObject: string) => ActionOnResource | undefined;
  readonly objectOf: (entityTypeName: string) => string;
}

/** The relation on an agent's definition that says who has delegated to it. */
export const DELEGATOR = 'delegator';

/** @param graph undefined where the SpiceDB schema can't be read: then nothing is held against it */
export function readVocabulary(schema: ReadSchema, graph: Graph | undefined): Vocabulary {
  const { place, findings } = schema;
  const entityTypes = readEntityTypes(schema);
  const actions = readActions(schema, entityTypes, graph);
  const byObject = new Map<string, EntityType[]>();
  for (const type of entityTypes.values()) byObject.set(type.object, [...(byObject.get(type.object) ?? []), type]);

  const index = new Map<string, ActionOnResource>();
  for (const action of actions) {
    for (const resourceType of action.resourceTypes) {
      const key = pair(action.name, resourceType.object);
      const other = index.get(key);
      if (other !== undefined) {
        const both = `${uidText(other.action.uid)} and ${uidText(action.uid)}`;
        findings.error(
          'ambiguous-action',
          place('action', spaceOf(action.uid.type), action.name),
          `${both} both answer to "${action.name}" on "${resourceType.object}"`,
        );
      }
      index.set(key, { action, resourceType });
    }
  }
  const { userObject, agentObject } = graph === undefined ? NOBODY : actors(actions, graph, findings);
  // Over a userset of agents a delegation would pass on unseen: who is on the way has to be known.
  if (
    graph !== undefined &&
    agentObject !== undefined &&
    graph.reach.reachesUserset(agentObject, DELEGATOR, agentObject)
  )
    findings.error(
      'ambiguous-actors',
      graph.place(agentObject, DELEGATOR),
      `"${DELEGATOR}" of "${agentObject}" must not lead over a relation of "${agentObject}"; name the agent itself: ${DELEGATOR}: … | ${agentObject}`,
    );
  return {
    actions,
    entityTypes,
    byObject,
    userObject,
    agentObject,
    delegationPasses:
      agentObject !== undefined && graph?.subjectTypes(agentObject, DELEGATOR).includes(agentObject) === true,
    find: (name, object) => index.get(pair(name, object)),
    objectOf: (name) => entityTypes.get(name)?.object ?? name,
  };
}

export interface Scope {
  readonly scope: string;
  readonly access: 'online' | 'background';
  readonly actions: readonly {
    readonly name: string;
    readonly resource_types: readonly string[];
    readonly title: string;
  }[];
}

/** The scopes that cover something, by name, and the actions that each covers. */
export function scopesOf({ actions }: Vocabulary): Scope[] {
  const found = new Map<string, Scope & { actions: Scope['actions'][number][] }>();
  for (const { name, title, resourceTypes, scope, backgroundScope } of actions) {
    for (const [word, access] of [
      [scope, 'online'],
      [backgroundScope, 'background'],
    ] as const) {
      if (word === undefined) continue;
      const entry = found.get(word) ?? { scope: word, access, actions: [] };
      entry.actions.push({ name, resource_types: resourceTypes.map((t) => t.object), title });
      found.set(word, entry);
    }
  }
  return [...found.values()].sort((a, b) => (a.scope < b.scope ? -1 : 1));
}

const NOBODY = { userObject: undefined, agentObject: undefined };

function pair(action: string, object: string): string {
  return `${object} ${action}`;
}

/**
 * Tokens say bare ids, so one definition must stand for agents and one for users: the agents' is the one that can
 * be delegated to (it has a `delegator`), or else is called `agent`; the users' is the one left over, or `user`.
 */
function actors(
  actions: readonly Action[],
  graph: Graph,
  findings: Findings,
): { userObject: string | undefined; agentObject: string | undefined } {
  const objects = [...new Set(actions.flatMap((a) => a.principalTypes.map((t) => t.object)))];
  const called = (name: string, among: readonly string[]): string | undefined =>
    among.find((o) => o === name) ?? among.find((o) => o.endsWith(`/${name}`));
  const delegable = objects.filter((o) => graph.has(o, DELEGATOR));
  if (delegable.length > 1) {
    findings.error(
      'ambiguous-actors',
      graph.place(delegable[1] ?? '', DELEGATOR),
      `only one definition can stand for agents, but ${delegable.join(' and ')} have a "${DELEGATOR}"`,
    );
  }
  const agentObject =
    delegable.length === 1 ? delegable[0] : called('agent', delegable.length > 0 ? delegable : objects);
  const others = objects.filter((o) => o !== agentObject && !delegable.includes(o));
  // Users who may act only through agents are no principals; the delegator relation still names their definition.
  const delegators =
    agentObject === undefined ? [] : graph.subjectTypes(agentObject, DELEGATOR).filter((t) => t !== agentObject);
  const candidates = others.length > 0 ? others : delegators;
  const userObject =
    candidates.length === 1 ? candidates[0] : (called('user', candidates) ?? called('user', delegators));
  return { userObject, agentObject };
}
