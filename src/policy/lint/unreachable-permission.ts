/** Finds permissions that an action asks for and that none of its subjects can hold, whatever the relationships are. */
import { namespaceOf } from '../schema/uid.js';
import type { Vocabulary } from '../schema/vocabulary.js';
import type { Action } from '../schema/action.js';
import type { Lint } from './lint.js';

export const unreachablePermission: Lint = {
  rule: 'unreachable-permission',
  title: 'A permission that its subjects can’t hold',
  why: 'No relation that leads to it takes a user (or an agent), so an action behind it is always denied, and a member of `can` is always false.',
  cure: 'Let a relation that leads to it take them, or name another permission.',
  run: ({ rules: { graph, vocabulary }, locateDeclaration }) =>
    vocabulary.actions.flatMap((action) =>
      listPermissionQueries(action, vocabulary).flatMap(({ permission, part, subjects }) =>
        action.resourceTypes
          .filter(({ object }) => {
            const holders = graph.reachability.holderTypes(object, permission);
            return subjects.length > 0 && !subjects.some((subject) => holders.has(subject));
          })
          .map(({ object }) => ({
            location: locateDeclaration('action', namespaceOf(action.uid.type), action.name, part),
            message: `no ${subjects.join(' or ')} can ever hold "${permission}" on "${object}"`,
          })),
      ),
    ),
};

interface PermissionQuery {
  readonly permission: string;
  readonly part: string;
  /** The definitions that may hold it; one that can is enough. */
  readonly subjects: readonly string[];
}

function listPermissionQueries(action: Action, { userObject, agentObject }: Vocabulary): PermissionQuery[] {
  const definedOnly = (...objects: (string | undefined)[]): string[] =>
    objects.filter((object) => object !== undefined);
  // Agents act for users, or for themselves.
  const agents = action.principalTypes.some(({ object }) => object === agentObject);
  const holders = definedOnly(userObject, agents ? agentObject : undefined);
  const ofAgents = agents ? definedOnly(agentObject) : [];
  return [
    { permission: action.permission, part: '@permission', subjects: holders },
    ...action.can.map((permission) => ({ permission, part: `context.can.${permission}`, subjects: holders })),
    ...(action.agentPermission === undefined
      ? []
      : [{ permission: action.agentPermission, part: '@agent_permission', subjects: ofAgents }]),
    ...action.agentCan.map((permission) => ({
      permission,
      part: `context.agent_can.${permission}`,
      subjects: ofAgents,
    })),
  ];
}
