/** Finds permits whose scope matches kinds of questions that no test shows them permitting. */
import { formatQuestionKind } from '../question-kind.js';
import type { Policy } from '../policies.js';
import { applicableTypes, listForbids, listPermits, type Lint, type LintInput } from './lint.js';

/** The number of untested kinds that a message names. */
const MAX_NAMED_KINDS = 3;

export const untestedPermit: Lint = {
  rule: 'untested-permit',
  title: 'A permit that no test exercises, or not for all that it takes',
  why: 'No test says what it is meant to allow, so no test fails when it allows more.',
  cure: 'Add a case to a `*_test.yaml` in which it is what permits, or name in its scope what it is meant for.',
  run: (input) => {
    const { untestedKinds } = input;
    if (untestedKinds === undefined) return [];
    return listPermits(input).flatMap((policy) => {
      const possibleKinds = listPermittableKinds(policy, input);
      const missingKinds = (untestedKinds.get(policy.id) ?? []).filter((kind) => possibleKinds.includes(kind));
      if (missingKinds.length === 0) return [];
      const namedKinds = missingKinds.slice(0, MAX_NAMED_KINDS).join(', ');
      const remainder =
        missingKinds.length > MAX_NAMED_KINDS ? `, and ${missingKinds.length - MAX_NAMED_KINDS} more` : '';
      const subjectText = missingKinds.length === possibleKinds.length ? 'anything' : `${namedKinds}${remainder}`;
      return [{ location: policy.location, message: `no test shows "${policy.id}" permitting ${subjectText}` }];
    });
  },
};

/** The kinds that its scope matches, without those that an unconditional forbid denies: no test could show these. */
function listPermittableKinds(policy: Policy, input: LintInput): string[] {
  const absolute = listForbids(input).filter(({ json }) => json.conditions.length === 0 && isBroad(json));
  return input.rules.vocabulary.actions.flatMap((action) =>
    applicableTypes(policy, action)
      .filter(([principal, resource]) =>
        absolute.every(
          (forbid) => !applicableTypes(forbid, action).some(([p, r]) => p === principal && r === resource),
        ),
      )
      .map(([principal, resource]) => formatQuestionKind(principal, action, resource)),
  );
}

/** Whether its scope names no single entities. */
function isBroad({ principal, resource }: Policy['json']): boolean {
  return [principal, resource].every((part) => part.op === 'All' || (part.op === 'is' && !('in' in part)));
}
