/** An action that no permit is about. */
import { spaceOf } from '../schema/declarations.js';
import { uidText } from '../schema/uid.js';
import { applicable, permitsOf, type Lint } from './lint.js';

export const unpermittedAction: Lint = {
  rule: 'unpermitted-action',
  title: 'An action that nobody can be permitted',
  why: 'Without a permit everything is denied, so every request for it will be.',
  cure: 'Write a permit that takes it, or remove the action.',
  run: (subject) => {
    const permits = permitsOf(subject);
    return subject.rules.vocabulary.actions
      .filter((action) => !permits.some((policy) => applicable(policy, action).length > 0))
      .map((action) => ({
        at: subject.place('action', spaceOf(action.uid.type), action.name),
        message: `no permit takes ${uidText(action.uid)}`,
      }));
  },
};
