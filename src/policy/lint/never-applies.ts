/** A policy whose conditions contradict each other. Cedar finds what types rule out; this is what values do. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { conjuncts, literalOf, negated, opened, pathOf, type Expression } from '../expressions.js';
import type { Lint } from './lint.js';

/** The values that Remit gives these members, and no others. */
const CLOSED: Readonly<Record<string, readonly string[]>> = {
  'context.delegation.mode': ['delegated', 'direct', 'human'],
  'context.delegation.access': ['online', 'background'],
};

export const neverApplies: Lint = {
  rule: 'never-applies',
  title: 'A policy that can never apply',
  why: 'Whoever wrote it believes that it does something.',
  cure: 'Mend the condition, or remove the policy.',
  run: ({ rules }) =>
    [...rules.policies.values()].flatMap((policy) => {
      const why = contradiction(policy.json);
      return why === undefined ? [] : [{ at: policy.at, message: `"${policy.id}" can never apply: ${why}` }];
    }),
};

function contradiction(json: PolicyJson): string | undefined {
  const all = conjuncts(json);
  const texts = new Set(all.map((one) => JSON.stringify(one)));
  if (all.some((one) => texts.has(JSON.stringify(negated(one))))) return 'it asks for a condition and its opposite';
  const values = new Map<string, unknown>();
  for (const [path, value] of all.flatMap((one) => equality(one) ?? [])) {
    const known = CLOSED[path];
    if (known !== undefined && !known.includes(String(value)))
      return `${path} is never ${JSON.stringify(value)}, only ${known.map((v) => `"${v}"`).join(' or ')}`;
    if (values.has(path) && values.get(path) !== value)
      return `${path} can't be both ${JSON.stringify(values.get(path))} and ${JSON.stringify(value)}`;
    values.set(path, value);
  }
  return undefined;
}

/** `path == literal`, either way round. */
function equality(expression: Expression): [readonly [string, unknown]] | undefined {
  const [operator, { left, right }] = opened(expression);
  if (operator !== '==' || left === undefined || right === undefined) return undefined;
  const path = (pathOf(left) ?? pathOf(right))?.join('.');
  const value = literalOf(right) ?? literalOf(left);
  return path === undefined || value === undefined ? undefined : [[path, value]];
}
