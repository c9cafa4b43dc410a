/**
 * A filter: records in, those out that single questions would be allowed, masked, each with what is left to do. It reserves
 * what they use of limits with its record. The filter route calls it.
 */
import { setImmediate } from 'node:timers/promises';
import { Deadline } from '../runtime/deadline.js';
import { yieldToEventLoop } from '../runtime/yield.js';
import type { DecisionDeps } from '../decide/decide.js';
import { GraphSnapshot } from '../graph/snapshot.js';
import { BadRequest } from '../model/faults.js';
import { NotedEvents } from '../govern/history/noted-events.js';
import type { HistoryUse } from '../model/history.js';
import type { Charge } from '../model/limits.js';
import type { Obligation } from '../model/obligations.js';
import { omitNulls, type Properties, type Question } from '../model/question.js';
import type { ReasonCode } from '../model/reasons.js';
import type { OpenedReview, ReachedLimit } from '../model/record-effects.js';
import { previewQuestions } from './decide-list.js';
import { bindListRetryKey, planListRetryKey } from '../govern/limits/retry-key.js';
import { ListedItems } from './listed-items.js';
import { createMask, MASKING_OBLIGATIONS } from './mask.js';
import { findFirstReason, type DecisionPreview } from './preview.js';
import { identifyListRequester, recordSearch } from './record.js';
import { findListRefusal, type ListRefusal } from './refusal.js';

/** A record of the request, with its place there. */
export interface FilterableRecord {
  readonly index: number;
  readonly type: string;
  readonly id: string;
  /** The members that were sent: one that is null is asked about as if it weren't said, and comes back. */
  readonly properties: Properties;
}

export interface FilteredRecord {
  readonly index: number;
  readonly type: string;
  readonly id: string;
  readonly properties: Properties;
  /** The obligations that are left to the client; absent where there are none. */
  readonly obligations?: readonly Obligation[];
}

export interface FilteredList {
  /** The id of its decision record. */
  readonly id: string;
  readonly records: readonly FilteredRecord[];
  /** The numbers of records that are left out, by the first reason of each. */
  readonly removed: ReadonlyMap<ReasonCode, number>;
  /** The records that can't be asked about, each with what is wrong. */
  readonly invalid: readonly { readonly index: number; readonly error: BadRequest }[];
  /** undefined where it isn't the whole question that is refused. */
  readonly refusal: ListRefusal | undefined;
}

export interface FilterRequest {
  /** The question about each record, with a placeholder for the resource. */
  readonly template: Question;
  readonly records: readonly FilterableRecord[];
  /** The request's `Idempotency-Key`; undefined where it has none. */
  readonly key: string | undefined;
  /** The deployment's secret, for masks that hash. */
  readonly secret: string;
  /** The request as its record keeps it. */
  readonly summary: Readonly<Record<string, unknown>>;
  /** The part of a stream that this is; undefined where it is all there is. */
  readonly part?: StreamPart;
}

/** A part of a stream of records, each of which is a list with a record of its own. */
export interface StreamPart {
  /** The id of its decision record. */
  readonly id: string;
  /** The types of the records before: a question that isn't refused for all of them isn't refused as a whole. */
  readonly earlierTypes: readonly string[];
}

/** The types for which a refusal of the whole question is looked for. */
export const MAX_REFUSED_TYPES = 16;

/**
 * @throws BadRequest where the question itself is at fault
 * @throws Fault where a record can't be decided, or the list not recorded
 */
export function filterRecords(request: FilterRequest, deps: DecisionDeps): Promise<FilteredList> {
  return Deadline.run(deps.deadlineMs, async (deadline) => {
    for (;;) {
      const list = await filterOnce(request, deps);
      if (list !== 'overtaken') return list;
      await deadline.race(setImmediate());
    }
  });
}

/** @returns `overtaken` where the past that it rests on has changed before it was stored */
async function filterOnce(
  { template, records, key, secret, summary, part }: FilterRequest,
  deps: DecisionDeps,
): Promise<FilteredList | 'overtaken'> {
  const requester = await identifyListRequester(template, deps);
  const retry = key === undefined ? undefined : await planListRetryKey({ ...requester, records }, key, deps.now());
  const graph = new GraphSnapshot(deps.relationships, template.consistency);
  const toQuestion = ({ type, id, properties }: Omit<FilterableRecord, 'index'>): Question => ({
    ...template,
    resource: { type, id, properties: omitNulls(properties) },
  });
  const previews = await previewQuestions(records.map(toQuestion), graph, deps, {
    retry,
    noted: createNotes(template, deps),
  });
  const selection = new Selection(template.dryRun, createMask(secret));
  for (const [i, record] of records.entries()) {
    await yieldToEventLoop();
    selection.add(record, previews[i]);
  }
  const { permitted, invalid } = selection;
  const named = [...(part?.earlierTypes ?? []), ...records.map(({ type }) => type)];
  // A question about no record may yet be refused whatever it is about.
  const types = [...new Set(named.length > 0 ? named : listActionTypes(template, deps))].slice(0, MAX_REFUSED_TYPES);
  const templates = types.map((type) => toQuestion({ ...template.resource, type }));
  const isEmpty = permitted.length === 0 && templates.length > 0;
  const refusal = isEmpty ? await findListRefusal(templates, graph, deps, 'resource') : undefined;
  const recorded = await recordSearch(
    'filter',
    summary,
    requester,
    selection.items.contents(),
    graph,
    deps,
    permitted,
    selection.effects(),
    retry &&
      bindListRetryKey(
        retry,
        permitted.map(({ index }) => index),
      ),
    part?.id,
  );
  if (recorded.overtaken === true) return 'overtaken';
  const { id, reserved } = recorded;
  const handedOut = permitted.filter((_record, i) => reserved[i] === true);
  selection.items.leaveOut('limit_exceeded', permitted.length - handedOut.length);
  return { id, records: handedOut.map(({ shown }) => shown), removed: selection.items.removed, invalid, refusal };
}

/**
 * The notes of what each record leaves for those after it: an action whose policies ask about the past, and that is part of
 * it, is judged as if the records were asked for one after the other.
 */
function createNotes({ action }: Question, { rules }: DecisionDeps): NotedEvents | undefined {
  const { actions, countedEventsOf } = rules().vocabulary;
  const isPast = actions.some(
    (known) => known.name === action.name && known.history.length > 0 && countedEventsOf(known).length > 0,
  );
  return isPast ? new NotedEvents() : undefined;
}

/** The types of resources that the question's action is on; that of the placeholder where there is no such action. */
function listActionTypes({ action, resource }: Question, { rules }: DecisionDeps): string[] {
  const actions = rules().vocabulary.actions.filter(({ name }) => name === action.name);
  const types = actions.flatMap(({ resourceTypes }) => resourceTypes.map(({ object }) => object));
  return types.length > 0 ? types : [resource.type];
}

interface PermittedRecord {
  readonly index: number;
  readonly shown: FilteredRecord;
  readonly charges: readonly Charge[];
  readonly history: HistoryUse | undefined;
}

/** The records of a list, sorted by what is decided on each. */
class Selection {
  readonly permitted: PermittedRecord[] = [];
  readonly invalid: { index: number; error: BadRequest }[] = [];
  /** The permitted ones, as the list's record names them. */
  readonly items = new ListedItems();
  private readonly reviews: OpenedReview[] = [];
  private readonly reachedLimits = new Map<string, ReachedLimit>();

  constructor(
    private readonly isDryRun: boolean,
    private readonly mask: ReturnType<typeof createMask>,
  ) {}

  /** @throws BadRequest where it isn't the record that is at fault */
  add(record: FilterableRecord, preview: DecisionPreview | BadRequest | undefined): void {
    if (preview instanceof BadRequest) {
      if (!preview.at.startsWith('resource')) throw preview;
      this.invalid.push({ index: record.index, error: preview });
      return;
    }
    for (const limit of preview?.limits ?? []) this.reachedLimits.set(limit.key, limit);
    if (preview?.allowed !== true) this.items.leaveOut(findFirstReason(preview));
    else this.permit(record, preview);
  }

  effects(): { reviews: OpenedReview[]; reachedLimits: ReachedLimit[] } {
    return { reviews: this.reviews, reachedLimits: [...this.reachedLimits.values()] };
  }

  private permit({ index, type, id, properties }: FilterableRecord, preview: DecisionPreview): void {
    const obligations = preview.obligations.filter((obligation) => !MASKING_OBLIGATIONS.includes(obligation.type));
    // What is handed out of limited data is a use, and a dry run uses nothing: it answers which records, and no data.
    const isWithheld = this.isDryRun && preview.charges.length > 0;
    const shown = { index, type, id, properties: isWithheld ? {} : this.mask(properties, preview.obligations) };
    this.reviews.push(...preview.reviews);
    this.items.add(type, id, preview.obligations);
    this.permitted.push({
      index,
      charges: preview.charges,
      history: preview.history,
      shown: obligations.length === 0 ? shown : { ...shown, obligations },
    });
  }
}
