/**
 * The refusal of a list's whole question: for its token, its parties, the delegation, or the action and type that it names.
 * It is found of the question without an item, so it tells nothing of what there is. Searches, filters and capabilities
 * call it where they are empty.
 */
import type { DecisionDeps } from '../decide/decide.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import { BadRequest } from '../model/faults.js';
import type { Denial } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import type { Reason, ReasonCode, StepName } from '../model/reasons.js';
import type { Remedy } from '../model/remedies.js';
import { previewDecisions, startEvaluations } from './preview.js';

export interface ListRefusal {
  readonly reasons: readonly Reason[];
  readonly remedies: readonly Remedy[];
  /** The id of the agent that acts; undefined where none is established. */
  readonly agent: string | undefined;
  /** Whether it holds whatever types of resources are asked about: then there is no use in asking about further ones. */
  readonly isOfAllTypes: boolean;
}

/** The steps that judge the question whatever its resource is. */
const WHOLE_QUESTION_STEPS: readonly StepName[] = ['token', 'binding', 'delegation'];
/** The reasons that one resource, or one action, gives and another may not. */
const OF_ONE_RESOURCE: readonly ReasonCode[] = ['authorization_details_mismatch'];
const OF_ONE_ACTION: readonly ReasonCode[] = ['scope_insufficient', 'purpose_mismatch'];

/** The reasons that one type of resource gives and another may not. */
const OF_ONE_TYPE: readonly ReasonCode[] = [
  ...OF_ONE_RESOURCE,
  ...OF_ONE_ACTION,
  'action_unknown',
  'attributes_unproven',
  'context_missing',
  'graph_unanswerable',
  'resource_type_forbidden',
];

/** The kind of item that a list is of: what one of them lacks may not be lacking for all. */
export type ListedKind = 'resource' | 'subject' | 'action';

/**
 * @param templates the list's questions without an item, one for each type of resource: all must be refused
 * @param listed "subject" where no token names the one that can be listed
 * @returns the refusal of the first; undefined where it isn't the question that is refused
 * @throws BadRequest where the question itself is at fault
 * @throws Fault where it can't be told now
 */
export async function findListRefusal(
  templates: readonly Question[],
  graph: GraphSnapshot,
  deps: DecisionDeps,
  listed: ListedKind,
): Promise<ListRefusal | undefined> {
  const started = (await startEvaluations(templates, deps)).map((evaluation) => {
    if (evaluation instanceof BadRequest) throw evaluation;
    return evaluation;
  });
  const previews = await previewDecisions(started, graph, deps);
  const isWhole = ({ step, code }: Reason): boolean =>
    WHOLE_QUESTION_STEPS.includes(step) &&
    !OF_ONE_RESOURCE.includes(code) &&
    !(listed === 'action' && OF_ONE_ACTION.includes(code)) &&
    !(listed === 'subject' && step === 'delegation');
  const refusals = started.map((evaluation) => {
    const refusal = findWholeRefusal(previews.get(evaluation)?.denials ?? [], isWhole);
    if (refusal === undefined) return undefined;
    const isOfAllTypes = refusal.reasons.some(({ code }) => !OF_ONE_TYPE.includes(code));
    return { ...refusal, agent: evaluation.bound?.acting.agent?.id, isOfAllTypes };
  });
  return refusals.every((refusal) => refusal !== undefined) ? refusals[0] : undefined;
}

function findWholeRefusal(
  denials: readonly Denial[],
  isWhole: (reason: Reason) => boolean,
): Pick<ListRefusal, 'reasons' | 'remedies'> | undefined {
  for (const { reasons, remedies } of denials) {
    const whole = reasons.filter(isWhole);
    if (whole.length > 0) return { reasons: whole, remedies: whole.length === reasons.length ? remedies : [] };
  }
  return undefined;
}
