/** Gathering: everything that the judging steps want to know, asked of the engines at once. */
import { breathe } from './breathe.js';
import { faultOf, type Deadline } from './deadline.js';
import type { FaultCode } from './model/faults.js';
import type { AskedCheck, CheckAnswer, Relationships } from './engines/spicedb/port.js';
import { refText, type EntityRef } from './model/ids.js';
import { checkKey } from './model/relationships.js';
import { consult, type Cedar } from './steps/consult.js';
import { passing } from './passing.js';
import { delegationCheck } from './steps/delegation.js';
import { agentCanChecks, canChecks } from './steps/policy.js';
import { gate } from './steps/relationship.js';
import type { Established, Facts, JudgingStep, PassedOn } from './steps/step.js';
import type { Entities, KnownEntity } from './stores/entities.js';
import type { Revocations } from './stores/revocations.js';

export interface Asked {
  readonly relationships: Relationships;
  readonly entities: Entities;
  readonly revocations: Revocations;
}

export interface Gathered {
  /** With the agents that the delegation came through, whether or not the token states them. */
  readonly established: Established;
  readonly facts: Facts;
}

/** Never throws for an engine's failure: that is in the facts. */
export async function gather(
  steps: readonly JudgingStep[],
  asked: Established,
  using: Asked,
  deadline: Deadline,
): Promise<Gathered> {
  const asks = steps.map((step) => step.asks?.(asked) ?? {});
  const checks = asks.flatMap((a) => a.checks ?? []);
  const [answers, entities] = await Promise.all([
    deadline
      .hold(using.relationships.check(checks, asked.question.consistency))
      .catch((error: unknown) => faultOf(error)),
    lookUp(
      asks.flatMap((a) => a.entities ?? []),
      using,
      deadline,
    ),
  ]);
  const answered = new Map<string, CheckAnswer>();
  for (const [i, check] of checks.entries()) {
    const answer: CheckAnswer | undefined =
      typeof answers === 'string' ? { result: 'unknown', fault: answers } : answers[i];
    // The gate may also stand in `can`; the answer that carries the path is the one to keep.
    if (answer !== undefined && (check.explain === true || !answered.has(checkKey(check))))
      answered.set(checkKey(check), answer);
  }
  const check: Facts['check'] = (one) =>
    answered.get(checkKey(one)) ?? { result: 'unknown', fault: 'relationships_unavailable' };

  const edge = delegationCheck(asked.acting);
  const direct = edge === undefined || check(edge).result === 'yes';
  const passedOn = direct ? undefined : await deadline.hold(passing(asked, using)).catch(faulty);
  const through = passedOn?.kind === 'path' ? passedOn.through : [];
  const { acting } = asked;
  const established =
    through.length === 0 ? asked : { ...asked, acting: { ...acting, chain: [...acting.chain, ...through] } };
  const more = through.length === 0 ? new Map<string, undefined>() : await lookUp(through, using, deadline);

  const entitiesFault = [entities, more].find((found) => typeof found === 'string');
  const entity: Facts['entity'] = (ref) => {
    for (const found of [entities, more])
      if (typeof found !== 'string' && found.has(refText(ref))) return found.get(refText(ref));
    return undefined;
  };
  const held = (list: readonly AskedCheck[]): Record<string, boolean> =>
    Object.fromEntries(list.map((one) => [one.permission, check(one).result === 'yes']));
  await breathe();
  const cedar: Cedar =
    entitiesFault === undefined
      ? consult(established, {
          entity,
          can: held(canChecks(established)),
          agentCan: held(agentCanChecks(established)),
          reachable: check(gate(established)).result === 'yes',
        })
      : { acting: { kind: 'fault', fault: entitiesFault }, chain: [], duties: { kind: 'fault', fault: entitiesFault } };
  const ends = [...answered.values()].flatMap((a) => (a.result === 'yes' && a.until !== undefined ? [a.until] : []));
  if (passedOn?.kind === 'path') ends.push(...passedOn.ends);
  return { established, facts: { check, entity, entitiesFault, passedOn, cedar, ends } };
}

/** What is stored of each, by its text; or why the store can't say. */
async function lookUp(
  refs: readonly EntityRef[],
  { entities }: Asked,
  deadline: Deadline,
): Promise<Map<string, KnownEntity | undefined> | FaultCode> {
  const unique = [...new Map(refs.map((ref) => [refText(ref), ref])).entries()];
  try {
    const found = await deadline.hold(entities.lookup(unique.map(([, ref]) => ref)));
    return new Map(unique.map(([key], i) => [key, found[i]]));
  } catch (error) {
    return faultOf(error);
  }
}

function faulty(error: unknown): PassedOn {
  return { kind: 'fault', fault: faultOf(error) };
}
