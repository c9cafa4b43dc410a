/** Members of an action's context that no policy reads. */
import { spaceOf } from '../schema/declarations.js';
import { uidText } from '../schema/uid.js';
import type { Action } from '../schema/action.js';
import { contextReads } from '../expressions.js';
import { applicable, type Lint } from './lint.js';

export const unreadContext: Lint = {
  rule: 'unread-context',
  title: 'A member of `context` that no policy reads',
  why: 'The schema is the plan of what is fetched: a member of `can` costs a check of SpiceDB in every decision.',
  cure: 'Remove it from the action’s context, or read it.',
  run: ({ rules: { vocabulary, policies }, place }) =>
    vocabulary.actions.flatMap((action) => {
      const reads = [...policies.values()]
        .filter((policy) => applicable(policy, action).length > 0)
        .flatMap((policy) => [...contextReads(policy.json)]);
      return declared(action)
        .filter((path) => !reads.some((read) => read === '' || within(read, path) || within(path, read)))
        .map((path) => ({
          at: place('action', spaceOf(action.uid.type), action.name, `context.${path}`),
          message: `no policy that takes ${uidText(action.uid)} reads context.${path}${path.includes('.') ? ', which is checked for every decision' : ''}`,
        }));
    }),
};

/** What is declared, permissions each by itself. */
function declared(action: Action): string[] {
  return [
    ...Object.keys(action.context).filter((name) => name !== 'can' && name !== 'agent_can'),
    ...action.can.map((permission) => `can.${permission}`),
    ...action.agentCan.map((permission) => `agent_can.${permission}`),
  ];
}

function within(path: string, of: string): boolean {
  return path === of || path.startsWith(`${of}.`);
}
