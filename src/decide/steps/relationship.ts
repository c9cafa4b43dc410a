/** Step 4: does the user (in direct mode the agent) hold the permission on the resource? */
import { describeRef } from '../../model/ids.js';
import { deny, pass, unknown } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import type { ResourceLookup } from '../../graph/port.js';
import type { CheckAnswer, CheckRequest } from '../../model/checks.js';
import type { FaultCode } from '../../model/faults.js';
import { type JudgingStep } from '../step.js';
import { withCaveatContext } from '../permission-checks.js';
import type { BoundQuestion } from '../bound-question.js';
import { buildElevationCheck } from '../elevation.js';
import { buildGateCheck, toResourceRef } from '../permission-checks.js';

export const relationshipStep: JudgingStep = {
  step: 'relationship',

  needs: (bound) => ({
    checks: [...listGates(bound).map(({ check }) => withCaveatContext(bound, check)), ...listElevationChecks(bound)],
  }),

  judge: (bound, facts) => {
    const reasons: Reason[] = [];
    let fault: FaultCode | undefined;
    let evidence: Record<string, unknown> = { permission: bound.target.action.permission };
    for (const { check, missing } of listGates(bound)) {
      const answer = facts.check(check);
      if (answer.result === 'unknown') fault ??= answer.fault;
      else if (answer.result !== 'yes') reasons.push(gateDenialReason(check, answer, missing));
      if (missing === 'agent_relationship_missing') {
        evidence = { ...evidence, agent_permission: check.permission };
        continue;
      }
      if ('revision' in answer) evidence = { ...evidence, revision: answer.revision };
      if (answer.result === 'yes' && answer.path !== undefined)
        evidence = { ...evidence, ...describeGrantingPath(check, answer.path, bound) };
    }
    if (reasons.length > 0) return deny(reasons, evidence);
    return fault === undefined ? pass(evidence) : unknown(fault, evidence);
  },
};

function listElevationChecks(bound: BoundQuestion): CheckRequest[] {
  const check = buildElevationCheck(bound);
  return check === undefined ? [] : [check];
}

/** The path, or the reason that there is none where a caveat may decide: SpiceDB then doesn't say which relationship grants. */
function describeGrantingPath(
  { resource, permission }: CheckRequest,
  path: readonly string[],
  { rules }: BoundQuestion,
): object {
  if (path.length > 0) return { path };
  return rules.graph.reachability.reachesCaveat(resource.type, permission)
    ? { path_unknown: 'a caveat decides, which leaves open over which relationships' }
    : {};
}

/** A permission that must be held, and the reason where it isn't. */
interface PermissionGate {
  readonly check: CheckRequest;
  readonly missing: 'relationship_missing' | 'agent_relationship_missing';
}

/** A lookup of all resources of the question's type on which the gate is held. */
export type GateLookup = Omit<ResourceLookup, 'limit' | 'withinMs'>;

export function buildGateLookup(bound: BoundQuestion): GateLookup {
  return toResourceLookup(withCaveatContext(bound, buildGateCheck(bound)));
}

/** The lookup of all resources of which the check, asked for one, is a yes. */
export function toResourceLookup({ resource, permission, subject, context }: CheckRequest): GateLookup {
  return { resourceType: resource.type, permission, subject, context };
}

/** The gate, and the permission that the action asks of the agent as well. */
function listGates(bound: BoundQuestion): PermissionGate[] {
  const { acting, target, question } = bound;
  const userGate: PermissionGate = { check: buildGateCheck(bound), missing: 'relationship_missing' };
  if (target.action.agentPermission === undefined || acting.agent === undefined) return [userGate];
  const check = { resource: toResourceRef(question), permission: target.action.agentPermission, subject: acting.agent };
  return [userGate, { check, missing: 'agent_relationship_missing' }];
}

function gateDenialReason(check: CheckRequest, answer: CheckAnswer, missing: PermissionGate['missing']): Reason {
  const statement = `${describeRef(check.subject)} does not hold "${check.permission}" on ${describeRef(check.resource)}`;
  if (answer.result === 'conditional')
    return reason('relationship', 'context_missing', `${statement} without context: ${answer.missing.join(', ')}.`);
  if (answer.result === 'unanswerable') return reason('relationship', 'graph_unanswerable', answer.message);
  return reason('relationship', missing, `${statement}.`);
}
