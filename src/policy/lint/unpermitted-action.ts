/** An action that no permit is about. */
import { namespaceOf } from '../schema/declarations.js';
import { formatUid } from '../schema/uid.js';
import { applicableTypes, listPermits, type Lint } from './lint.js';

export const unpermittedAction: Lint = {
  rule: 'unpermitted-action',
  title: 'An action that nobody can be permitted',
  why: 'Without a permit everything is denied, so every request for it will be.',
  cure: 'Write a permit that takes it, or remove the action.',
  run: (input) => {
    const permits = listPermits(input);
    return input.rules.vocabulary.actions
      .filter((action) => !permits.some((policy) => applicableTypes(policy, action).length > 0))
      .map((action) => ({
        location: input.place('action', namespaceOf(action.uid.type), action.name),
        message: `no permit takes ${formatUid(action.uid)}`,
      }));
  },
};
