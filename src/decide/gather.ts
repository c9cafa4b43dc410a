/** Gathering: everything that the judging steps want to know, asked of the engines at once. */
import { yieldToEventLoop } from '../runtime/yield.js';
import { engineFaultCode, type Deadline } from '../runtime/deadline.js';
import type { FaultCode } from '../model/faults.js';
import type { RelationshipGraph } from '../graph/port.js';
import type { CheckAnswer } from '../model/checks.js';
import type { CheckRequest } from '../model/checks.js';
import type { Consistency } from '../model/checks.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import { checkKey } from '../graph/relationship-text.js';
import { collectNeeds, evaluateFacts, withIntermediaries } from './facts.js';
import { findDelegationPath } from './delegation-path.js';
import { buildDelegationCheck } from './steps/delegation.js';
import type { Facts, JudgingStep } from './step.js';
import type { BoundQuestion } from './bound-question.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import type { Entities } from '../model/entities.js';
import type { EntityWithAncestors } from '../model/entities.js';
import type { Revocations } from '../model/revocations.js';
import type { DecisionObserver } from '../telemetry/observer.js';

export interface GatherDeps {
  readonly relationships: RelationshipGraph;
  readonly entities: Pick<Entities, 'lookup'>;
  readonly revocations: Revocations;
  readonly observer: Pick<DecisionObserver, 'cedar'>;
}

export interface GatheredFacts {
  /** With the agents that the delegation came through, whether or not the token states them. */
  readonly bound: BoundQuestion;
  readonly facts: Facts;
}

/**
 * Of questions that one request asks, everything at once: what several of them want to know is asked once. They may
 * differ in their subject, action or resource, and have all else in common. One answer a question, in order.
 *
 * Never throws for an engine's failure: that is in the facts.
 * @param priorAnswers answers that are there already, by the checks' keys
 */
export async function gatherFacts(
  steps: readonly JudgingStep[],
  asked: readonly BoundQuestion[],
  deps: GatherDeps,
  deadline: Deadline,
  priorAnswers: ReadonlyMap<string, CheckAnswer> = new Map(),
): Promise<readonly GatheredFacts[]> {
  const asks = asked.map((one) => ({ one, asked: collectNeeds(steps, one) }));
  const checks = new Map<string, CheckRequest>();
  // The gate may also stand in `can`; the answer that carries the path is the one to ask for.
  for (const check of asks.flatMap((a) => a.asked.checks)) {
    const key = checkKey(check);
    if (!priorAnswers.has(key) && (check.explain === true || !checks.has(key))) checks.set(key, check);
  }
  const [answered, entities] = await Promise.all([
    fetchAnswers(checks, priorAnswers, asked[0]?.question.consistency ?? 'full', deps, deadline),
    lookUpEntities(
      asks.flatMap((a) => a.asked.entities),
      deps,
      deadline,
    ),
  ]);
  const check: Facts['check'] = (one) => answered.get(checkKey(one)) ?? NOT_REQUESTED;
  const found = { check, entities, passing: new Map<string, Promise<DelegationPathResult | undefined>>() };

  const gathered: GatheredFacts[] = [];
  for (const { one, asked } of asks) {
    const { bound, ...through } = await resolveIntermediaries(one, found, deps, deadline);
    await yieldToEventLoop();
    const facts = deps.observer.cedar(() => evaluateFacts(bound, { needs: asked, check, ...through }));
    gathered.push({ bound, facts });
  }
  return gathered;
}

/** For what nobody asked: a step that judges it has forgotten to. */
const NOT_REQUESTED: CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

async function fetchAnswers(
  checks: ReadonlyMap<string, CheckRequest>,
  priorAnswers: ReadonlyMap<string, CheckAnswer>,
  consistency: Consistency,
  { relationships }: GatherDeps,
  deadline: Deadline,
): Promise<ReadonlyMap<string, CheckAnswer>> {
  const all = await deadline.race(relationships.check([...checks.values()], consistency)).catch(engineFaultCode);
  const answered = new Map(priorAnswers);
  for (const [i, key] of [...checks.keys()].entries()) {
    const answer: CheckAnswer | undefined = typeof all === 'string' ? { result: 'unknown', fault: all } : all[i];
    if (answer !== undefined) answered.set(key, answer);
  }
  return answered;
}

type EntityLookup = Map<string, EntityWithAncestors | undefined>;

/** With the agents that the delegation came through, and what is stored of them and of everybody else. */
async function resolveIntermediaries(
  asked: BoundQuestion,
  found: {
    readonly check: Facts['check'];
    readonly entities: EntityLookup | FaultCode;
    /** By the delegation: questions on the same one share the way that it was passed on. */
    readonly passing: Map<string, Promise<DelegationPathResult | undefined>>;
  },
  deps: GatherDeps,
  deadline: Deadline,
): Promise<Pick<GatheredFacts, 'bound'> & Pick<Facts, 'entity' | 'entitiesFault' | 'delegationPath'>> {
  const { acting } = asked;
  const edge = buildDelegationCheck(acting);
  let delegationPath: DelegationPathResult | undefined;
  if (edge !== undefined && found.check(edge).result !== 'yes') {
    const key = checkKey(edge);
    const search = found.passing.get(key) ?? deadline.race(findDelegationPath(asked, deps)).catch(toPathFault);
    found.passing.set(key, search);
    delegationPath = await search;
  }
  const through = delegationPath?.kind === 'path' ? delegationPath.through : [];
  const bound = withIntermediaries(asked, delegationPath);
  const intermediaries =
    through.length === 0 ? new Map<string, undefined>() : await lookUpEntities(through, deps, deadline);

  const { entities } = found;
  const entitiesFault = [entities, intermediaries].find((stored) => typeof stored === 'string');
  const entity: Facts['entity'] = (ref) => {
    for (const stored of [entities, intermediaries])
      if (typeof stored !== 'string' && stored.has(formatRef(ref))) return stored.get(formatRef(ref));
    return undefined;
  };
  return { bound, entity, entitiesFault, delegationPath };
}

/** What is stored of each, by its text; or why the store can't say. */
async function lookUpEntities(
  refs: readonly EntityRef[],
  { entities }: GatherDeps,
  deadline: Deadline,
): Promise<EntityLookup | FaultCode> {
  const unique = [...new Map(refs.map((ref) => [formatRef(ref), ref])).entries()];
  try {
    const found = await deadline.race(entities.lookup(unique.map(([, ref]) => ref)));
    return new Map(unique.map(([key], i) => [key, found[i]]));
  } catch (error) {
    return engineFaultCode(error);
  }
}

function toPathFault(error: unknown): DelegationPathResult {
  return { kind: 'fault', fault: engineFaultCode(error) };
}
