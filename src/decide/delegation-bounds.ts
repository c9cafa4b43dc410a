/** Judges what narrows the links of a delegation: each must leave room for the question. */
import { findDelegationProblem } from '../govern/delegation-bounds.js';
import { delegationKey, listAccesses, type DelegationBounds } from '../model/delegations.js';
import type { FaultCode } from '../model/faults.js';
import { describeRef, isSameRef } from '../model/ids.js';
import { reason, type Reason, type ReasonCodeOf } from '../model/reasons.js';
import type { BoundQuestion } from './bound-question.js';
import { buildCoverageRequest } from './coverage-request.js';
import { listDelegationLinks, listPassingAgents } from './delegation-links.js';
import type { Facts } from './step.js';

/**
 * Adds to `evidence` the links that are narrowed, and to `reasons` what they rule out; returns the fault of what could not
 * be read or answered.
 */
export function judgeDelegationBounds(
  bound: BoundQuestion,
  facts: Facts,
  evidence: Record<string, unknown>,
  reasons: Reason[],
): FaultCode | undefined {
  const { acting, now } = bound;
  if (acting.mode !== 'delegated') return undefined;
  if (facts.delegationsFault !== undefined) return facts.delegationsFault;
  const links = listDelegationLinks(bound, facts.delegationPath);
  const request = buildCoverageRequest(bound, facts);
  const narrowing: object[] = [];
  let fault: FaultCode | undefined;
  for (const link of links) {
    const state = facts.delegation(link);
    const problem = findDelegationProblem(state, request, now, delegationKey(link));
    if (state?.state === 'given') narrowing.push(describeBounds(delegationKey(link), state));
    if (problem === undefined) continue;
    if ('fault' in problem) fault ??= problem.fault;
    else
      reasons.push({
        ...reason('delegation', problem.code, problem.message),
        ...tellWhose(problem.code),
        ...(problem.unstated === true ? { unstated: true } : {}),
      });
  }
  for (const agent of listPassingAgents(acting, facts.delegationPath)) {
    const state = facts.delegation({ giver: acting.user, agent });
    if (state === undefined || (state.state === 'given' && state.bars !== true)) continue;
    const why = isSameRef(agent, acting.agent)
      ? 'so no delegation is passed on to it'
      : 'so nothing that comes through it counts';
    const message = `${describeRef(acting.user)} has stopped ${describeRef(agent)}, ${why}.`;
    reasons.push(reason('delegation', 'delegation_missing', message));
  }
  if (narrowing.length > 0) evidence['narrowed_by'] = narrowing;
  return fault;
}

/** The catalogue speaks of the token, whose details these are not. */
function tellWhose(code: ReasonCodeOf<'delegation'>): Pick<Reason, 'people'> {
  return code === 'authorization_details_mismatch' ? { people: 'What was delegated does not cover this.' } : {};
}

/** The bounds without the details themselves, which may be long: they are on record. */
function describeBounds(delegation: string, bounds: DelegationBounds): object {
  const { ends, details, limits } = bounds;
  return {
    delegation,
    ...(ends === undefined ? {} : { ends }),
    access: listAccesses(bounds),
    ...(details === undefined ? {} : { details: details.length }),
    ...(limits === undefined ? {} : { limits: limits.length }),
  };
}
