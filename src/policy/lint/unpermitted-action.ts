/** Finds actions that no permit can match. */
import { formatUid, namespaceOf } from '../schema/uid.js';
import { applicableTypes, listPermits, type Lint } from './lint.js';

export const unpermittedAction: Lint = {
  rule: 'unpermitted-action',
  title: 'An action that no permit can match',
  why: 'Without a permit every request for it is denied.',
  cure: 'Write a permit that matches it, or remove the action.',
  run: (input) => {
    const permits = listPermits(input);
    return input.rules.vocabulary.actions
      .filter((action) => !permits.some((policy) => applicableTypes(policy, action).length > 0))
      .map((action) => ({
        location: input.locateDeclaration('action', namespaceOf(action.uid.type), action.name),
        message: `no permit takes ${formatUid(action.uid)}`,
      }));
  },
};
