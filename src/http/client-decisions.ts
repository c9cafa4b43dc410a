/**
 * The decisions that a client may see: its own, or an admin's all. They are shown as the log has them, and with people and values
 * only where the caller has shown that it may read them.
 */
import { readDecisionId } from '../decide/decision-id.js';
import { hideReviews, type DecisionRecord, type SearchRecord } from '../model/decision.js';
import { formatCallerId, type Caller } from '../model/question.js';
import { toShownMembers, type ShownMembers } from '../records/export/shown-record.js';
import type { Service } from '../service/service.js';
import type { DecisionStore } from '../store/decisions.js';
import type { DecisionFilter } from '../store/list-decisions.js';
import type { ClosedRecord, StoredDecision } from '../store/stored-decision.js';

type DecisionReading = Pick<Service, 'decisions'>;

/** Finds a decision or a list that the caller may see; another's counts as absent. @throws Fault */
export async function findClientDecision(
  { decisions }: DecisionReading,
  caller: Caller,
  name: string,
  withValues: boolean,
): Promise<object | undefined> {
  if (withValues) {
    const stored = await findVisibleDecision(decisions, name, caller);
    return stored && { ...hideFacts(caller, stored.record), outcome: stored.outcome };
  }
  const id = readDecisionId(name);
  const stored = id === undefined ? undefined : await decisions.findClosed(id);
  if (stored === undefined || !isVisible(stored.record.record['client'], caller)) return undefined;
  return { ...showClosed(caller, stored.record), outcome: closeOutcome(stored.outcome) };
}

/** Lists the decisions that the caller may see. @throws Fault; BadRequest where the key is none */
export async function listClientDecisions(
  { decisions }: DecisionReading,
  caller: Caller,
  filter: DecisionFilter,
  page: { readonly after: string | undefined; readonly size: number; readonly withValues: boolean },
): Promise<{ readonly results: readonly object[]; readonly next: string | undefined }> {
  const selection = { ...filter, ...(isAdmin(caller) ? {} : { client: formatCallerId(caller) }) };
  if (page.withValues) {
    const { records, next } = await decisions.list(selection, page.after, page.size);
    return { results: records.map((record) => hideFacts(caller, record)), next };
  }
  const { records, next } = await decisions.listClosed(selection, page.after, page.size);
  return { results: records.map((closed) => showClosed(caller, closed)), next };
}

/** Finds a record that the caller may see, for what the service itself does with it. @throws Fault */
export async function findVisibleDecision(
  decisions: DecisionStore,
  name: string,
  caller: Caller,
): Promise<StoredDecision | undefined> {
  const id = readDecisionId(name);
  const decision = id === undefined ? undefined : await decisions.find(id);
  return decision !== undefined && isVisible(decision.record.client, caller) ? decision : undefined;
}

function isVisible(client: unknown, caller: Caller): boolean {
  return client === formatCallerId(caller) || isAdmin(caller);
}

function isAdmin(caller: Caller): boolean {
  return caller.kind === 'client' && caller.client.may.has('admin');
}

function showClosed(caller: Caller, { record, isProtected }: ClosedRecord): object {
  const members = toShownMembers({ kind: 'decision', keys: { protected: isProtected }, record });
  return { ...hideFacts(caller, members), values_hidden: true };
}

/** Leaves out of an outcome what clients may write of people: outcomes of versions before have it in clear. */
function closeOutcome(outcome: StoredDecision['outcome']): object | undefined {
  if (outcome === undefined) return undefined;
  const { detail: _detail, properties: _properties, ...others } = outcome;
  return others;
}

/**
 * Leaves out the facts, which show what is stored of people and resources, and the policies by which people review what
 * was allowed, unless the client is an admin.
 */
function hideFacts(caller: Caller, record: DecisionRecord | SearchRecord | ShownMembers): object {
  if (isAdmin(caller) || !('rationale' in record)) return record;
  const { facts, rationale, ...others } = record as DecisionRecord;
  const shown = { ...others, rationale: hideReviews(rationale) };
  return facts === undefined ? shown : { ...shown, redacted: true };
}
