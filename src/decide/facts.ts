/** From what the engines answered to what the steps judge, Cedar included: without waiting, so it can be done again. */
import { askCedar, type CedarOutcomes, type CedarFacts } from './ask-cedar.js';
import { buildAgentCanChecks } from './permission-checks.js';
import { buildCanChecks } from './permission-checks.js';
import { buildGateCheck } from './permission-checks.js';
import type { CheckRequest } from '../model/checks.js';
import type { StepNeeds, Facts, JudgingStep } from './step.js';
import type { BoundQuestion } from './bound-question.js';
import type { DelegationPathResult } from '../model/delegation-path.js';

/** What all the steps want to know. */
export function collectNeeds(steps: readonly JudgingStep[], bound: BoundQuestion): Required<StepNeeds> {
  const asks = steps.map((step) => step.needs?.(bound) ?? {});
  return { checks: asks.flatMap((a) => a.checks ?? []), entities: asks.flatMap((a) => a.entities ?? []) };
}

/** With the agents that the delegation came through, whether or not the token states them. */
export function withIntermediaries(
  bound: BoundQuestion,
  delegationPath: DelegationPathResult | undefined,
): BoundQuestion {
  const { acting } = bound;
  if (acting.mode === 'human' || delegationPath?.kind !== 'path' || delegationPath.through.length === 0) return bound;
  return { ...bound, acting: { ...acting, chain: [...acting.chain, ...delegationPath.through] } };
}

/** Of what was found, what Cedar may hear of. */
export function collectCedarFacts(
  bound: BoundQuestion,
  { check, entity }: Pick<Facts, 'check' | 'entity'>,
): CedarFacts {
  const checkEach = (list: readonly CheckRequest[]): Record<string, boolean> =>
    Object.fromEntries(list.map((c) => [c.permission, check(c).result === 'yes']));
  return {
    entity,
    can: checkEach(buildCanChecks(bound)),
    agentCan: checkEach(buildAgentCanChecks(bound)),
    reachable: check(buildGateCheck(bound)).result === 'yes',
  };
}

/** Never throws for what an engine couldn't answer: that is in the facts. */
export function evaluateFacts(bound: BoundQuestion, found: Omit<Facts, 'cedar' | 'ends'>): Facts {
  const { needs: asked, check, entitiesFault, delegationPath } = found;
  const cedar: CedarOutcomes =
    entitiesFault === undefined
      ? askCedar(bound, collectCedarFacts(bound, found))
      : {
          acting: { kind: 'fault', fault: entitiesFault },
          chain: [],
          duties: { kind: 'fault', fault: entitiesFault },
        };
  const ends = asked.checks.flatMap((request) => {
    const answer = check(request);
    return answer.result === 'yes' && answer.until !== undefined ? [answer.until] : [];
  });
  if (delegationPath?.kind === 'path') ends.push(...delegationPath.ends);
  return { ...found, cedar, ends };
}
