/** Finds permits that begin to apply with a longer chain, or because of scopes. */
import { findDelegationEffects, type DelegationEffect } from './delegation-effect.js';
import { listPermits, type Lint } from './lint.js';

const EFFECT_MESSAGES: Readonly<
  Record<`${DelegationEffect['fact']} ${DelegationEffect['appliesWith']}`, string | undefined>
> = {
  'depth more': 'permits more the longer the chain of agents is: one more agent on the way would allow what was denied',
  'depth less': undefined,
  'scopes more': 'grants because of a scope: a scope covers an action by its @scope, and a policy only restricts it',
  'scopes less': 'permits with fewer scopes what it does not with more: a narrower token would allow what was denied',
};

export const wideningPermit: Lint = {
  rule: 'widening-permit',
  title: 'A permit that the delegation widens',
  why: 'One more agent in the chain, or a narrower token, must never allow what was denied; and what scopes cover is said by `@scope`, where people and tokens can see it.',
  cure: 'Permit broadly, and forbid where the chain is too long or the scope is missing.',
  run: (input) =>
    listPermits(input).flatMap((policy) => {
      const messages = findDelegationEffects(policy.json).map(
        ({ fact, appliesWith }) => EFFECT_MESSAGES[`${fact} ${appliesWith}`],
      );
      return [...new Set(messages)].flatMap((message) =>
        message === undefined
          ? []
          : [{ location: policy.location, message: `"${policy.id}" ${message}`, suggestion: 'say it as a forbid' }],
      );
    }),
};
