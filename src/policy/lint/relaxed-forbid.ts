/** Finds forbids that cease to apply where the delegation gets narrower. */
import { findDelegationEffects } from './delegation-effect.js';
import { listForbids, type Lint } from './lint.js';

export const relaxedForbid: Lint = {
  rule: 'relaxed-forbid',
  title: 'A forbid that a narrower delegation relaxes',
  why: 'An agent that asks for a token without the scope, or puts one more agent into the chain, gets past it.',
  cure: 'Forbid unless the scope is there, or where the chain is too long.',
  run: (input) =>
    listForbids(input).flatMap((policy) => {
      const effects = findDelegationEffects(policy.json);
      const hasEffect = (fact: string, appliesWith: string): boolean =>
        effects.some((effect) => effect.fact === fact && effect.appliesWith === appliesWith);
      return [
        ...(hasEffect('scopes', 'more')
          ? [
              {
                location: policy.location,
                message: `"${policy.id}" forbids because of a scope: a token without it gets past`,
                suggestion: 'forbid unless another scope is there',
              },
            ]
          : []),
        ...(hasEffect('depth', 'less')
          ? [
              {
                location: policy.location,
                message: `"${policy.id}" forbids less the longer the chain is: one more agent on the way gets past`,
                suggestion: 'compare the depth the other way round',
              },
            ]
          : []),
      ];
    }),
};
