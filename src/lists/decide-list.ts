/**
 * Many questions of one request, which differ in their subject, action or resource: judged in groups by the steps of a
 * decision, those that a lookup shows to be out of the user's reach aside.
 */
import {
  previewDecisions,
  startDecisions,
  type StartedDecision,
  type DecisionDeps,
  type DecisionPreview,
} from '../decide/decide.js';
import { Deadline } from '../runtime/deadline.js';
import type { CheckAnswer } from '../model/checks.js';
import type { CheckRequest } from '../model/checks.js';
import type { Consistency } from '../model/checks.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { Question } from '../model/question.js';
import { checkKey } from '../graph/relationship-text.js';
import { buildGateLookup, type GateLookup } from '../decide/steps/relationship.js';
import { buildGateCheck } from '../decide/permission-checks.js';
import { withCaveatContext } from '../decide/step.js';
import { type BoundQuestion } from '../decide/bound-question.js';

/** Questions that are gathered and judged together, under one deadline; two groups at a time. */
const GROUP_SIZE = 250;
const CONCURRENT_GROUPS = 2;
/**
 * From so many resources on it is first asked which are within reach, and before that by a lookup for half as many: a
 * lookup costs about 20 µs for each that it finds and a check 50 µs, so where it ends by itself at least half of the
 * checks are saved, and where it doesn't it has cost a fifth more.
 */
const LONG_LIST = 100;
/** Ten times what a lookup of half a list takes. */
const LOOKUP_MS = 250;

/**
 * One answer a question, in order: a BadRequest for one that is itself at fault.
 * @param fromLookup they come from a lookup, so another would find them all again
 * @throws Fault where one can't be decided
 */
export async function previewQuestions(
  questions: readonly Question[],
  deps: DecisionDeps,
  fromLookup = false,
): Promise<readonly (DecisionPreview | BadRequest)[]> {
  const decisions = await startDecisions(questions, deps);
  const startedDecisions = decisions.flatMap((one) => (one instanceof BadRequest ? [] : [one]));
  const { near, gates } = await Deadline.run(deps.deadlineMs, (deadline) =>
    selectReachable(startedDecisions, deps, deadline, fromLookup),
  );
  const previews = new Map<StartedDecision, DecisionPreview>();
  let next = 0;
  const judgeGroups = async (): Promise<void> => {
    while (next < near.length) {
      const group = near.slice(next, (next += GROUP_SIZE));
      const groupPreviews = await previewDecisions(group, deps, gates);
      for (const [i, answer] of groupPreviews.entries()) previews.set(group[i] as StartedDecision, answer);
    }
  };
  // While the one is judged, the engines work for the other.
  await Promise.all(Array.from({ length: CONCURRENT_GROUPS }, judgeGroups));
  return decisions.map((one) => (one instanceof BadRequest ? one : (previews.get(one) ?? DENIED_PREVIEW)));
}

const DENIED_PREVIEW: DecisionPreview = { allowed: false, obligations: [], denials: [] };

interface ReachableDecisions {
  /** Of whose resource it isn't certain that the permission is not held. */
  readonly near: readonly StartedDecision[];
  /** What has been asked of them already, by its key. */
  readonly gates: ReadonlyMap<string, CheckAnswer>;
}

/**
 * Of a long list nothing else is asked about what is out of reach. What a lookup finds is still to be checked: of a
 * graph that goes in a circle SpiceDB may know the one and not answer the other.
 */
async function selectReachable(
  decisions: readonly StartedDecision[],
  deps: DecisionDeps,
  deadline: Deadline,
  fromLookup: boolean,
): Promise<ReachableDecisions> {
  const unreachable = new Set<StartedDecision>();
  const gates = new Map<string, CheckAnswer>();
  for (const group of groupByGate(decisions).values()) {
    const [first] = group;
    const resources = new Set(group.map(({ gate: { resource } }) => resource.id)).size;
    if (first === undefined || resources < LONG_LIST) continue;
    const { consistency } = first.bound.question;
    const reachableIds = fromLookup
      ? undefined
      : await deadline.race(
          lookUpReachable(buildGateLookup(first.bound), Math.floor(resources / 2), consistency, deps),
        );
    const remaining =
      reachableIds === undefined ? group : group.filter(({ gate: { resource } }) => reachableIds.has(resource.id));
    const checks = new Map(remaining.map(({ gate }) => [checkKey(gate), gate]));
    const answers = await deadline.race(deps.relationships.check([...checks.values()], consistency));
    for (const [i, key] of [...checks.keys()].entries()) gates.set(key, answers[i] ?? UNKNOWN_ANSWER);
    for (const { one, gate } of group) if (!mayBeHeld(gates.get(checkKey(gate)))) unreachable.add(one);
  }
  return { near: decisions.filter((one) => !unreachable.has(one)), gates };
}

const UNKNOWN_ANSWER: CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

/** What isn't known is for the steps to judge. */
function mayBeHeld(answer: CheckAnswer | undefined): boolean {
  return answer?.result === 'yes' || answer?.result === 'unknown';
}

interface GatedDecision {
  readonly one: StartedDecision;
  readonly bound: BoundQuestion;
  readonly gate: CheckRequest;
}

/** Those that ask for one permission, on one type, of one subject. */
function groupByGate(decisions: readonly StartedDecision[]): Map<string, GatedDecision[]> {
  const groups = new Map<string, GatedDecision[]>();
  for (const one of decisions) {
    const { bound } = one;
    if (bound === undefined) continue;
    const check = withCaveatContext(bound, buildGateCheck(bound));
    const key = checkKey({ ...check, resource: { type: check.resource.type, id: '-' } });
    const group = groups.get(key) ?? [];
    group.push({ one, bound, gate: check });
    groups.set(key, group);
  }
  return groups;
}

/** Undefined where it can't be told, or not cheaply: then the checks will. */
async function lookUpReachable(
  lookup: GateLookup,
  limit: number,
  consistency: Consistency,
  { relationships }: DecisionDeps,
): Promise<ReadonlySet<string> | undefined> {
  try {
    const { ids, complete } = await relationships.lookupResources(
      { ...lookup, limit, withinMs: LOOKUP_MS },
      consistency,
    );
    return complete ? new Set(ids) : undefined;
  } catch (error) {
    if (error instanceof Fault || error instanceof BadRequest) return undefined;
    throw error;
  }
}
