/**
 * Step 6: does Cedar permit it, with no forbid and no error of evaluation? Cedar is asked for the agent (in human mode
 * the user), and once more for each earlier agent of the chain, whose permits don't count: only its forbids do.
 */
import { listHistoryQueries } from '../../govern/history/queries.js';
import type { FaultCode } from '../../model/faults.js';
import { describeRef } from '../../model/ids.js';
import { deny, pass, unknown, type StepOutcome } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import { readsAny } from '../../policy/certain-answer.js';
import type { Policy } from '../../policy/policies.js';
import type { BoundQuestion } from '../bound-question.js';
import { listOwnEntities, listReferenceNeeds } from '../entity-needs.js';
import { citePolicies, readCedarAnswer } from '../cedar-outcome.js';
import { buildAgentCanChecks, buildCanChecks } from '../permission-checks.js';
import { type Facts, type JudgingStep } from '../step.js';
import { withCaveatContext } from '../permission-checks.js';

export const policyStep: JudgingStep = {
  step: 'policy',

  needs: (bound) => ({
    checks: listContextChecks(bound).map((check) => withCaveatContext(bound, check)),
    entities: [...listOwnEntities(bound), ...listReferenceNeeds(bound)],
    history: listHistoryQueries(bound).map(({ query }) => query),
  }),

  judge: judgePolicies,
};

/** The facts that policies are judged by. */
export type PolicyFacts = Pick<Facts, 'check' | 'entitiesFault' | 'cedar'>;

export function judgePolicies(bound: BoundQuestion, facts: PolicyFacts): StepOutcome {
  const { policies } = bound.rules;
  const reasons: Reason[] = [];
  const faults: FaultCode[] = [];
  const uncertain = judgeContextChecks(bound, facts, reasons, faults);
  if (facts.entitiesFault !== undefined) faults.push(facts.entitiesFault);
  const { permitting, forbidding } =
    faults.length > 0
      ? NOT_ASKED
      : uncertain.length > 0
        ? { permitting: [], forbidding: listCertainForbids(bound, facts, uncertain) }
        : judgeAnswers(facts, reasons, faults);

  const evidence = {
    ...(permitting.length === 0 ? {} : { permitted_by: citePolicies(permitting, policies) }),
    ...(forbidding.length === 0 ? {} : { forbidden_by: citePolicies(forbidding, policies) }),
  };
  const forbids = forbidding.flatMap((id) => policies.get(id) ?? []);
  if (forbidding.length > 0) {
    const ids = forbids.map(({ id }) => id);
    reasons.unshift(reason('policy', 'policy_forbid', forbids.map(getPolicyLabel).join(' '), ids));
  }
  if (reasons.length > 0) {
    const remedies = forbids.flatMap((forbid) => forbid.remedies);
    return deny(reasons, evidence, remedies);
  }
  return faults[0] === undefined ? pass(evidence) : unknown(faults[0], evidence);
}

const LATE_MESSAGE = 'whether what was in the way has expired can not be told: SpiceDB may answer from its cache';

/** The checks whose answers are members of Cedar's context: `can` and `agent_can`. */
function listContextChecks(bound: BoundQuestion): ReturnType<typeof buildCanChecks> {
  return [...buildCanChecks(bound), ...buildAgentCanChecks(bound)];
}

/**
 * Adds what the checks lack that Cedar's context is made of. Returns the members of the context that aren't known for it:
 * then Cedar's answer holds for those policies alone that don't read them.
 */
function judgeContextChecks(
  bound: BoundQuestion,
  facts: PolicyFacts,
  reasons: Reason[],
  faults: FaultCode[],
): string[] {
  const uncertain: string[] = [];
  for (const check of listContextChecks(bound)) {
    const answer = facts.check(check);
    // A gate that says no too long denies; a policy may allow by a no.
    const mayBeLate = answer.result === 'no' && answer.mayBeLate === true;
    if (answer.result === 'unanswerable' || answer.result === 'conditional' || mayBeLate)
      uncertain.push(`context.can.${check.permission}`, `context.agent_can.${check.permission}`);
    if (answer.result === 'unknown') faults.push(answer.fault);
    if (answer.result === 'unanswerable') reasons.push(reason('policy', 'graph_unanswerable', answer.message));
    if (mayBeLate) reasons.push(reason('policy', 'graph_unanswerable', LATE_MESSAGE));
    if (answer.result === 'conditional') {
      const message = `"${check.permission}" needs context: ${answer.missing.join(', ')}.`;
      reasons.push(reason('policy', 'context_missing', message));
    }
  }
  return uncertain;
}

/** Ids of the policies that decide, the forbidding ones in order. */
interface DecidingPolicies {
  readonly permitting: readonly string[];
  readonly forbidding: readonly string[];
}

const NOT_ASKED: DecidingPolicies = { permitting: [], forbidding: [] };

function judgeAnswers({ cedar }: PolicyFacts, reasons: Reason[], faults: FaultCode[]): DecidingPolicies {
  const forbidding = new Set<string>();
  let permitting: readonly string[] = [];
  const answer = readCedarAnswer('policy', cedar.acting, reasons, faults);
  if (answer !== undefined) {
    if (answer.decision === 'allow') permitting = answer.determining;
    else if (answer.determining.length > 0) answer.determining.forEach((id) => forbidding.add(id));
    else if (answer.errors.length === 0) reasons.push(reason('policy', 'policy_no_permit'));
  }
  if (cedar.acting.kind === 'missing' && cedar.acting.certain.permitsNothing)
    reasons.push(reason('policy', 'policy_no_permit'));
  for (const outcome of [cedar.acting, ...cedar.chain.map(({ outcome }) => outcome)])
    if (outcome.kind === 'missing') outcome.certain.forbidding.forEach((id) => forbidding.add(id));
  for (const { agent, outcome } of cedar.chain) {
    const earlierAnswer = readCedarAnswer('policy', outcome, reasons, faults, ` for ${describeRef(agent)}`);
    if (earlierAnswer?.decision === 'deny') earlierAnswer.determining.forEach((id) => forbidding.add(id));
  }
  return { permitting, forbidding: [...forbidding].sort() };
}

/** The forbids that apply whatever the uncertain members of the context are, in order. */
function listCertainForbids(bound: BoundQuestion, { cedar }: PolicyFacts, uncertain: readonly string[]): string[] {
  const ids = [cedar.acting, ...cedar.chain.map(({ outcome }) => outcome)].flatMap((outcome) => {
    if (outcome.kind === 'missing') return outcome.certain.forbidding;
    return outcome.kind === 'answer' && outcome.answer.decision === 'deny' ? outcome.answer.determining : [];
  });
  const isCertain = (id: string): boolean => {
    const policy = bound.rules.policies.get(id);
    return policy !== undefined && !readsAny(policy, uncertain, bound);
  };
  return [...new Set(ids)].filter(isCertain).sort();
}

/** A policy as messages call it. */
function getPolicyLabel(policy: Policy): string {
  return policy.title ?? policy.id;
}
