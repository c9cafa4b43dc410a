/** From what the engines answered to what the steps judge, Cedar included: without waiting, so it can be done again. */
import { consult, type Cedar, type ConsultFacts } from './ask-cedar.js';
import { agentCanChecks } from './permission-checks.js';
import { canChecks } from './permission-checks.js';
import { gate } from './permission-checks.js';
import type { AskedCheck } from '../model/checks.js';
import type { Asks, Facts, JudgingStep } from './step.js';
import type { Established } from './bound-question.js';
import type { PassedOn } from '../model/delegation-path.js';

/** What all the steps want to know. */
export function asksOf(steps: readonly JudgingStep[], established: Established): Required<Asks> {
  const asks = steps.map((step) => step.asks?.(established) ?? {});
  return { checks: asks.flatMap((a) => a.checks ?? []), entities: asks.flatMap((a) => a.entities ?? []) };
}

/** With the agents that the delegation came through, whether or not the token states them. */
export function withThrough(established: Established, passedOn: PassedOn | undefined): Established {
  if (passedOn?.kind !== 'path' || passedOn.through.length === 0) return established;
  const { acting } = established;
  return { ...established, acting: { ...acting, chain: [...acting.chain, ...passedOn.through] } };
}

/** Of what was found, what Cedar may hear of. */
export function consultFacts(
  established: Established,
  { check, entity }: Pick<Facts, 'check' | 'entity'>,
): ConsultFacts {
  const held = (list: readonly AskedCheck[]): Record<string, boolean> =>
    Object.fromEntries(list.map((c) => [c.permission, check(c).result === 'yes']));
  return {
    entity,
    can: held(canChecks(established)),
    agentCan: held(agentCanChecks(established)),
    reachable: check(gate(established)).result === 'yes',
  };
}

/** Never throws for what an engine couldn't answer: that is in the facts. */
export function factsOf(established: Established, found: Omit<Facts, 'cedar' | 'ends'>): Facts {
  const { asked, check, entitiesFault, passedOn } = found;
  const cedar: Cedar =
    entitiesFault === undefined
      ? consult(established, consultFacts(established, found))
      : {
          acting: { kind: 'fault', fault: entitiesFault },
          chain: [],
          duties: { kind: 'fault', fault: entitiesFault },
        };
  const ends = asked.checks.flatMap((one) => {
    const answer = check(one);
    return answer.result === 'yes' && answer.until !== undefined ? [answer.until] : [];
  });
  if (passedOn?.kind === 'path') ends.push(...passedOn.ends);
  return { ...found, cedar, ends };
}
