/**
 * Gathers the facts that the judging steps judge, of what the engines have answered, at one revision of the graph: decide.ts
 * for a question, lists for many at once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApproverRules } from '../govern/approvals/eligibility.js';
import { listHistoryQueries } from '../govern/history/queries.js';
import { planCharges } from '../govern/limits/charges.js';
import { planRetryKey } from '../govern/limits/retry-key.js';
import { checkKey } from '../graph/relationship-text.js';
import type { ActingParties } from '../model/acting.js';
import type { CheckRequest } from '../model/checks.js';
import { delegationKey, type DelegationMap } from '../model/delegations.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import { Fault, type FaultCode } from '../model/faults.js';
import { formatRef } from '../model/ids.js';
import type { Charge } from '../model/limits.js';
import type { Revocations } from '../model/revocations.js';
import { readHostClock } from '../runtime/clock.js';
import { engineFaultCode, type Deadline } from '../runtime/deadline.js';
import { yieldToEventLoop } from '../runtime/yield.js';
import type { DecisionObserver } from '../telemetry/observer.js';
import { readApproval } from './approval-reading.js';
import { settleApprovalUse } from './approval-use.js';
import type { BoundQuestion } from './bound-question.js';
import { listConsentChecks, selectConsents } from './consent-facts.js';
import { findDelegationPath } from './delegation-path.js';
import { buildDelegationCheck, listDelegationChecks, listDelegationPairs } from './delegation-links.js';
import {
  fetchChecks,
  fetchLimits,
  fetchNeeded,
  NOT_REQUESTED,
  type AnswerDeps,
  type EngineAnswers,
} from './engine-answers.js';
import { listReferenceNeeds } from './entity-needs.js';
import { evaluateFacts, withIntermediaries } from './facts.js';
import { listPossibleCharges, renewLimits } from './question-limits.js';
import type { Facts, StepNeeds } from './step.js';

export interface GatherDeps extends AnswerDeps {
  readonly approverRules: ApproverRules;
  readonly revocations: Revocations;
  readonly observer: Pick<DecisionObserver, 'cedar'>;
}

export interface GatheredFacts {
  /** The question, with the agents that the delegation came through in its chain. */
  readonly bound: BoundQuestion;
  readonly facts: Facts;
}

/**
 * The most times that the graph is asked while its answers end one after the other; then the question can't be decided.
 */
const MAX_SETTLING_ATTEMPTS = 4;
const SETTLING_PAUSE_MS = 20;
/** The most that the clock SpiceDB reads may differ from this process's, on one host. */
const HOST_CLOCK_SLACK_MS = 5;

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
  const grantCharges = listPossibleCharges(bound, { ...settled, delegationPath });
  const [furtherEntities, limits] =
    intermediaries.length === 0
      ? [
          undefined,
          grantCharges.length === 0
            ? getOwnLimits(needs, answers)
            : await addGrantLimits(needs, grantCharges, answers, deps, deadline),
        ]
      : await Promise.all([
          fetchNeeded([...intermediaries, ...listReferenceNeeds(bound)], deps.entities, deadline),
          fetchLimits(
            [
              {
                charges: [...planCharges(bound).charges, ...grantCharges],
                // A list has one for all of its questions.
                retry: needs.retry && (planRetryKey(bound) ?? needs.retry),
              },
            ],
            deps,
            deadline,
          ),
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
  const uses =
    bound.question.approval === undefined
      ? { limits, approvalReading: undefined }
      : await settleApprovalUse(
          bound,
          {
            ...settled,
            delegationPath,
            limits,
            approvalReading: await readApproval(bound, settled, answers, deps.approverRules, deadline),
          },
          deps,
          deadline,
        );
  const history = await gatherHistory(bound, answers, deps, deadline);
  const approvalMs = deps.approverRules.onceMs;
  await yieldToEventLoop();
  const facts = deps.observer.cedar(() =>
    evaluateFacts(bound, { ...settled, entity, entitiesFault, delegationPath, ...history, ...uses, approvalMs }),
  );
  return { bound, facts };
}

/** The reading of the limits that the question was known to have before anything else was read; undefined where it has none. */
function getOwnLimits({ charges, retry }: Required<StepNeeds>, { limits }: EngineAnswers): Facts['limits'] {
  return charges.length === 0 && retry === undefined ? undefined : limits;
}

/**
 * Adds the reading of the limits of grants, which are known once the grants are. With a key of a retry all is read once more:
 * what that holds must be of the moment of what is used, or its own first question could count against it.
 */
async function addGrantLimits(
  needs: Required<StepNeeds>,
  grantCharges: readonly Charge[],
  answers: EngineAnswers,
  deps: GatherDeps,
  deadline: Deadline,
): Promise<Facts['limits']> {
  const { retry } = needs;
  const own = getOwnLimits(needs, answers);
  const charges = retry === undefined ? grantCharges : [...needs.charges, ...grantCharges];
  const key = [retry?.key ?? '', ...charges.map((charge) => charge.key)].join(' ');
  const reading = answers.grantLimits.get(key) ?? fetchLimits([{ charges, retry }], deps, deadline);
  answers.grantLimits.set(key, reading);
  const read = await reading;
  if (read === undefined || 'fault' in read || retry !== undefined) return read;
  return own !== undefined && 'fault' in own ? own : renewLimits(own, read);
}

/** The answers about the past: for agents that passed the delegation on they are asked now that it is known who they are. */
async function gatherHistory(
  bound: BoundQuestion,
  { history: answered, noted }: EngineAnswers,
  deps: GatherDeps,
  deadline: Deadline,
): Promise<Pick<Facts, 'history' | 'storedHistory'>> {
  if (typeof answered === 'string') return { history: { fault: answered } };
  const queries = listHistoryQueries(bound).map(({ query }) => query);
  const unanswered = queries.filter(({ id }) => !answered.has(id));
  const added = await fetchNeeded(unanswered, deps.history, deadline);
  if (typeof added === 'string') return { history: { fault: added } };
  const stored = added.size === 0 ? answered : new Map([...answered, ...added]);
  return noted === undefined ? { history: stored } : { history: noted.addTo(stored, queries), storedHistory: stored };
}

type GraphFacts = Pick<Facts, 'needs' | 'check' | 'delegationPath' | 'delegation' | 'delegationsFault' | 'consents'>;

/** The answers as they are, where the user has delegated directly, nothing else is to be asked, and none has ended. */
function takeSettledAnswers(
  question: BoundQuestion,
  needs: Required<StepNeeds>,
  { check, delegations, consents: read }: EngineAnswers,
): GraphFacts | undefined {
  if (findIndirectDelegation(question.acting, check) !== undefined) return undefined;
  const grants = { ...combineDelegations([delegations]), consents: selectConsents(question, read) };
  if (listAddedChecks(question, needs, undefined, grants).size > 0) return undefined;
  const facts = { needs, check, delegationPath: undefined, ...grants };
  return hasEndedAnswer(facts) ? undefined : facts;
}

/** The check of the delegation; undefined where the user has delegated to the acting agent directly, or no agent acts for one. */
function findIndirectDelegation(acting: ActingParties, check: Facts['check']): CheckRequest | undefined {
  const delegation = buildDelegationCheck(acting);
  return delegation === undefined || check(delegation).result === 'yes' ? undefined : delegation;
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
  const { delegations } = answers;
  const unread = typeof delegations === 'string' ? [] : pairs.filter((pair) => !delegations.has(delegationKey(pair)));
  const read = unread.length === 0 ? [] : [await fetchNeeded(unread, deps.delegations, deadline)];
  const grants = {
    ...combineDelegations([delegations, ...read]),
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
  { checks: requested }: Required<StepNeeds>,
  delegationPath: DelegationPathResult | undefined,
  { delegation, consents }: Pick<Facts, 'delegation' | 'consents'>,
): Map<string, CheckRequest> {
  const detailChecks = [
    ...listDelegationChecks(question, delegationPath, delegation),
    ...listConsentChecks(question, consents),
  ];
  const checks = new Map(detailChecks.map((check) => [checkKey(check), check]));
  if (checks.size > 0) for (const check of requested) checks.delete(checkKey(check));
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
  const delegation = findIndirectDelegation(question.acting, check);
  if (delegation === undefined) return undefined;
  const key = checkKey(delegation);
  const search =
    delegationPaths.get(key) ?? deadline.race(findDelegationPath(question, { graph, revocations })).catch(toPathFault);
  delegationPaths.set(key, search);
  return search;
}

function toPathFault(error: unknown): DelegationPathResult {
  return { kind: 'fault', fault: engineFaultCode(error) };
}
