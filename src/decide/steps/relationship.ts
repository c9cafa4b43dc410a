/** Step 4: does the user (in direct mode the agent) hold the permission on the resource? */
import { refText } from '../../model/ids.js';
import { deny, pass, unknown } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import type { ResourceLookup } from '../../graph/port.js';
import type { CheckAnswer } from '../../model/checks.js';
import type { AskedCheck } from '../../model/checks.js';
import type { FaultCode } from '../../model/faults.js';
import { withContext, type JudgingStep } from '../step.js';
import { type Established } from '../bound-question.js';
import { gate, resourceOf } from '../permission-checks.js';

export const relationship: JudgingStep = {
  step: 'relationship',

  asks: (e) => ({ checks: checksOf(e).map(({ check }) => withContext(e, check)) }),

  judge: (e, facts) => {
    const reasons: Reason[] = [];
    let fault: FaultCode | undefined;
    let evidence: Record<string, unknown> = { permission: e.on.action.permission };
    for (const { check, missing } of checksOf(e)) {
      const answer = facts.check(check);
      if (answer.result === 'unknown') fault ??= answer.fault;
      else if (answer.result !== 'yes') reasons.push(refusal(check, answer, missing));
      if (missing === 'agent_relationship_missing') {
        evidence = { ...evidence, agent_permission: check.permission };
        continue;
      }
      if ('revision' in answer) evidence = { ...evidence, revision: answer.revision };
      if (answer.result === 'yes' && answer.path !== undefined && answer.path.length > 0)
        evidence = { ...evidence, path: answer.path };
    }
    if (reasons.length > 0) return deny(reasons, evidence);
    return fault === undefined ? pass(evidence) : unknown(fault, evidence);
  },
};

interface Gate {
  readonly check: AskedCheck;
  readonly missing: 'relationship_missing' | 'agent_relationship_missing';
}

/** What to look up for all of the resource's type that the gate is held on. */
export type Reach = Omit<ResourceLookup, 'limit' | 'withinMs'>;

export function reach(e: Established): Reach {
  const { resource, permission, subject, context } = withContext(e, gate(e));
  return { resourceType: resource.type, permission, subject, context };
}

function checksOf(e: Established): Gate[] {
  const { acting, on, question } = e;
  const own: Gate = { check: gate(e), missing: 'relationship_missing' };
  if (on.action.agentPermission === undefined || acting.agent === undefined) return [own];
  const check = { resource: resourceOf(question), permission: on.action.agentPermission, subject: acting.agent };
  return [own, { check, missing: 'agent_relationship_missing' }];
}

function refusal(check: AskedCheck, answer: CheckAnswer, missing: Gate['missing']): Reason {
  const what = `${refText(check.subject)} does not hold "${check.permission}" on ${refText(check.resource)}`;
  if (answer.result === 'conditional')
    return reason('context_missing', `${what} without context: ${answer.missing.join(', ')}.`);
  if (answer.result === 'unanswerable') return reason('graph_unanswerable', answer.message);
  return reason(missing, `${what}.`);
}
