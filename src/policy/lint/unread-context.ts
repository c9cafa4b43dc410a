/** Finds members of an action's context that no policy reads. */
import { formatUid, namespaceOf } from '../schema/uid.js';
import type { Action } from '../schema/action.js';
import { collectContextReads } from '../expressions.js';
import { isSameOrNestedField } from '../duty-fields.js';
import { hasRemedy, type Policy } from '../policies.js';
import { applicableTypes, type Lint } from './lint.js';

export const unreadContext: Lint = {
  rule: 'unread-context',
  title: 'A member of `context` that no policy reads',
  why: 'The schema is the plan of what is fetched: a member of `can` costs a check of SpiceDB in every decision.',
  cure: 'Remove it from the action’s context, or read it.',
  run: ({ rules: { vocabulary, policies }, locateDeclaration }) =>
    vocabulary.actions.flatMap((action) => {
      const applicable = [...policies.values()].filter((policy) => applicableTypes(policy, action).length > 0);
      const reads = [
        ...applicable.flatMap((policy) => [...collectContextReads(policy.json)]),
        ...listReadElsewhere(action, applicable),
      ];
      return listContextPaths(action)
        .filter(
          (path) =>
            !reads.some((read) => read === '' || isSameOrNestedField(read, path) || isSameOrNestedField(path, read)),
        )
        .map((path) => ({
          location: locateDeclaration('action', namespaceOf(action.uid.type), action.name, `context.${path}`),
          message: `no policy that takes ${formatUid(action.uid)} reads context.${path}${path.includes('.') ? ', which is checked for every decision' : ''}`,
        }));
    }),
};

/**
 * The members that something else than a policy reads: the amount that limits count, and what people are shown to say yes to.
 * @param policies those that take the action
 */
function listReadElsewhere({ amount, consent, elevation }: Action, policies: readonly Policy[]): string[] {
  const isAskedFor = policies.some((policy) => hasRemedy(policy, 'approval'));
  const isShown = consent === 'each' || elevation !== undefined || isAskedFor;
  return [...(amount === undefined ? [] : [amount.join('.')]), ...(isShown ? ['action', 'request'] : [])];
}

/** The members that the action declares, each permission of `can` and `agent_can` by itself. */
function listContextPaths(action: Action): string[] {
  return [
    ...Object.keys(action.context).filter((name) => name !== 'can' && name !== 'agent_can'),
    ...action.can.map((permission) => `can.${permission}`),
    ...action.agentCan.map((permission) => `agent_can.${permission}`),
  ];
}
