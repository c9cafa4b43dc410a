/**
 * Finds the effect of the delegation on a policy: whether it begins to apply with more scopes or a longer chain, or with
 * fewer or a shorter one. A narrower token or one more agent in the chain must never allow what was denied before.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { collectAtoms, splitOperator, accessPath, type Expression } from '../expressions.js';

export type DelegationFact = 'scopes' | 'depth';

export interface DelegationEffect {
  readonly fact: DelegationFact;
  /** Whether more of the fact or less of it makes the policy apply. */
  readonly appliesWith: 'more' | 'less';
}

export function findDelegationEffects(json: PolicyJson): DelegationEffect[] {
  return collectAtoms(json).flatMap(({ expression, polarities: turns }) => {
    const monotonicity = readMonotonicity(expression);
    if (monotonicity === undefined) return [];
    return turns.map((polarity): DelegationEffect => ({
      fact: monotonicity.fact,
      appliesWith: (polarity === 'on') === (monotonicity.trueWith === 'more') ? 'more' : 'less',
    }));
  });
}

/** The fact that an expression reads, and whether more or less of it makes it true; undefined where neither is certain. */
function readMonotonicity(
  expression: Expression,
): { readonly fact: DelegationFact; readonly trueWith: 'more' | 'less' } | undefined {
  const [operator, { left, right, arg }] = splitOperator(expression);
  if (operator === 'isEmpty' && arg !== undefined)
    return delegationFactOf(arg) === 'scopes' ? { fact: 'scopes', trueWith: 'less' } : undefined;
  if (left === undefined || right === undefined) return undefined;
  const [first, second] = [delegationFactOf(left), delegationFactOf(right)];
  switch (operator) {
    case 'contains':
    case 'containsAny':
      return first === 'scopes' ? { fact: first, trueWith: 'more' } : undefined;
    case 'containsAll':
      if (first === 'scopes') return { fact: first, trueWith: 'more' };
      return second === 'scopes' ? { fact: second, trueWith: 'less' } : undefined;
    case '>':
    case '>=':
      if (first === 'depth') return { fact: first, trueWith: 'more' };
      return second === 'depth' ? { fact: second, trueWith: 'less' } : undefined;
    case '<':
    case '<=':
      if (first === 'depth') return { fact: first, trueWith: 'less' };
      return second === 'depth' ? { fact: second, trueWith: 'more' } : undefined;
    default:
      return undefined;
  }
}

function delegationFactOf(expression: Expression): DelegationFact | undefined {
  const path = accessPath(expression)?.join('.');
  if (path === 'context.delegation.scopes') return 'scopes';
  return path === 'context.delegation.depth' ? 'depth' : undefined;
}
