/**
 * Step 6: does Cedar permit it, with no forbid and no error of evaluation? Asked for the agent (in human mode the
 * user), and once more for each earlier agent of the chain, of whom only forbids count.
 */
import { cedarPrincipal } from '../../model/acting.js';
import { formatRef } from '../../model/ids.js';
import { deny, pass, unknown } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import type { Policy } from '../../policy/policies.js';
import type { Remedy } from '../../model/remedies.js';
import type { FaultCode } from '../../model/faults.js';
import { withCaveatContext, type JudgingStep } from '../step.js';
import { buildAgentCanChecks, buildCanChecks } from '../permission-checks.js';
import { citePolicies, readCedarAnswer } from '../cedar-outcome.js';

export const policyStep: JudgingStep = {
  step: 'policy',

  needs: (bound) => ({
    checks: [...buildCanChecks(bound), ...buildAgentCanChecks(bound)].map((check) => withCaveatContext(bound, check)),
    entities: [
      cedarPrincipal(bound.acting),
      bound.question.resource,
      ...bound.acting.chain,
      // For the context's `user`, and for calling people by their names.
      ...(bound.acting.user === undefined ? [] : [bound.acting.user]),
    ],
  }),

  judge: (bound, facts) => {
    const { policies } = bound.rules;
    const reasons: Reason[] = [];
    const remedies: Remedy[] = [];
    const faults: FaultCode[] = [];
    const forbidding = new Set<string>();
    let remediable = false;
    let permitting: readonly string[] = [];

    for (const check of [...buildCanChecks(bound), ...buildAgentCanChecks(bound)]) {
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
      const acting = readCedarAnswer(facts.cedar.acting, reasons, faults);
      if (acting !== undefined) {
        if (acting.decision === 'allow') permitting = acting.determining;
        else if (acting.determining.length > 0) acting.determining.forEach((id) => forbidding.add(id));
        else if (acting.errors.length === 0) reasons.push(reason('policy_no_permit'));
      }
      for (const { agent, outcome } of facts.cedar.chain) {
        const earlierAnswer = readCedarAnswer(outcome, reasons, faults, ` for ${formatRef(agent)}`);
        if (earlierAnswer?.decision === 'deny') earlierAnswer.determining.forEach((id) => forbidding.add(id));
      }
    }
    if (forbidding.size > 0) {
      const forbiddingPolicies = [...forbidding].sort().flatMap((id) => policies.get(id) ?? []);
      reasons.unshift(
        reason(
          'policy_forbid',
          forbiddingPolicies.map(getPolicyLabel).join(' '),
          forbiddingPolicies.map((p) => p.id),
        ),
      );
      remedies.push(...forbiddingPolicies.flatMap((p) => p.remedies));
      remediable = reasons.length === 1 && forbiddingPolicies.every((p) => p.remedies.length > 0);
    }
    const evidence = {
      ...(permitting.length === 0 ? {} : { permitted_by: citePolicies(permitting, policies) }),
      ...(forbidding.size === 0 ? {} : { forbidden_by: citePolicies([...forbidding].sort(), policies) }),
    };
    if (reasons.length > 0) return deny(reasons, evidence, remedies, remediable);
    return faults[0] === undefined ? pass(evidence) : unknown(faults[0], evidence);
  },
};

function getPolicyLabel(policy: Policy): string {
  return policy.title ?? policy.id;
}
