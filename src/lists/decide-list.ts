/**
 * Decisions on a list: many questions of one request, which differ in their subject, action or resource. Questions whose
 * resource a lookup shows to be out of reach are denied at once; the others are judged in groups. Search, filter and
 * capabilities call it.
 */
import type { BoundQuestion } from '../decide/bound-question.js';
import type { DecisionDeps } from '../decide/decide.js';
import type { Evaluation } from '../decide/evaluation.js';
import { buildGateCheck } from '../decide/permission-checks.js';
import { withCaveatContext } from '../decide/permission-checks.js';
import { buildGateLookup, type GateLookup } from '../decide/steps/relationship.js';
import { checkKey } from '../graph/relationship-text.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { Question } from '../model/question.js';
import { Deadline } from '../runtime/deadline.js';
import { previewDecisions, startEvaluations, type DecisionPreview, type PreviewOptions } from './preview.js';

/** Questions that are gathered and judged together, under one deadline. */
const GROUP_SIZE = 250;
/** Groups in work at a time: while one is judged, the engines work for the other. */
const CONCURRENT_GROUPS = 2;
/**
 * The fewest resources of which the reachable ones are found first, by a lookup for at most half as many. A lookup
 * costs about 20 µs for each resource that it finds and a check 50 µs: where the lookup ends by itself at least half of
 * the checks are saved, and where it doesn't it has cost a fifth more.
 */
const LONG_LIST = 100;
/** Ten times what a lookup of half a list takes. */
const LOOKUP_MS = 250;

export interface ListOptions extends Pick<PreviewOptions, 'findsCure' | 'retry' | 'noted'> {
  /** Whether the resources come from a lookup: nearly all are within reach then, and everything is asked of them in one round. */
  readonly fromLookup?: boolean;
}

/**
 * Previews each question, in order; a BadRequest stands for a question that is itself at fault.
 * @param graph one for the whole list, so that all of it is of one revision
 * @throws Fault where a question can't be decided
 */
export async function previewQuestions(
  questions: readonly Question[],
  graph: GraphSnapshot,
  deps: DecisionDeps,
  { fromLookup = false, findsCure = false, retry, noted }: ListOptions = {},
): Promise<readonly (DecisionPreview | BadRequest)[]> {
  const started = await startEvaluations(questions, deps);
  const evaluations = started.flatMap((evaluation) => (evaluation instanceof BadRequest ? [] : [evaluation]));
  const { reachable, gateAnswers } = fromLookup
    ? { reachable: evaluations, gateAnswers: undefined }
    : await Deadline.run(deps.deadlineMs, (deadline) => selectReachable(evaluations, graph, deadline));
  const previews = new Map<Evaluation, DecisionPreview>();
  let next = 0;
  const previewGroups = async (): Promise<void> => {
    while (next < reachable.length) {
      const group = reachable.slice(next, (next += GROUP_SIZE));
      for (const [evaluation, preview] of await previewDecisions(group, graph, deps, {
        priorAnswers: gateAnswers,
        findsCure,
        retry,
        noted,
      }))
        previews.set(evaluation, preview);
    }
  };
  // Where one question leaves something for the next, they are judged one after the other.
  await Promise.all(Array.from({ length: noted === undefined ? CONCURRENT_GROUPS : 1 }, previewGroups));
  return started.map((evaluation) =>
    evaluation instanceof BadRequest ? evaluation : (previews.get(evaluation) ?? OUT_OF_REACH),
  );
}

const OUT_OF_REACH: DecisionPreview = {
  allowed: false,
  obligations: [],
  charges: [],
  history: undefined,
  reviews: [],
  limits: [],
  denials: [],
};

interface ReachableQuestions {
  /** Evaluations whose gate may be held, as far as is known. */
  readonly reachable: readonly Evaluation[];
  /** The answers to the gates that have been checked for it, by their keys. */
  readonly gateAnswers: ReadonlyMap<string, CheckAnswer>;
}

/**
 * Sets the questions of a long list aside whose gate is not held, so that nothing else is asked about them. The gates
 * that a lookup finds are still checked: of a cyclic graph SpiceDB may answer the lookup and not the check.
 */
async function selectReachable(
  evaluations: readonly Evaluation[],
  graph: GraphSnapshot,
  deadline: Deadline,
): Promise<ReachableQuestions> {
  const unreachable = new Set<Evaluation>();
  const gateAnswers = new Map<string, CheckAnswer>();
  for (const group of groupByGate(evaluations).values()) {
    const [first] = group;
    const resourceCount = new Set(group.map(({ gate }) => gate.resource.id)).size;
    if (first === undefined || resourceCount < LONG_LIST) continue;
    const lookup = buildGateLookup(first.bound);
    const limit = Math.floor(resourceCount / 2);
    const foundIds = await deadline.race(lookUpReachable(lookup, limit, graph));
    const candidates = foundIds === undefined ? group : group.filter(({ gate }) => foundIds.has(gate.resource.id));
    const checks = new Map(candidates.map(({ gate, key }) => [key, gate]));
    const answers = await deadline.race(graph.check([...checks.values()]));
    for (const [i, key] of [...checks.keys()].entries()) gateAnswers.set(key, answers[i] ?? UNKNOWN_ANSWER);
    for (const { evaluation, key } of group) if (!mayBeHeld(gateAnswers.get(key))) unreachable.add(evaluation);
  }
  return { reachable: evaluations.filter((evaluation) => !unreachable.has(evaluation)), gateAnswers };
}

const UNKNOWN_ANSWER: CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

/** Whether the steps are still to judge the question: they also say what follows from an unknown. */
function mayBeHeld(answer: CheckAnswer | undefined): boolean {
  return answer?.result === 'yes' || answer?.result === 'unknown';
}

interface GatedQuestion {
  readonly evaluation: Evaluation;
  readonly bound: BoundQuestion;
  readonly gate: CheckRequest;
  /** The gate's {@link checkKey}. */
  readonly key: string;
}

/** The questions by their gate apart from the resource's id: one permission, on one type, of one subject. */
function groupByGate(evaluations: readonly Evaluation[]): Map<string, GatedQuestion[]> {
  const groups = new Map<string, GatedQuestion[]>();
  for (const evaluation of evaluations) {
    const { bound } = evaluation;
    if (bound === undefined) continue;
    const gate = withCaveatContext(bound, buildGateCheck(bound));
    const groupKey = checkKey({ ...gate, resource: { type: gate.resource.type, id: '-' } });
    const group = groups.get(groupKey) ?? [];
    group.push({ evaluation, bound, gate, key: checkKey(gate) });
    groups.set(groupKey, group);
  }
  return groups;
}

/** The ids of all resources that the lookup finds; undefined where it finds no end in time, so that checks must tell. */
async function lookUpReachable(
  lookup: GateLookup,
  limit: number,
  graph: GraphSnapshot,
): Promise<ReadonlySet<string> | undefined> {
  try {
    const { ids, complete } = await graph.lookupResources({ ...lookup, limit, withinMs: LOOKUP_MS });
    return complete ? new Set(ids) : undefined;
  } catch (error) {
    if (error instanceof Fault || error instanceof BadRequest) return undefined;
    throw error;
  }
}
