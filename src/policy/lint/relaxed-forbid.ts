/** A forbid that ceases to apply where the delegation gets narrower. */
import { turnsOf } from './delegation.js';
import { forbidsOf, type Lint } from './lint.js';

export const relaxedForbid: Lint = {
  rule: 'relaxed-forbid',
  title: 'A forbid that a narrower delegation relaxes',
  why: 'Whoever asks for a token without the scope, or sends one more agent ahead, gets past it.',
  cure: 'Forbid unless the scope is there, or where the chain is too long.',
  run: (subject) =>
    forbidsOf(subject).flatMap((policy) => {
      const turns = turnsOf(policy.json);
      const by = (fact: string, appliesWith: string): boolean =>
        turns.some((turn) => turn.fact === fact && turn.appliesWith === appliesWith);
      return [
        ...(by('scopes', 'more')
          ? [
              {
                at: policy.at,
                message: `"${policy.id}" forbids because of a scope: a token without it gets past`,
                suggestion: 'forbid unless another scope is there',
              },
            ]
          : []),
        ...(by('depth', 'less')
          ? [
              {
                at: policy.at,
                message: `"${policy.id}" forbids less the longer the chain is: one more agent on the way gets past`,
                suggestion: 'compare the depth the other way round',
              },
            ]
          : []),
      ];
    }),
};
