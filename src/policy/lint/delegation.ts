/**
 * Which parts of a condition turn with the delegation: true with more scopes or a longer chain, or with fewer or a
 * shorter one. A narrower token and one more agent on the way must never allow what was denied before.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { atoms, opened, pathOf, type Expression } from '../expressions.js';

export type Fact = 'scopes' | 'depth';

export interface Turn {
  readonly fact: Fact;
  /** What makes the policy apply: more of the fact, or less. */
  readonly appliesWith: 'more' | 'less';
}

export function turnsOf(json: PolicyJson): Turn[] {
  return atoms(json).flatMap(({ expression, turns }) => {
    const risen = rising(expression);
    if (risen === undefined) return [];
    return turns.map((turn): Turn => ({
      fact: risen.fact,
      appliesWith: (turn === 'on') === (risen.with === 'more') ? 'more' : 'less',
    }));
  });
}

/** What the expression is about, and whether more of it or less makes it true; undefined where neither is certain. */
function rising(expression: Expression): { readonly fact: Fact; readonly with: 'more' | 'less' } | undefined {
  const [operator, { left, right, arg }] = opened(expression);
  if (operator === 'isEmpty' && arg !== undefined)
    return factOf(arg) === 'scopes' ? { fact: 'scopes', with: 'less' } : undefined;
  if (left === undefined || right === undefined) return undefined;
  const [first, second] = [factOf(left), factOf(right)];
  switch (operator) {
    case 'contains':
    case 'containsAny':
      return first === 'scopes' ? { fact: first, with: 'more' } : undefined;
    case 'containsAll':
      if (first === 'scopes') return { fact: first, with: 'more' };
      return second === 'scopes' ? { fact: second, with: 'less' } : undefined;
    case '>':
    case '>=':
      if (first === 'depth') return { fact: first, with: 'more' };
      return second === 'depth' ? { fact: second, with: 'less' } : undefined;
    case '<':
    case '<=':
      if (first === 'depth') return { fact: first, with: 'less' };
      return second === 'depth' ? { fact: second, with: 'more' } : undefined;
    default:
      return undefined;
  }
}

function factOf(expression: Expression): Fact | undefined {
  const path = pathOf(expression)?.join('.');
  if (path === 'context.delegation.scopes') return 'scopes';
  return path === 'context.delegation.depth' ? 'depth' : undefined;
}
