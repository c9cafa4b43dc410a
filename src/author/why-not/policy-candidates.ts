/**
 * Proposes changes for a policy that denies, or that doesn't permit: other values of what its conditions read, each tried
 * alone and then in pairs by a new decision, and as the last resort a change of the policy itself.
 */
import { cedarPrincipal } from '../../model/acting.js';
import type { EntityRef } from '../../model/ids.js';
import type { Policy } from '../../policy/policies.js';
import { buildDelegationCheck } from '../../decide/delegation-links.js';
import { listSortedPaths } from '../../records/explain/values.js';
import { getVerifiedCredential } from '../../decide/bound-question.js';
import type { ChangeOption, ProposedChange } from './change.js';
import type { GrantFinder } from './grant-finder.js';
import { RESERVED_DECISIONS, type ChangeEvaluator, type ChangeEvaluation } from './change-evaluator.js';
import { findLiterals, literalTexts } from '../hypotheses/literals.js';
import { collectNamedReads } from './named-reads.js';
import { findNamedOrigin, findOrigin, shorterChains } from './value-origins.js';
import type { DenialProblem } from './denial-problems.js';
import { exceptQuestion, permitQuestion, type QuestionScope } from './policy-variants.js';

/** Decisions that are made to find what removes one problem. */
const MAX_TRIED_OPTIONS = 400;
/** Options of one path that are tried in pairs. */
const MAX_PAIRED_OPTIONS = 6;
/** Permits whose conditions are looked at where none applies. */
const MAX_PERMITS = 50;

export async function policyCandidates(
  problem: DenialProblem,
  evaluation: ChangeEvaluation,
  changes: readonly ProposedChange[],
  evaluator: ChangeEvaluator,
  grants: GrantFinder,
): Promise<ChangeOption[]> {
  const bound = evaluation.redecision.evaluation.bound;
  if (bound === undefined) return [];
  const { rules } = evaluation;
  const policyPrincipal = problem.principal ?? cedarPrincipal(bound.acting);
  const policies = relevantPolicies(problem, evaluation);
  const literals = findLiterals(rules.policies.values());
  let attemptsLeft = Math.min(MAX_TRIED_OPTIONS, evaluator.remaining - RESERVED_DECISIONS);
  const removesProblem = async (option: ChangeOption): Promise<boolean> => {
    if (attemptsLeft <= 0) return false;
    attemptsLeft -= 1;
    const outcome = await evaluator.evaluate([...changes, ...option]);
    return outcome !== undefined && outcome.problems.every(({ key }) => key !== problem.key);
  };

  const helping: ChangeOption[] = [];
  for (const policy of policies) {
    const groups: ChangeOption[][] = [];
    const { conditions } = policy.json;
    const scopes = literalTexts(findLiterals([policy]).of('scopes'));
    const origins = [
      ...listSortedPaths(conditions).map((path) => findOrigin(path, policyPrincipal, evaluation, { literals, scopes })),
      ...collectNamedReads(conditions).map((read) => findNamedOrigin(read, evaluation, literals)),
    ];
    for (const { changes: valueChanges, checks } of origins) {
      const options: ChangeOption[] = valueChanges.map((change) => [change]);
      for (const check of checks) options.push(...(await grants.findGrants(check, rules)));
      groups.push(options);
    }
    let helped = false;
    for (const options of groups) {
      // One option that works is enough for each path.
      for (const option of options) {
        if (!(await removesProblem(option))) continue;
        helping.push(option);
        helped = true;
        break;
      }
    }
    for (const pair of helped ? [] : optionPairs(groups)) {
      if (attemptsLeft <= 0) break;
      if (!(await removesProblem(pair))) continue;
      helping.push(pair);
      break;
    }
  }
  if (problem.principal !== undefined)
    helping.push(...chainsWithout(problem.principal, evaluation, bound).map((change) => [change]));
  const delegation = buildDelegationCheck(bound.acting);
  if (evaluation.record.facts.passed_on?.kind === 'path' && delegation !== undefined)
    helping.push(...(await grants.findGrants(delegation, rules)));
  return [...helping, ...policyChanges(problem, evaluation, policyPrincipal, policies)];
}

/** The policy that the problem names or, where no policy permits, the permits that could apply. */
function relevantPolicies(problem: DenialProblem, { rules, redecision }: ChangeEvaluation): Policy[] {
  if (problem.policy !== undefined) return [rules.policies.get(problem.policy) ?? []].flat();
  const bound = redecision.evaluation.bound;
  if (bound === undefined) return [];
  const { policies } = rules.deciding.slice(bound.principalType, bound.target.action, bound.target.resourceType);
  return policies.filter(({ json }) => json.effect === 'permit').slice(0, MAX_PERMITS);
}

/** Yields pairs of options of two paths, one by one since there may be very many. */
function* optionPairs(groups: readonly (readonly ChangeOption[])[]): Generator<ChangeOption> {
  for (const [i, options] of groups.entries())
    for (const otherOptions of groups.slice(i + 1))
      for (const a of options.slice(0, MAX_PAIRED_OPTIONS))
        for (const b of otherOptions.slice(0, MAX_PAIRED_OPTIONS)) yield [...a, ...b];
}

/** Chains without an earlier agent that policies deny. */
function chainsWithout(
  agent: EntityRef,
  { record }: ChangeEvaluation,
  { acting }: { acting: { chain: readonly EntityRef[] } },
): ProposedChange[] {
  const stated = getVerifiedCredential(record.facts)?.token.actors.slice(1) ?? [];
  const earlier = acting.chain.some(({ id }) => id === agent.id) && stated.some(({ id }) => id === agent.id);
  return earlier ? shorterChains(stated.map(({ id }) => id)) : [];
}

/** Proposes a permit for this one question, or an exception to the policies that deny it. */
function policyChanges(
  problem: DenialProblem,
  evaluation: ChangeEvaluation,
  policyPrincipal: EntityRef,
  policies: readonly Policy[],
): ChangeOption[] {
  const bound = evaluation.redecision.evaluation.bound;
  if (bound === undefined) return [];
  const scope: QuestionScope = {
    principal: { type: bound.principalType.name, id: policyPrincipal.id },
    action: bound.target.action.uid,
    resource: { type: bound.target.resourceType.name, id: bound.question.resource.id },
  };
  if (problem.code === 'policy_no_permit')
    return [[permitQuestion(scope, policyPrincipal, new Set(evaluation.rules.policies.keys()))]];
  return policies.flatMap((policy) => {
    const change = exceptQuestion(policy, scope);
    return change === undefined ? [] : [[change]];
  });
}
