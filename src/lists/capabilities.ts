/**
 * What an agent may do on its token: each action on each type of resource is tried on what is within its reach, by the
 * steps of a decision. Nothing is claimed that a single question would not be answered.
 */
import { Deadline } from '../runtime/deadline.js';
import { findCandidateResources, compareByCodePoint, CANDIDATE_DEADLINES, type SearchDeps } from './candidates.js';
import type { DecisionPreview } from '../decide/decide.js';
import { previewQuestions } from './decide-list.js';
import { BadRequest } from '../model/faults.js';
import type { Question } from '../model/question.js';
import type { ReasonCode } from '../model/reasons.js';
import type { Remedy } from '../model/remedies.js';
import type { Action } from '../policy/schema/action.js';

/**
 * `allowed`: on something that is there; `depends`: on what the request says, too; `remediable`: not now, but with the
 * remedies.
 */
export type CapabilityStatus = 'allowed' | 'depends' | 'remediable';

export interface Capability {
  readonly resourceType: string;
  readonly action: Action;
  readonly status: CapabilityStatus;
  /** What is wanted beside: none where it is allowed. */
  readonly remedies: readonly Remedy[];
}

/** How many resources are tried: few first, since the first mostly tells. */
const SAMPLE_SIZES = [10, 90, 400];

/**
 * @param toQuestion the agent's question for an action on a type, with a resource that is still to be named
 * @throws Fault
 */
export async function findCapabilities(
  toQuestion: (action: string, resourceType: string) => Question,
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
    const ids = await Deadline.run(deps.deadlineMs * CANDIDATE_DEADLINES, (deadline) =>
      deadline.race(findCandidateResources(question, deps)),
    );
    const best = await findBestResult(ids, (id) => ({ ...question, resource: { ...question.resource, id } }), deps);
    if (best !== undefined) capabilities.push({ resourceType, action, ...best });
  }
  return capabilities;
}

type CapabilityResult = Pick<Capability, 'status' | 'remedies'>;
const STATUS_ORDER: readonly CapabilityStatus[] = ['allowed', 'depends', 'remediable'];

async function findBestResult(
  ids: readonly string[],
  toQuestion: (id: string) => Question,
  deps: SearchDeps,
): Promise<CapabilityResult | undefined> {
  let best: CapabilityResult | undefined;
  let from = 0;
  for (const size of SAMPLE_SIZES) {
    const previews = await previewQuestions(ids.slice(from, (from += size)).map(toQuestion), deps, true);
    for (const one of previews) {
      const status = one instanceof BadRequest ? undefined : toCapabilityResult(one);
      if (status !== undefined && (best === undefined || isBetterResult(status, best))) best = status;
    }
    if (best?.status === 'allowed' || from >= ids.length) return best;
  }
  // Beyond those that were tried may be one that is allowed, which must not be denied to be there.
  return best ?? { status: 'depends', remedies: [] };
}

function isBetterResult(one: CapabilityResult, other: CapabilityResult): boolean {
  const [a, b] = [STATUS_ORDER.indexOf(one.status), STATUS_ORDER.indexOf(other.status)];
  return a === b ? one.remedies.length < other.remedies.length : a < b;
}

/** What only the request itself can say. */
const REQUEST_DEPENDENT: readonly ReasonCode[] = ['attribute_missing', 'context_missing'];

/** Undefined where something denies it that nobody can lift. */
function toCapabilityResult({ allowed, denials }: DecisionPreview): CapabilityResult | undefined {
  if (allowed) return { status: 'allowed', remedies: [] };
  const requestDependentDenials = denials.filter(({ reasons }) =>
    reasons.every(({ code }) => REQUEST_DEPENDENT.includes(code)),
  );
  const remediableDenials = denials.filter(({ remediable }) => remediable);
  if (denials.length === 0 || requestDependentDenials.length + remediableDenials.length < denials.length)
    return undefined;
  const remedies = [
    ...new Map(remediableDenials.flatMap((d) => d.remedies).map((r) => [JSON.stringify(r), r])).values(),
  ];
  return { status: requestDependentDenials.length > 0 ? 'depends' : 'remediable', remedies };
}
