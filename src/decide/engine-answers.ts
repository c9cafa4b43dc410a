/**
 * Asks the engines for what questions need: checks, entities, delegations, consents, and what has been used of limits. What
 * several questions need is asked once, and what none needs isn't asked. An engine's failure is an answer.
 */
import type { NotedEvents } from '../govern/history/noted-events.js';
import { checkKey } from '../graph/relationship-text.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import type { Approval, Approvals } from '../model/approvals.js';
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import type { ConsentMap, Consents } from '../model/consents.js';
import type { DelegationMap, Delegations } from '../model/delegations.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import type { Entities, EntityMap } from '../model/entities.js';
import type { FaultCode } from '../model/faults.js';
import type { History, HistoryAnswers } from '../model/history.js';
import type { LimitUses } from '../model/limits.js';
import { engineFaultCode, type Deadline } from '../runtime/deadline.js';
import type { Facts, StepNeeds } from './step.js';

/** The stores that are asked beside the graph. */
export interface AnswerDeps {
  readonly entities: Pick<Entities, 'fetch'>;
  readonly consents: Consents;
  readonly approvals: Approvals;
  readonly delegations: Delegations;
  readonly limits: LimitUses;
  readonly history: History;
}

/** The engines' answers for all questions of one request. */
export interface EngineAnswers {
  /** The graph, at the revision of the checks' answers. */
  readonly graph: GraphSnapshot;
  readonly check: Facts['check'];
  readonly entities: EntityMap | FaultCode;
  readonly delegations: DelegationMap | FaultCode;
  readonly limits: Facts['limits'];
  readonly history: HistoryAnswers | FaultCode;
  readonly consents: ConsentMap | FaultCode;
  readonly approvals: ReadonlyMap<string, Approval> | FaultCode;
  /** Searches by the key of the delegation's check: questions on one delegation share the search. */
  readonly delegationPaths: Map<string, Promise<DelegationPathResult | undefined>>;
  /** Readings of the limits of grants by the keys of their charges: questions on the same grants share them. */
  readonly grantLimits: Map<string, Promise<Facts['limits']>>;
  /** Events that the questions of the request left before this one; absent where they leave none. */
  readonly noted?: NotedEvents | undefined;
  /** Asks all of the checks anew, at the same revision; the questions of the request share the answers. */
  readonly renew: () => Promise<EngineAnswers>;
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
  deps: AnswerDeps,
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
  const [fetched, entities, delegations, limits, history, consents, approvals] = await Promise.all([
    fetchChecks(unasked, graph, deadline),
    fetchNeeded(
      needs.flatMap((need) => need.entities),
      deps.entities,
      deadline,
    ),
    fetchNeeded(
      needs.flatMap((need) => need.delegations),
      deps.delegations,
      deadline,
    ),
    fetchLimits(needs, deps, deadline),
    fetchNeeded(
      needs.flatMap((need) => need.history),
      deps.history,
      deadline,
    ),
    fetchNeeded(
      needs.flatMap((need) => need.consents),
      deps.consents,
      deadline,
    ),
    fetchNeeded(
      needs.flatMap(({ approval }) => approval ?? []),
      deps.approvals,
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
      history,
      consents,
      approvals,
      delegationPaths: new Map(),
      grantLimits: new Map(),
      renew: () => (renewed ??= fetchChecks(checks, graph, deadline).then(toAnswers)),
    };
  };
  return toAnswers(new Map([...priorAnswers, ...fetched]));
}

/** The answer to a check that no step has named among its needs, or whose answers never settled. */
export const NOT_REQUESTED: CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

export async function fetchChecks(
  checks: ReadonlyMap<string, CheckRequest>,
  graph: GraphSnapshot,
  deadline: Deadline,
): Promise<ReadonlyMap<string, CheckAnswer>> {
  const answers = await answerOrFault(() => graph.check([...checks.values()]), deadline);
  const byKey = new Map<string, CheckAnswer>();
  for (const [i, key] of [...checks.keys()].entries()) {
    const answer: CheckAnswer | undefined =
      typeof answers === 'string' ? { result: 'unknown', fault: answers } : answers[i];
    if (answer !== undefined) byKey.set(key, answer);
  }
  return byKey;
}

/** Asks a store for what the questions need of it: nothing is read where they need nothing. */
export async function fetchNeeded<Need, Found>(
  needs: readonly Need[],
  store: { readonly fetch: (needs: readonly Need[]) => Promise<ReadonlyMap<string, Found>> },
  deadline: Deadline,
): Promise<ReadonlyMap<string, Found> | FaultCode> {
  return needs.length === 0 ? new Map() : answerOrFault(() => store.fetch(needs), deadline);
}

/**
 * Reads what has been used of all limits that the questions have; nothing is read where they have none.
 * @param approval whose use is read along
 */
export async function fetchLimits(
  needs: readonly Pick<Required<StepNeeds>, 'charges' | 'retry'>[],
  { limits }: Pick<AnswerDeps, 'limits'>,
  deadline: Deadline,
  approval?: string,
): Promise<Facts['limits']> {
  const charges = new Map(needs.flatMap((need) => need.charges.map((charge) => [charge.key, charge])));
  const retry = needs.find((need) => need.retry !== undefined)?.retry;
  if (charges.size === 0 && retry === undefined) return undefined;
  const read = await answerOrFault(() => limits.read([...charges.values()], retry, approval), deadline);
  return typeof read === 'string' ? { fault: read } : read;
}

async function answerOrFault<Answer>(ask: () => Promise<Answer>, deadline: Deadline): Promise<Answer | FaultCode> {
  try {
    return await deadline.race(ask());
  } catch (error) {
    return engineFaultCode(error);
  }
}
