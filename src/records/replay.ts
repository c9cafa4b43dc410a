/**
 * Replay: recorded decisions made again. By the rules that made them they must come out the same; by others it shows what
 * would change. `remit replay`, explain and the reload tests call it.
 */
import type { Decision, DecisionRecord, Rationale, SearchRecord } from '../model/decision.js';
import type { Rules } from '../policy/load.js';
import { classifyChange, compareObligations, type DecisionChange, type ObligationChanges } from './difference.js';
import { answerRecord, type RecordAnswer } from './redecide.js';

export type ReplayResult =
  | { readonly kind: 'same' }
  | {
      readonly kind: 'changed';
      readonly change: DecisionChange;
      readonly after: Decision;
      readonly obligations: ObligationChanges;
    }
  /** The decision rests, by these rules, on what is not on record. */
  | { readonly kind: 'inconclusive'; readonly missing: readonly string[] }
  /** The question itself is at fault by these rules. */
  | { readonly kind: 'refused'; readonly why: string }
  /** The record's values were erased, or are no longer kept. */
  | { readonly kind: 'values_erased' }
  /** The record is of a list, whose single questions are not on record, or has no facts. */
  | { readonly kind: 'unrecorded' };

export function replayRecord(record: DecisionRecord | SearchRecord, rules: Rules): ReplayResult {
  if ('values_erased' in record) return { kind: 'values_erased' };
  if (!('facts' in record) || record.facts === undefined) return { kind: 'unrecorded' };
  return compareWithRecord(record, answerRecord({ ...record, facts: record.facts }, rules));
}

/** Classifies the difference of an answer from the recorded one. */
export function compareWithRecord(record: DecisionRecord, answer: RecordAnswer): ReplayResult {
  if (answer.kind === 'refused') return { kind: 'refused', why: answer.why };
  const { decision: after, missing } = answer;
  // With nothing missing it is the recorded failure of an engine over again, which is compared.
  if (answer.kind === 'inconclusive' && missing.length > 0) return { kind: 'inconclusive', missing };
  const { decision, reasons, obligations, access_request } = after;
  const before = wasStored(record) ? record : { ...record, decision, reasons, obligations, access_request };
  const change = classifyChange(before, after);
  if (change === undefined) return { kind: 'same' };
  return { kind: 'changed', change, after, obligations: compareObligations(before, after) };
}

/**
 * A record that could not be stored in time denies for that alone, and has no other reasons: there is nothing to compare an
 * answer with.
 */
function wasStored({ rationale }: DecisionRecord): boolean {
  return rationale.steps.every(({ step, outcome }) => step !== 'record' || outcome === 'pass');
}

/** The acting parties in a line, `agent:planner for user:ann`; empty where the binding step established none. */
export function formatActing({ acting }: Pick<Rationale, 'acting'>): string {
  return [acting?.agent, acting?.user].filter((ref) => ref !== undefined).join(' for ');
}

/** The question in a line: `agent:planner for user:ann read document:plan`. */
export function formatQuestion({ request, rationale }: Pick<DecisionRecord, 'request' | 'rationale'>): string {
  const { subject, action, resource } = request;
  return `${formatActing(rationale) || `${subject.type}:${subject.id}`} ${action} ${resource.type}:${resource.id}`;
}

/** The grounds of a decision in a line: the policies that permit it, or the reasons that deny it. */
export function formatGrounds({
  decision,
  reasons,
  rationale,
  access_request: offer,
}: Pick<Decision, 'decision' | 'reasons' | 'rationale' | 'access_request'>): string {
  const permits = rationale.steps.find(({ step }) => step === 'policy')?.evidence['permitted_by'] ?? [];
  if (decision) return `permitted by ${(permits as readonly { readonly id: string }[]).map(({ id }) => id).join(', ')}`;
  if (reasons.length === 0) return 'undecided';
  const grounds = reasons.map(({ code, policies = [] }) => [code, policies.join(', ')].join(' ').trim());
  const asked = (offer?.steps ?? []).map((step) =>
    step.kind === 'user' ? 'the user' : `holders of ${step.permission}`,
  );
  return [...grounds, ...(asked.length === 0 ? [] : [`to be asked of ${asked.join(', ')}`])].join('; ');
}
