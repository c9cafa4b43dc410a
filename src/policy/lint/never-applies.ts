/** Finds policies whose conditions contradict each other by their values; Cedar itself finds what types rule out. */
import { collectConjuncts } from '../expressions.js';
import { findContradiction } from './contradictions.js';
import type { Lint } from './lint.js';

export const neverApplies: Lint = {
  rule: 'never-applies',
  title: 'A policy that can never apply',
  why: 'Its author believes that it does something.',
  cure: 'Mend the condition, or remove the policy. Hours over midnight are an alternative: `unless { hour >= 6 && hour < 22 }`.',
  run: ({ rules }) =>
    [...rules.policies.values()].flatMap((policy) => {
      const why = findContradiction(collectConjuncts(policy.json));
      return why === undefined
        ? []
        : [{ location: policy.location, message: `"${policy.id}" can never apply: ${why}` }];
    }),
};
