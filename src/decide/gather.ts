/** Gathering: everything that the judging steps want to know, asked of the engines at once. */
import { breathe } from '../runtime/yield.js';
import { faultOf, type Deadline } from '../runtime/deadline.js';
import type { FaultCode } from '../model/faults.js';
import type { Relationships } from '../graph/port.js';
import type { CheckAnswer } from '../model/checks.js';
import type { AskedCheck } from '../model/checks.js';
import type { Consistency } from '../model/checks.js';
import { refText, type EntityRef } from '../model/ids.js';
import { checkKey } from '../graph/relationship-text.js';
import { asksOf, factsOf, withThrough } from './facts.js';
import { passing } from './delegation-path.js';
import { delegationCheck } from './steps/delegation.js';
import type { Facts, JudgingStep } from './step.js';
import type { Established } from './bound-question.js';
import type { PassedOn } from '../model/delegation-path.js';
import type { Entities } from '../model/entities.js';
import type { KnownEntity } from '../model/entities.js';
import type { Revocations } from '../model/revocations.js';
import type { Observer } from '../telemetry/observer.js';

export interface Asked {
  readonly relationships: Relationships;
  readonly entities: Pick<Entities, 'lookup'>;
  readonly revocations: Revocations;
  readonly observer: Pick<Observer, 'cedar'>;
}

export interface Gathered {
  /** With the agents that the delegation came through, whether or not the token states them. */
  readonly established: Established;
  readonly facts: Facts;
}

/**
 * Of questions that one request asks, everything at once: what several of them want to know is asked once. They may
 * differ in their subject, action or resource, and have all else in common. One answer a question, in order.
 *
 * Never throws for an engine's failure: that is in the facts.
 * @param known answers that are there already, by the checks' keys
 */
export async function gather(
  steps: readonly JudgingStep[],
  asked: readonly Established[],
  using: Asked,
  deadline: Deadline,
  known: ReadonlyMap<string, CheckAnswer> = new Map(),
): Promise<readonly Gathered[]> {
  const asks = asked.map((one) => ({ one, asked: asksOf(steps, one) }));
  const checks = new Map<string, AskedCheck>();
  // The gate may also stand in `can`; the answer that carries the path is the one to ask for.
  for (const check of asks.flatMap((a) => a.asked.checks)) {
    const key = checkKey(check);
    if (!known.has(key) && (check.explain === true || !checks.has(key))) checks.set(key, check);
  }
  const [answered, entities] = await Promise.all([
    answers(checks, known, asked[0]?.question.consistency ?? 'full', using, deadline),
    lookUp(
      asks.flatMap((a) => a.asked.entities),
      using,
      deadline,
    ),
  ]);
  const check: Facts['check'] = (one) => answered.get(checkKey(one)) ?? UNASKED;
  const found = { check, entities, passing: new Map<string, Promise<PassedOn | undefined>>() };

  const gathered: Gathered[] = [];
  for (const { one, asked } of asks) {
    const { established, ...through } = await throughWhom(one, found, using, deadline);
    await breathe();
    const facts = using.observer.cedar(() => factsOf(established, { asked, check, ...through }));
    gathered.push({ established, facts });
  }
  return gathered;
}

/** For what nobody asked: a step that judges it has forgotten to. */
const UNASKED: CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

async function answers(
  checks: ReadonlyMap<string, AskedCheck>,
  known: ReadonlyMap<string, CheckAnswer>,
  consistency: Consistency,
  { relationships }: Asked,
  deadline: Deadline,
): Promise<ReadonlyMap<string, CheckAnswer>> {
  const all = await deadline.hold(relationships.check([...checks.values()], consistency)).catch(faultOf);
  const answered = new Map(known);
  for (const [i, key] of [...checks.keys()].entries()) {
    const answer: CheckAnswer | undefined = typeof all === 'string' ? { result: 'unknown', fault: all } : all[i];
    if (answer !== undefined) answered.set(key, answer);
  }
  return answered;
}

type Stored = Map<string, KnownEntity | undefined>;

/** With the agents that the delegation came through, and what is stored of them and of everybody else. */
async function throughWhom(
  asked: Established,
  found: {
    readonly check: Facts['check'];
    readonly entities: Stored | FaultCode;
    /** By the delegation: questions on the same one share the way that it was passed on. */
    readonly passing: Map<string, Promise<PassedOn | undefined>>;
  },
  using: Asked,
  deadline: Deadline,
): Promise<Pick<Gathered, 'established'> & Pick<Facts, 'entity' | 'entitiesFault' | 'passedOn'>> {
  const { acting } = asked;
  const edge = delegationCheck(acting);
  let passedOn: PassedOn | undefined;
  if (edge !== undefined && found.check(edge).result !== 'yes') {
    const key = checkKey(edge);
    const walk = found.passing.get(key) ?? deadline.hold(passing(asked, using)).catch(faulty);
    found.passing.set(key, walk);
    passedOn = await walk;
  }
  const through = passedOn?.kind === 'path' ? passedOn.through : [];
  const established = withThrough(asked, passedOn);
  const more = through.length === 0 ? new Map<string, undefined>() : await lookUp(through, using, deadline);

  const { entities } = found;
  const entitiesFault = [entities, more].find((stored) => typeof stored === 'string');
  const entity: Facts['entity'] = (ref) => {
    for (const stored of [entities, more])
      if (typeof stored !== 'string' && stored.has(refText(ref))) return stored.get(refText(ref));
    return undefined;
  };
  return { established, entity, entitiesFault, passedOn };
}

/** What is stored of each, by its text; or why the store can't say. */
async function lookUp(
  refs: readonly EntityRef[],
  { entities }: Asked,
  deadline: Deadline,
): Promise<Stored | FaultCode> {
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
