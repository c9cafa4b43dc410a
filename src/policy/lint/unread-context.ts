/** Finds members of an action's context that no policy reads. */
import { formatUid, namespaceOf } from '../schema/uid.js';
import type { Action } from '../schema/action.js';
import { collectContextReads } from '../expressions.js';
import type { Policy } from '../policies.js';
import { applicableTypes, type Lint } from './lint.js';

export const unreadContext: Lint = {
  rule: 'unread-context',
  title: 'A member of `context` that no policy reads',
  why: 'The schema is the plan of what is fetched: a member of `can` costs a check of SpiceDB in every decision.',
  cure: 'Remove it from the action’s context, or read it.',
  run: ({ rules: { vocabulary, policies }, locateDeclaration }) =>
    vocabulary.actions.flatMap((action) => {
      const reads = [...policies.values()]
        .filter((policy) => applicableTypes(policy, action).length > 0)
        .flatMap((policy) => [...collectContextReads(policy.json)])
        .concat(listReadElsewhere(action, [...policies.values()]));
      return listContextPaths(action)
        .filter((path) => !reads.some((read) => read === '' || isPathWithin(read, path) || isPathWithin(path, read)))
        .map((path) => ({
          location: locateDeclaration('action', namespaceOf(action.uid.type), action.name, `context.${path}`),
          message: `no policy that takes ${formatUid(action.uid)} reads context.${path}${path.includes('.') ? ', which is checked for every decision' : ''}`,
        }));
    }),
};

/** The members that something else than a policy reads: the amount that limits count, and what people are shown to say yes to. */
function listReadElsewhere(action: Action, policies: readonly Policy[]): string[] {
  const { amount, consent, elevation } = action;
  const isShown =
    consent === 'each' ||
    elevation !== undefined ||
    policies.some(
      (policy) => policy.remedies.some(({ type }) => type === 'approval') && applicableTypes(policy, action).length > 0,
    );
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

function isPathWithin(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}.`);
}
