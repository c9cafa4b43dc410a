/** The right that a user may ask for where they lack an action's permission (`@elevation`): who may ask, and what it would give. */
import type { ApprovalStep } from '../model/approvals.js';
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import { isSameRef } from '../model/ids.js';
import type { BoundQuestion } from './bound-question.js';
import { buildGateCheck, toResourceRef, withCaveatContext } from './permission-checks.js';
import type { Facts } from './step.js';

/** The check of the permission by which a user may ask; undefined where there is nothing to ask for, or no user. */
export function buildElevationCheck(bound: BoundQuestion): CheckRequest | undefined {
  const { acting, target, question } = bound;
  const { elevation } = target.action;
  if (elevation === undefined || acting.user === undefined) return undefined;
  const check = { resource: toResourceRef(question), permission: elevation.condition, subject: acting.user };
  return withCaveatContext(bound, check);
}

/** The step that gives the user the right; undefined where they hold the permission, or may not ask. */
export function findElevationStep(bound: BoundQuestion, { check }: Pick<Facts, 'check'>): ApprovalStep | undefined {
  const condition = buildElevationCheck(bound);
  const { elevation } = bound.target.action;
  if (condition === undefined || elevation === undefined || check(buildGateCheck(bound)).result !== 'no')
    return undefined;
  if (check(condition).result !== 'yes') return undefined;
  return { kind: 'elevation', permission: elevation.by, relation: elevation.relation, seconds: elevation.seconds };
}

/** The answers as they would be if the user held the relation. An answer that can't be told is none. */
export function assumeElevation(bound: BoundQuestion, { check }: Pick<Facts, 'check'>): Facts['check'] {
  const { acting, target, question, rules } = bound;
  const { elevation } = target.action;
  return (asked): CheckAnswer => {
    const answer = check(asked);
    const isOfUser = acting.user !== undefined && isSameRef(asked.subject, acting.user);
    if (elevation === undefined || !isOfUser || !isSameRef(asked.resource, question.resource)) return answer;
    const { type } = asked.resource;
    const { reachability } = rules.graph;
    if (reachability.isGivenBy(type, asked.permission, elevation.relation))
      return { result: 'yes', revision: 'revision' in answer ? answer.revision : '' };
    return reachability.reachesMember(type, asked.permission, type, elevation.relation) ? UNTOLD : answer;
  };
}

const UNTOLD: CheckAnswer = {
  result: 'unanswerable',
  message: 'It rests on more than the relation that is asked for.',
};
