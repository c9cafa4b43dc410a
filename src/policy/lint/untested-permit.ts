/** A permit that takes what no test shows it permitting. */
import { kindText } from '../question-kind.js';
import type { Policy } from '../policies.js';
import { applicable, forbidsOf, permitsOf, type Lint, type Subject } from './lint.js';

/** Of what is unseen, how much is named. */
const NAMED = 3;

export const untestedPermit: Lint = {
  rule: 'untested-permit',
  title: 'A permit that no test exercises, or not for all that it takes',
  why: 'Nobody has said what it is meant to allow, so nobody notices when it allows more.',
  cure: 'Add a case to a `*_test.yaml` in which it is what permits, or name in its scope what it is meant for.',
  run: (subject) => {
    const { unseen } = subject;
    if (unseen === undefined) return [];
    return permitsOf(subject).flatMap((policy) => {
      const possible = permittable(policy, subject);
      const missing = (unseen.get(policy.id) ?? []).filter((kind) => possible.includes(kind));
      if (missing.length === 0) return [];
      const some = missing.slice(0, NAMED).join(', ');
      const more = missing.length > NAMED ? `, and ${missing.length - NAMED} more` : '';
      const what = missing.length === possible.length ? 'anything' : `${some}${more}`;
      return [{ at: policy.at, message: `no test shows "${policy.id}" permitting ${what}` }];
    });
  },
};

/** What its scope takes and no forbid without a condition takes as well: that no test could show. */
function permittable(policy: Policy, subject: Subject): string[] {
  const absolute = forbidsOf(subject).filter(({ json }) => json.conditions.length === 0 && isBroad(json));
  return subject.rules.vocabulary.actions.flatMap((action) =>
    applicable(policy, action)
      .filter(([principal, resource]) =>
        absolute.every((forbid) => !applicable(forbid, action).some(([p, r]) => p === principal && r === resource)),
      )
      .map(([principal, resource]) => kindText(principal, action, resource)),
  );
}

/** Its scope names types at most, and no single ones. */
function isBroad({ principal, resource }: Policy['json']): boolean {
  return [principal, resource].every((part) => part.op === 'All' || (part.op === 'is' && !('in' in part)));
}
