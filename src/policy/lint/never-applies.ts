/** Finds policies whose conditions contradict each other by their values; Cedar itself finds what types rule out. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { collectConjuncts, literalValue, negate, splitOperator, accessPath, type Expression } from '../expressions.js';
import type { Lint } from './lint.js';

/** The only values that Remit gives these members. */
const CLOSED_VALUES: Readonly<Record<string, readonly string[]>> = {
  'context.delegation.mode': ['delegated', 'direct', 'human'],
  'context.delegation.access': ['online', 'background'],
};

export const neverApplies: Lint = {
  rule: 'never-applies',
  title: 'A policy that can never apply',
  why: 'Its author believes that it does something.',
  cure: 'Mend the condition, or remove the policy.',
  run: ({ rules }) =>
    [...rules.policies.values()].flatMap((policy) => {
      const why = findContradiction(policy.json);
      return why === undefined
        ? []
        : [{ location: policy.location, message: `"${policy.id}" can never apply: ${why}` }];
    }),
};

function findContradiction(json: PolicyJson): string | undefined {
  const conditions = collectConjuncts(json);
  const texts = new Set(conditions.map((condition) => JSON.stringify(condition)));
  if (conditions.some((condition) => texts.has(JSON.stringify(negate(condition)))))
    return 'it asks for a condition and its opposite';
  const values = new Map<string, unknown>();
  for (const [path, value] of conditions.flatMap((condition) => readEquality(condition) ?? [])) {
    const possibleValues = CLOSED_VALUES[path];
    if (possibleValues !== undefined && !possibleValues.includes(String(value)))
      return `${path} is never ${JSON.stringify(value)}, only ${possibleValues.map((v) => `"${v}"`).join(' or ')}`;
    if (values.has(path) && values.get(path) !== value)
      return `${path} can't be both ${JSON.stringify(values.get(path))} and ${JSON.stringify(value)}`;
    values.set(path, value);
  }
  return undefined;
}

/** `path == literal`, either way round. */
function readEquality(expression: Expression): [readonly [string, unknown]] | undefined {
  const [operator, { left, right }] = splitOperator(expression);
  if (operator !== '==' || left === undefined || right === undefined) return undefined;
  const path = (accessPath(left) ?? accessPath(right))?.join('.');
  const value = literalValue(right) ?? literalValue(left);
  return path === undefined || value === undefined ? undefined : [[path, value]];
}
