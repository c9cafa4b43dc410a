/**
 * Recorded decisions made again. By the rules that they were made with they must come out the same; by others it shows
 * what would change.
 */
import { classifyChange, type DecisionChange } from './difference.js';
import { redecide } from '../decide/decide.js';
import type { Decision, DecisionRecord, Rationale, SearchRecord } from '../model/decision.js';
import { BadRequest } from '../model/faults.js';
import type { Rules } from '../policy/load.js';

export type ReplayResult =
  | { readonly kind: 'same' }
  | { readonly kind: 'changed'; readonly change: DecisionChange; readonly after: Decision }
  /** By these rules it rests on what is not on record. */
  | { readonly kind: 'inconclusive'; readonly missing: readonly string[] }
  /** By these rules the question itself is at fault. */
  | { readonly kind: 'refused'; readonly why: string }
  /** A list, of which single questions are not on record; or one without its facts. */
  | { readonly kind: 'unrecorded' };

export function replayRecord(record: DecisionRecord | SearchRecord, rules: Rules): ReplayResult {
  if (!('facts' in record) || record.facts === undefined) return { kind: 'unrecorded' };
  try {
    const { decision: after, missing } = redecide({ ...record, facts: record.facts }, rules);
    // A deny outweighs what is unknown; where nothing denies, what is missing might.
    if (missing.length > 0 && after.fault !== undefined) return { kind: 'inconclusive', missing };
    const before = wasStored(record) ? record : { ...record, decision: after.decision, obligations: after.obligations };
    const change = classifyChange(before, after);
    return change === undefined ? { kind: 'same' } : { kind: 'changed', change, after };
  } catch (error) {
    if (error instanceof BadRequest) return { kind: 'refused', why: `${error.at} ${error.message}`.trim() };
    throw error;
  }
}

/** Denied only since its record could not be stored in time: all the rest of it still holds. */
function wasStored({ rationale }: DecisionRecord): boolean {
  return rationale.steps.every(({ step, outcome }) => step !== 'record' || outcome === 'pass');
}

/** `agent:planner for user:ann`; empty where nobody was established. */
export function formatActing({ acting }: Pick<Rationale, 'acting'>): string {
  return [acting?.agent, acting?.user].filter((ref) => ref !== undefined).join(' for ');
}

/** Who does what to what, in a line. */
export function formatQuestion({ request, rationale }: Pick<DecisionRecord, 'request' | 'rationale'>): string {
  const { subject, action, resource } = request;
  return `${formatActing(rationale) || `${subject.type}:${subject.id}`} ${action} ${resource.type}:${resource.id}`;
}

/** Why it is so, in a line: what allows it, or what denies it. */
export function formatGrounds({
  decision,
  reasons,
  rationale,
}: Pick<Decision, 'decision' | 'reasons' | 'rationale'>): string {
  const cited = rationale.steps.find(({ step }) => step === 'policy')?.evidence['permitted_by'] ?? [];
  if (decision) return `permitted by ${(cited as readonly { readonly id: string }[]).map(({ id }) => id).join(', ')}`;
  if (reasons.length === 0) return 'undecided';
  return reasons.map(({ code, policies = [] }) => [code, policies.join(', ')].join(' ').trim()).join('; ');
}
