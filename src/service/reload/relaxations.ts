/**
 * Finds what a set of policies gives up of the set before it. A lost file, a botched merge or an empty volume takes
 * restrictions away without an error anywhere, so a running service takes such a set at the operator's signal only.
 */
import { isDeepStrictEqual } from 'node:util';
import { compareFragments, splitSchema } from '../../graph/schema/fragments.js';
import type { Rules } from '../../policy/load.js';
import type { Policy } from '../../policy/policies.js';
import type { Vocabulary } from '../../policy/schema/vocabulary.js';
import type { SuiteFile } from './candidate.js';

/** Rules that relaxations are found in, with the test suites that they were held to. */
export interface TestedRules {
  readonly rules: Rules;
  readonly suites: readonly SuiteFile[];
}

/**
 * A changed forbid, duty or schema counts, whichever way it has changed: what it denies can't be compared in general.
 * What is only added counts as nothing, as do titles, comments, and files that were renamed.
 * @returns phrases such as `forbid "no-exports" is gone`
 */
export function findRelaxations(before: TestedRules, after: TestedRules): string[] {
  return [
    ...findLostFiles(before.rules, after.rules),
    ...[...before.rules.policies.values()].flatMap((policy) => describePolicyLoss(policy, after.rules)),
    ...compareFragments(
      splitSchema(before.rules.graph.text),
      splitSchema(after.rules.graph.text),
    ).map((name) => `${name} of the SpiceDB schema is changed or gone`), // prettier-ignore
    ...compareVocabularies(before.rules.vocabulary, after.rules.vocabulary),
    ...findLostSuites(before.suites, after.suites).map((name) => `the tests in ${name} are gone`),
  ];
}

/** A file is lost where it has no policy any more and one that it had is in no other file either. */
function findLostFiles(before: Rules, after: Rules): string[] {
  const filled = new Set([...after.policies.values()].map(({ location }) => location.file));
  const lost = [...before.policies.values()].filter(
    ({ id, location }) => !filled.has(location.file) && !after.policies.has(id),
  );
  return [...new Set(lost.map(({ location }) => location.file))].map((file) => `${file} is gone, with its policies`);
}

function describePolicyLoss(policy: Policy, { policies }: Rules): string[] {
  const kind = kindOf(policy);
  if (kind === 'permit') return [];
  const successor = policies.get(policy.id);
  const name = `${kind} "${policy.id}"`;
  if (successor === undefined) return [`${name} is gone`];
  if (kindOf(successor) !== kind) return [`${name} is a ${kindOf(successor)} now`];
  return isDeepStrictEqual(untitled(policy), untitled(successor)) ? [] : [`${name} is changed`];
}

function kindOf({ duties, json }: Policy): 'permit' | 'forbid' | 'duty' {
  return duties === undefined ? json.effect : 'duty';
}

/** A policy as Cedar reads it, without the title, which decides nothing. */
function untitled({ json }: Policy): unknown {
  const { title: _title, ...annotations } = json.annotations ?? {};
  return { ...json, annotations };
}

function compareVocabularies(before: Vocabulary, after: Vocabulary): string[] {
  const actionsOf = ({ actions }: Vocabulary): ReadonlyMap<string, unknown> =>
    new Map(actions.map(({ title: _title, ...action }) => [`action ${action.uid.type}::"${action.uid.id}"`, action]));
  const typesOf = ({ entityTypes }: Vocabulary): ReadonlyMap<string, unknown> =>
    new Map([...entityTypes].map(([name, type]) => [`entity ${name}`, type]));
  return [actionsOf, typesOf]
    .flatMap((list) => {
      const successors = list(after);
      return [...list(before)].flatMap(([name, item]) => (isDeepStrictEqual(item, successors.get(name)) ? [] : [name]));
    })
    .map((name) => `${name} of the Cedar schema is changed or gone`);
}

function findLostSuites(before: readonly SuiteFile[], after: readonly SuiteFile[]): string[] {
  const names = new Set(after.map(({ name }) => name));
  const texts = new Set(after.map(({ sha256 }) => sha256));
  return before.filter(({ name, sha256 }) => !names.has(name) && !texts.has(sha256)).map(({ name }) => name);
}
