/**
 * Fetches what the judging steps need from the engines, in one round and at one revision of the graph: decide.ts for a
 * question, lists for many at once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkKey } from '../graph/relationship-text.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import type { ActingParties } from '../model/acting.js';
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import { consentKey, type ConsentMap, type ConsentNeed, type Consents } from '../model/consents.js';
import { delegationKey, type DelegationMap, type DelegationPair, type Delegations } from '../model/delegations.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import type { Entities, EntityMap, EntityNeed } from '../model/entities.js';
import { Fault, type FaultCode } from '../model/faults.js';
import { planCharges } from '../govern/limits/charges.js';
import { formatRef } from '../model/ids.js';
import type { LimitUses } from '../model/limits.js';
import type { Revocations } from '../model/revocations.js';
import { readHostClock } from '../runtime/clock.js';
import { engineFaultCode, type Deadline } from '../runtime/deadline.js';
import { yieldToEventLoop } from '../runtime/yield.js';
import type { DecisionObserver } from '../telemetry/observer.js';
import type { BoundQuestion } from './bound-question.js';
import { listConsentChecks, selectConsents } from './consent-facts.js';
import { findDelegationPath } from './delegation-path.js';
import { listReferenceNeeds } from './entity-needs.js';
import { evaluateFacts, withIntermediaries } from './facts.js';
import type { Facts, StepNeeds } from './step.js';
import { buildDelegationCheck, listDelegationChecks, listDelegationPairs } from './delegation-links.js';

export interface GatherDeps {
  readonly entities: Pick<Entities, 'fetch'>;
  readonly consents: Consents;
  readonly delegations: Delegations;
  readonly revocations: Revocations;
  readonly limits: LimitUses;
  readonly observer: Pick<DecisionObserver, 'cedar'>;
}

/** The engines' answers for all questions of one request. */
export interface EngineAnswers {
  /** The graph, at the revision of the checks' answers. */
  readonly graph: GraphSnapshot;
  readonly check: Facts['check'];
  readonly entities: EntityMap | FaultCode;
  readonly delegations: DelegationMap | FaultCode;
  readonly limits: Facts['limits'];
  readonly consents: ConsentMap | FaultCode;
  /** Searches by the key of the delegation's check: questions on one delegation share the search. */
  readonly delegationPaths: Map<string, Promise<DelegationPathResult | undefined>>;
  /** Asks all of the checks anew, at the same revision; the questions of the request share the answers. */
  readonly renew: () => Promise<EngineAnswers>;
}

export interface GatheredFacts {
  /** The question, with the agents that the delegation came through in its chain. */
  readonly bound: BoundQuestion;
  readonly facts: Facts;
}

/**
 * Asks the engines for what the questions of one request need; what several of them need is asked once. Never throws for
 * an engine's failure: that is in the answers.
 * @param needs those of each question
 * @param graph everything is asked of it
 * @param priorAnswers answers of it to checks that have been asked already, by the checks' keys
 */
export async function fetchEngineAnswers(
  needs: readonly Required<StepNeeds>[],
  graph: GraphSnapshot,
  deps: GatherDeps,
  deadline: Deadline,
  priorAnswers: ReadonlyMap<string, CheckAnswer> = new Map(),
): Promise<EngineAnswers> {
  const checks = new Map<string, CheckRequest>();
  for (const check of needs.flatMap((need) => need.checks)) {
    const key = checkKey(check);
    // The gate may also be a member of `can`: then the check that asks for the path is sent.
    if (check.explain === true || !checks.has(key)) checks.set(key, check);
  }
  const unasked = new Map([...checks].filter(([key]) => !priorAnswers.has(key)));
  const [fetched, entities, delegations, limits, consents] = await Promise.all([
    fetchChecks(unasked, graph, deadline),
    fetchEntities(
      needs.flatMap((need) => need.entities),
      deps,
      deadline,
    ),
    fetchDelegations(
      needs.flatMap((need) => need.delegations),
      deps,
      deadline,
    ),
    fetchLimits(needs, deps, deadline),
    fetchConsents(
      needs.flatMap((need) => need.consents),
      deps,
      deadline,
    ),
  ]);
  const toAnswers = (answers: ReadonlyMap<string, CheckAnswer>): EngineAnswers => {
    let renewed: Promise<EngineAnswers> | undefined;
    return {
      graph,
      check: (check) => answers.get(checkKey(check)) ?? NOT_REQUESTED,
      entities,
      delegations,
      limits,
      consents,
      delegationPaths: new Map(),
      renew: () => (renewed ??= fetchChecks(checks, graph, deadline).then(toAnswers)),
    };
  };
  return toAnswers(new Map([...priorAnswers, ...fetched]));
}

/**
 * The most times that the graph is asked while its answers end one after the other; then the question can't be decided.
 */
const MAX_SETTLING_ATTEMPTS = 4;
const SETTLING_PAUSE_MS = 20;
/** The most that the clock SpiceDB reads may differ from this process's, on one host. */
const HOST_CLOCK_SLACK_MS = 5;

/** The answer to a check that no step has named among its needs, or whose answers never settled. */
const NOT_REQUESTED: CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

async function fetchChecks(
  checks: ReadonlyMap<string, CheckRequest>,
  graph: GraphSnapshot,
  deadline: Deadline,
): Promise<ReadonlyMap<string, CheckAnswer>> {
  const answers = await deadline.race(graph.check([...checks.values()])).catch(engineFaultCode);
  const byKey = new Map<string, CheckAnswer>();
  for (const [i, key] of [...checks.keys()].entries()) {
    const answer: CheckAnswer | undefined =
      typeof answers === 'string' ? { result: 'unknown', fault: answers } : answers[i];
    if (answer !== undefined) byKey.set(key, answer);
  }
  return byKey;
}

/** Makes the facts of one question out of the engines' answers, and asks Cedar. Never throws for an engine's failure. */
export async function gatherFacts(
  question: BoundQuestion,
  needs: Required<StepNeeds>,
  answers: EngineAnswers,
  deps: GatherDeps,
  deadline: Deadline,
): Promise<GatheredFacts> {
  // Nothing is waited for where the answers stand as they are: lists gather a thousand of them.
  const { delegationPath, ...settled } =
    takeSettledAnswers(question, needs, answers) ??
    (await settleGraphAnswers(question, needs, answers, deps, deadline));
  const bound = withIntermediaries(question, delegationPath);
  const intermediaries = delegationPath?.kind === 'path' ? delegationPath.through : [];
  const [furtherEntities, limits] =
    intermediaries.length === 0
      ? [undefined, needs.charges.length === 0 && needs.retry === undefined ? undefined : answers.limits]
      : await Promise.all([
          fetchEntities([...intermediaries, ...listReferenceNeeds(bound)], deps, deadline),
          fetchLimits([{ charges: planCharges(bound).charges, retry: needs.retry }], deps, deadline),
        ]);
  const lookups = [answers.entities, ...(furtherEntities === undefined ? [] : [furtherEntities])];
  const entitiesFault = lookups.find((lookup) => typeof lookup === 'string');
  const entity: Facts['entity'] = (ref) => {
    const text = formatRef(ref);
    for (const lookup of lookups) if (typeof lookup !== 'string' && lookup.has(text)) return lookup.get(text);
    if (entitiesFault !== undefined) return undefined;
    // An entity that wasn't looked up may be stored all the same: to take it as absent could lose a forbid.
    throw new Fault('database_unavailable', `${text} was not fetched`);
  };
  await yieldToEventLoop();
  const facts = deps.observer.cedar(() =>
    evaluateFacts(bound, { ...settled, entity, entitiesFault, delegationPath, limits }),
  );
  return { bound, facts };
}

type GraphFacts = Pick<Facts, 'needs' | 'check' | 'delegationPath' | 'delegation' | 'delegationsFault' | 'consents'>;

/** The answers as they are, where the user has delegated directly, nothing else is to be asked, and none has ended. */
function takeSettledAnswers(
  question: BoundQuestion,
  needs: Required<StepNeeds>,
  { check, delegations, consents: read }: EngineAnswers,
): GraphFacts | undefined {
  if (!isDirectlyDelegated(question.acting, check)) return undefined;
  const known = { ...combineDelegations([delegations]), consents: selectConsents(question, read) };
  if (listAddedChecks(question, needs, undefined, known).size > 0) return undefined;
  const facts = { needs, check, delegationPath: undefined, ...known };
  return hasEndedAnswer(facts) ? undefined : facts;
}

function isDirectlyDelegated(acting: ActingParties, check: Facts['check']): boolean {
  const delegation = buildDelegationCheck(acting);
  return delegation === undefined || check(delegation).result === 'yes';
}

/**
 * The graph's answers for one question, none of which has ended when the last of them comes. SpiceDB reads the clock for
 * each by itself, at one revision, too. What is left has all held at once: at one revision relationships only end.
 */
async function settleGraphAnswers(
  question: BoundQuestion,
  needs: Required<StepNeeds>,
  answers: EngineAnswers,
  deps: GatherDeps,
  deadline: Deadline,
): Promise<GraphFacts> {
  let current = answers;
  for (let attempt = 1; attempt <= MAX_SETTLING_ATTEMPTS; attempt += 1) {
    const delegationPath = await resolveDelegationPath(question, current, deps, deadline);
    const facts = await bindGrants(question, needs, current, delegationPath, deps, deadline);
    if (!hasEndedAnswer(facts)) return facts;
    await sleep(SETTLING_PAUSE_MS);
    current = await current.renew();
  }
  return {
    needs,
    check: () => NOT_REQUESTED,
    delegationPath: undefined,
    delegation: () => undefined,
    delegationsFault: 'relationships_unavailable',
    consents: selectConsents(question, answers.consents),
  };
}

/**
 * Completes the facts with the delegations that the path came over, and with the permissions by which they and the consents
 * name resources: only once they are read it is known which.
 */
async function bindGrants(
  question: BoundQuestion,
  needs: Required<StepNeeds>,
  answers: EngineAnswers,
  delegationPath: DelegationPathResult | undefined,
  deps: GatherDeps,
  deadline: Deadline,
): Promise<GraphFacts> {
  const pairs = listDelegationPairs(question, delegationPath);
  const known = answers.delegations;
  const unread = typeof known === 'string' ? [] : pairs.filter((pair) => !known.has(delegationKey(pair)));
  const read = unread.length === 0 ? [] : [await fetchDelegations(unread, deps, deadline)];
  const grants = {
    ...combineDelegations([known, ...read]),
    consents: selectConsents(question, answers.consents),
  };
  const checks = listAddedChecks(question, needs, delegationPath, grants);
  const added = checks.size === 0 ? undefined : await fetchChecks(checks, answers.graph, deadline);
  return {
    needs: { ...needs, checks: [...needs.checks, ...checks.values()], delegations: pairs },
    check: (check) => added?.get(checkKey(check)) ?? answers.check(check),
    delegationPath,
    ...grants,
  };
}

function combineDelegations(
  lookups: readonly (DelegationMap | FaultCode)[],
): Pick<Facts, 'delegation' | 'delegationsFault'> {
  const delegationsFault = lookups.find((lookup) => typeof lookup === 'string');
  const delegation: Facts['delegation'] = (pair) => {
    const key = delegationKey(pair);
    for (const lookup of lookups) if (typeof lookup !== 'string' && lookup.has(key)) return lookup.get(key);
    if (delegationsFault !== undefined) return undefined;
    // What wasn't looked up may narrow all the same.
    throw new Fault('database_unavailable', `${key} was not fetched`);
  };
  return { delegation, delegationsFault };
}

/** The checks for the details of delegations and consents that no step has named, by their keys. */
function listAddedChecks(
  question: BoundQuestion,
  { checks: asked }: Required<StepNeeds>,
  delegationPath: DelegationPathResult | undefined,
  { delegation, consents }: Pick<Facts, 'delegation' | 'consents'>,
): Map<string, CheckRequest> {
  const wanted = [
    ...listDelegationChecks(question, delegationPath, delegation),
    ...listConsentChecks(question, consents),
  ];
  const checks = new Map(wanted.map((check) => [checkKey(check), check]));
  if (checks.size > 0) for (const check of asked) checks.delete(checkKey(check));
  return checks;
}

function hasEndedAnswer({ needs: { checks }, check, delegationPath }: GraphFacts): boolean {
  const hasEnded = (end: string): boolean => Date.parse(end) <= readHostClock() + HOST_CLOCK_SLACK_MS;
  if (delegationPath?.kind === 'path' && delegationPath.ends.some(hasEnded)) return true;
  return checks.some((request) => {
    const answer = check(request);
    return answer.result === 'yes' && answer.until !== undefined && hasEnded(answer.until);
  });
}

/** The agents that passed the delegation on; undefined where the user has delegated to the acting agent directly. */
async function resolveDelegationPath(
  question: BoundQuestion,
  { check, delegationPaths, graph }: EngineAnswers,
  { revocations }: GatherDeps,
  deadline: Deadline,
): Promise<DelegationPathResult | undefined> {
  const delegation = buildDelegationCheck(question.acting);
  if (delegation === undefined || check(delegation).result === 'yes') return undefined;
  const key = checkKey(delegation);
  const search =
    delegationPaths.get(key) ?? deadline.race(findDelegationPath(question, { graph, revocations })).catch(toPathFault);
  delegationPaths.set(key, search);
  return search;
}

async function fetchEntities(
  needs: readonly EntityNeed[],
  { entities }: GatherDeps,
  deadline: Deadline,
): Promise<EntityMap | FaultCode> {
  try {
    return await deadline.race(entities.fetch(needs));
  } catch (error) {
    return engineFaultCode(error);
  }
}

async function fetchDelegations(
  pairs: readonly DelegationPair[],
  { delegations }: GatherDeps,
  deadline: Deadline,
): Promise<DelegationMap | FaultCode> {
  if (pairs.length === 0) return new Map();
  try {
    const found = await deadline.race(delegations.fetch(pairs));
    return new Map(pairs.map((pair) => [delegationKey(pair), found.get(delegationKey(pair))]));
  } catch (error) {
    return engineFaultCode(error);
  }
}

/** Reads what has been used of all limits that the questions have; nothing is asked where they have none. */
async function fetchLimits(
  needs: readonly Pick<Required<StepNeeds>, 'charges' | 'retry'>[],
  { limits }: GatherDeps,
  deadline: Deadline,
): Promise<Facts['limits']> {
  const charges = new Map(needs.flatMap((need) => need.charges.map((charge) => [charge.key, charge])));
  const retry = needs.find((need) => need.retry !== undefined)?.retry;
  if (charges.size === 0 && retry === undefined) return undefined;
  try {
    return await deadline.race(limits.read([...charges.values()], retry));
  } catch (error) {
    return { fault: engineFaultCode(error) };
  }
}

/** Nothing is read where no action asks for consent. */
async function fetchConsents(
  needs: readonly ConsentNeed[],
  { consents }: GatherDeps,
  deadline: Deadline,
): Promise<ConsentMap | FaultCode> {
  if (needs.length === 0) return new Map();
  const distinct = new Map(needs.map((need) => [consentKey(need), need]));
  try {
    return await deadline.race(consents.fetch([...distinct.values()]));
  } catch (error) {
    return engineFaultCode(error);
  }
}

function toPathFault(error: unknown): DelegationPathResult {
  return { kind: 'fault', fault: engineFaultCode(error) };
}
