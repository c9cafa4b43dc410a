/** Finds conditions that decide nothing: an exception that can never be made, and a restriction that always holds. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { CedarEngine } from '../cedar.js';
import { splitConjunction } from '../expressions.js';
import type { Policy } from '../policies.js';
import { joinSchemaFiles } from '../schema/read.js';
import { findContradiction } from './contradictions.js';
import type { Lint, LintInput } from './lint.js';

export const idleCondition: Lint = {
  rule: 'idle-condition',
  title: 'An exception that can never be made, or a condition that always holds',
  why: 'Its author believes that a forbid has an exception, or that a policy is restricted.',
  cure: 'Mend the condition, or remove it. Hours over midnight are an alternative: `unless { hour >= 22 || hour < 6 }`.',
  run: (input) => {
    const impossible = findImpossibleExceptions(input);
    return [...input.rules.policies.values()].flatMap((policy) => {
      const found = policy.json.conditions.flatMap((clause) => findIdleParts(clause));
      const messages =
        found.length === 0 && impossible.has(policy.id)
          ? ['has no such exception: its unless can never hold, by the types of the schema']
          : found;
      return messages.map((message) => ({ location: policy.location, message: `"${policy.id}" ${message}` }));
    });
  },
};

/** Finds the parts of a clause that decide nothing by the values that they compare. */
function findIdleParts({ kind, body }: PolicyJson['conditions'][number]): string[] {
  const conditions = splitConjunction(body, kind === 'when');
  return conditions.flatMap((condition) => {
    // A condition always holds where its opposite can't.
    const why = findContradiction(splitConjunction(condition, false));
    if (why === undefined) return [];
    const subject = conditions.length === 1 ? `its ${kind}` : `a part of its ${kind}`;
    return [
      kind === 'unless'
        ? `has no such exception: ${subject} can never hold, since ${why}`
        : `isn't restricted so: ${subject} always holds: the opposite never does, since ${why}`,
    ];
  });
}

/** The ids of policies with an exception that Cedar finds impossible by the types of the schema. */
function findImpossibleExceptions({ rules: { policies, sources } }: LintInput): ReadonlySet<string> {
  const variants = [...policies.values()].flatMap(listExceptionVariants);
  if (variants.length === 0) return new Set();
  const { value = [] } = new CedarEngine().validate(
    joinSchemaFiles(sources.actions).text,
    Object.fromEntries(variants.map(({ json }, i) => [`variant-${i}`, json])),
  );
  const warned = new Set(value.flatMap(({ policy, warning }) => (warning ? [policy] : [])));
  return new Set(variants.flatMap(({ id }, i) => (warned.has(`variant-${i}`) ? [id] : [])));
}

/** The policy as it would be if one of its exceptions were a condition. Earlier clauses stay: they may be what makes it valid. */
function listExceptionVariants({ id, json }: Policy): { readonly id: string; readonly json: PolicyJson }[] {
  return json.conditions.flatMap((clause, i) =>
    clause.kind === 'unless'
      ? [{ id, json: { ...json, conditions: [...json.conditions.slice(0, i), { ...clause, kind: 'when' as const }] } }]
      : [],
  );
}
