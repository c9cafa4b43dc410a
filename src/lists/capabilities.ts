/**
 * The capabilities of an agent on its token: each action is tried on resources of each type that are within reach, by the
 * steps of a decision, so a capability says nothing that a single question would not be answered. The route
 * /v1/capabilities calls it.
 */
import { Deadline } from '../runtime/deadline.js';
import {
  compareByCodePoint,
  findCandidateResources,
  findElevatableResources,
  CANDIDATE_DEADLINES,
  type SearchDeps,
} from './candidates.js';
import type { DecisionPreview } from './preview.js';
import { previewQuestions, type ListOptions } from './decide-list.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import { BadRequest } from '../model/faults.js';
import type { Question } from '../model/question.js';
import type { Remedy } from '../model/remedies.js';
import type { Action } from '../policy/schema/action.js';

/**
 * `allowed` on some resource; `depends` on what the request says as well; `remediable` where the remedies would allow it.
 */
export type CapabilityStatus = 'allowed' | 'depends' | 'remediable';

export interface Capability {
  readonly resourceType: string;
  readonly action: Action;
  readonly status: CapabilityStatus;
  /** None where the action is allowed. */
  readonly remedies: readonly Remedy[];
}

/** The resources that are tried in each round: few at first, since one is mostly enough. */
const SAMPLE_SIZES = [10, 90, 400];

/**
 * @param toQuestion makes the agent's question for an action on a type, with a placeholder for the resource's id
 * @param graph one for the whole list, so that all of it is of one revision
 * @throws Fault where a question can't be decided now
 */
export async function findCapabilities(
  toQuestion: (action: string, resourceType: string) => Question,
  graph: GraphSnapshot,
  deps: SearchDeps,
): Promise<readonly Capability[]> {
  const pairs = deps
    .rules()
    .vocabulary.actions.flatMap((action) =>
      action.resourceTypes.map(({ object }) => ({ action, resourceType: object })),
    );
  pairs.sort(
    (a, b) => compareByCodePoint(a.resourceType, b.resourceType) || compareByCodePoint(a.action.name, b.action.name),
  );
  const capabilities: Capability[] = [];
  for (const { action, resourceType } of pairs) {
    const question = toQuestion(action.name, resourceType);
    const findBest = async (find: typeof findCandidateResources): Promise<CapabilityResult | undefined> => {
      const ids = await Deadline.run(deps.deadlineMs * CANDIDATE_DEADLINES, (deadline) =>
        deadline.race(find(question, graph, deps)),
      );
      const toCandidate = (id: string): Question => ({ ...question, resource: { ...question.resource, id } });
      return findBestResult(ids, toCandidate, graph, deps);
    };
    const elevatable = action.elevation === undefined ? [] : [findElevatableResources];
    let best: CapabilityResult | undefined;
    for (const find of [findCandidateResources, ...elevatable]) best ??= await findBest(find);
    if (best !== undefined) capabilities.push({ resourceType, action, ...best });
  }
  return capabilities;
}

const OPTIONS: ListOptions = { fromLookup: true, findsCure: true };

type CapabilityResult = Pick<Capability, 'status' | 'remedies'>;
const STATUS_ORDER: readonly CapabilityStatus[] = ['allowed', 'depends', 'remediable'];

async function findBestResult(
  ids: readonly string[],
  toQuestion: (id: string) => Question,
  graph: GraphSnapshot,
  deps: SearchDeps,
): Promise<CapabilityResult | undefined> {
  let best: CapabilityResult | undefined;
  let from = 0;
  for (const size of SAMPLE_SIZES) {
    const previews = await previewQuestions(ids.slice(from, (from += size)).map(toQuestion), graph, deps, OPTIONS);
    for (const preview of previews) {
      const result = preview instanceof BadRequest ? undefined : toCapabilityResult(preview);
      if (result !== undefined && (best === undefined || isBetterResult(result, best))) best = result;
    }
    if (best?.status === 'allowed' || from >= ids.length) return best;
  }
  // A resource that was not tried may be allowed, so the capability can't be left out.
  return best ?? { status: 'depends', remedies: [] };
}

function isBetterResult(a: CapabilityResult, b: CapabilityResult): boolean {
  if (a.status === b.status) return a.remedies.length < b.remedies.length;
  return STATUS_ORDER.indexOf(a.status) < STATUS_ORDER.indexOf(b.status);
}

/** undefined where a denial stands that neither the request nor a remedy can lift. */
function toCapabilityResult({ allowed, cure }: DecisionPreview): CapabilityResult | undefined {
  if (allowed) return { status: 'allowed', remedies: [] };
  return cure === undefined ? undefined : { status: cure.depends ? 'depends' : 'remediable', remedies: cure.remedies };
}
