/**
 * What could be otherwise for a policy to say otherwise: other values of what its conditions read, tried one by one and
 * then two at a time, each by deciding again; and the policy itself, where nothing else would do.
 */
import { principal } from '../../model/acting.js';
import type { EntityRef } from '../../model/ids.js';
import type { Policy } from '../../policy/policies.js';
import { delegationCheck } from '../../decide/steps/delegation.js';
import { pathsIn } from '../../records/explain/values.js';
import { verified } from '../../decide/bound-question.js';
import type { Change } from './change.js';
import type { Granting } from './granting.js';
import { KEPT, type Judge, type Judgement } from './judge.js';
import { literalsOf } from './literals.js';
import { originOf, shorter } from './origins.js';
import type { Problem } from './problems.js';
import { excepted, permitted, type Narrow } from './rulebook.js';

/** Decisions that are made in looking for what removes one problem. */
const TRIES = 400;
/** Of the options of one path, as far as a pair is concerned. */
const PAIRED = 6;
/** Permits that might be made to apply. */
const PERMITS = 50;

type Option = readonly Change[];

export async function policyCandidates(
  problem: Problem,
  judgement: Judgement,
  changes: readonly Change[],
  judge: Judge,
  granting: Granting,
): Promise<Option[]> {
  const e = judgement.again.course.established;
  if (e === undefined) return [];
  const { rules } = judgement;
  const who = problem.who ?? principal(e.acting);
  const policies = concerned(problem, judgement);
  const literals = literalsOf(rules.policies.values());
  let left = Math.min(TRIES, judge.left - KEPT);
  const removes = async (option: Option): Promise<boolean> => {
    if (left <= 0) return false;
    left -= 1;
    const then = await judge.decide([...changes, ...option]);
    return then !== undefined && then.problems.every(({ key }) => key !== problem.key);
  };

  const helping: Option[] = [];
  for (const policy of policies) {
    const groups: Option[][] = [];
    for (const path of pathsIn(policy.json.conditions)) {
      const { changes: single, checks } = originOf(path, who, judgement, literals);
      const options: Option[] = single.map((change) => [change]);
      for (const check of checks) options.push(...(await granting.granting(check, rules)));
      groups.push(options);
    }
    let helped = false;
    for (const options of groups) {
      // One that works is enough of each path.
      for (const option of options) {
        if (!(await removes(option))) continue;
        helping.push(option);
        helped = true;
        break;
      }
    }
    for (const pair of helped ? [] : pairsOf(groups)) {
      if (left <= 0) break;
      if (!(await removes(pair))) continue;
      helping.push(pair);
      break;
    }
  }
  if (problem.who !== undefined) helping.push(...around(problem.who, judgement, e).map((change) => [change]));
  const edge = delegationCheck(e.acting);
  if (judgement.record.facts.passed_on?.kind === 'path' && edge !== undefined)
    helping.push(...(await granting.granting(edge, rules)));
  return [...helping, ...rewritten(problem, judgement, who, policies)];
}

/** The policies whose conditions matter. */
function concerned(problem: Problem, { rules, again }: Judgement): Policy[] {
  if (problem.policy !== undefined) return [rules.policies.get(problem.policy) ?? []].flat();
  const e = again.course.established;
  if (e === undefined) return [];
  const { policies } = rules.deciding.slice(e.principalType, e.on.action, e.on.resourceType);
  return policies.filter(({ json }) => json.effect === 'permit').slice(0, PERMITS);
}

/** Of two paths at a time; one by one, since there may be very many. */
function* pairsOf(groups: readonly (readonly Option[])[]): Generator<Option> {
  for (const [i, some] of groups.entries())
    for (const others of groups.slice(i + 1))
      for (const a of some.slice(0, PAIRED)) for (const b of others.slice(0, PAIRED)) yield [...a, ...b];
}

/** Past an earlier agent: a chain that it isn't in. */
function around(
  who: EntityRef,
  { record }: Judgement,
  { acting }: { acting: { chain: readonly EntityRef[] } },
): Change[] {
  const stated = verified(record.facts)?.token.actors.slice(1) ?? [];
  const earlier = acting.chain.some(({ id }) => id === who.id) && stated.some(({ id }) => id === who.id);
  return earlier ? shorter(stated.map(({ id }) => id)) : [];
}

/** The last resort. */
function rewritten(problem: Problem, judgement: Judgement, who: EntityRef, policies: readonly Policy[]): Option[] {
  const e = judgement.again.course.established;
  if (e === undefined) return [];
  const narrow: Narrow = {
    principal: { type: e.principalType.name, id: who.id },
    action: e.on.action.uid,
    resource: { type: e.on.resourceType.name, id: e.question.resource.id },
  };
  if (problem.code === 'policy_no_permit') return [[permitted(narrow, who, new Set(judgement.rules.policies.keys()))]];
  return policies.flatMap((policy) => {
    const change = excepted(policy, narrow);
    return change === undefined ? [] : [[change]];
  });
}
