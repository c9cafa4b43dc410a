/**
 * Step 6: does Cedar permit it, with no forbid and no error of evaluation? Asked for the agent (in human mode the
 * user), and once more for each earlier agent of the chain, of whom only forbids count.
 */
import { principal } from '../../model/acting.js';
import { refText } from '../../model/ids.js';
import { deny, pass, unknown } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import type { Policy } from '../../policy/policies.js';
import type { Remedy } from '../../model/remedies.js';
import type { FaultCode } from '../../model/faults.js';
import { withContext, type JudgingStep } from '../step.js';
import { agentCanChecks, canChecks } from '../permission-checks.js';
import { cite, read } from '../cedar-outcome.js';

export const policy: JudgingStep = {
  step: 'policy',

  asks: (e) => ({
    checks: [...canChecks(e), ...agentCanChecks(e)].map((check) => withContext(e, check)),
    entities: [
      principal(e.acting),
      e.question.resource,
      ...e.acting.chain,
      // For the context's `user`, and for calling people by their names.
      ...(e.acting.user === undefined ? [] : [e.acting.user]),
    ],
  }),

  judge: (e, facts) => {
    const { policies } = e.rules;
    const reasons: Reason[] = [];
    const remedies: Remedy[] = [];
    const faults: FaultCode[] = [];
    const forbidding = new Set<string>();
    let remediable = false;
    let permitting: readonly string[] = [];

    for (const check of [...canChecks(e), ...agentCanChecks(e)]) {
      const answer = facts.check(check);
      if (answer.result === 'unknown') faults.push(answer.fault);
      if (answer.result === 'unanswerable')
        reasons.push({ ...reason('graph_unanswerable', answer.message), step: 'policy' });
      if (answer.result === 'conditional') {
        reasons.push({
          ...reason('context_missing', `"${check.permission}" needs context: ${answer.missing.join(', ')}.`),
          step: 'policy',
        });
      }
    }
    if (facts.entitiesFault !== undefined) faults.push(facts.entitiesFault);
    if (faults.length === 0 && reasons.length === 0) {
      const acting = read(facts.cedar.acting, reasons, faults);
      if (acting !== undefined) {
        if (acting.decision === 'allow') permitting = acting.determining;
        else if (acting.determining.length > 0) acting.determining.forEach((id) => forbidding.add(id));
        else if (acting.errors.length === 0) reasons.push(reason('policy_no_permit'));
      }
      for (const { agent, consulted } of facts.cedar.chain) {
        const earlier = read(consulted, reasons, faults, ` for ${refText(agent)}`);
        if (earlier?.decision === 'deny') earlier.determining.forEach((id) => forbidding.add(id));
      }
    }
    if (forbidding.size > 0) {
      const named = [...forbidding].sort().flatMap((id) => policies.get(id) ?? []);
      reasons.unshift(
        reason(
          'policy_forbid',
          named.map(spoken).join(' '),
          named.map((p) => p.id),
        ),
      );
      remedies.push(...named.flatMap((p) => p.remedies));
      remediable = reasons.length === 1 && named.every((p) => p.remedies.length > 0);
    }
    const evidence = {
      ...(permitting.length === 0 ? {} : { permitted_by: cite(permitting, policies) }),
      ...(forbidding.size === 0 ? {} : { forbidden_by: cite([...forbidding].sort(), policies) }),
    };
    if (reasons.length > 0) return deny(reasons, evidence, remedies, remediable);
    return faults[0] === undefined ? pass(evidence) : unknown(faults[0], evidence);
  },
};

function spoken(policy: Policy): string {
  return policy.title ?? policy.id;
}
