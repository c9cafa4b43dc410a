/** A task as the database has it, from what was asked to what became of it: the stores of approvals read its rows. */
import type { Approval, ApprovalAnswer, ApprovalRequester, TaskState } from '../model/approvals.js';
import type { EntityRef } from '../model/ids.js';
import type { DatabaseRow } from './database/port.js';

/** The question that is approved, as approvers are shown it: what decides nothing isn't part of it. */
export interface ApprovedQuestion {
  readonly subject: EntityRef;
  readonly action: { readonly name: string; readonly properties: Readonly<Record<string, unknown>> };
  readonly resource: EntityRef & { readonly properties: Readonly<Record<string, unknown>> };
  readonly context: Readonly<Record<string, unknown>>;
}

/** The part of a task that was asked and never changes. JSON. */
export interface AskedTask extends Pick<Approval, 'binding' | 'steps' | 'emergency' | 'details'> {
  readonly question: ApprovedQuestion;
  readonly chain: readonly EntityRef[];
  /** The decision that was denied. */
  readonly denial: string;
  /** Tells the question from others, whichever client asks it; undefined where the denial doesn't say what of it decides. */
  readonly question_sha256?: string | undefined;
  /** The end of the approval that was asked for, RFC 3339. */
  readonly requested_until?: string | undefined;
}

export interface StoredTask extends AskedTask, Omit<Approval, keyof AskedTask>, ApprovalRequester {
  /** The class of questions as it was asked for: `details` is what answers have left of it. */
  readonly asked_details?: Approval['details'];
  readonly answers: readonly StoredAnswer[];
  /** The no, where it was denied. */
  readonly denied?: Refusal | undefined;
  /** The caller that asked, as it is recorded: the id of a client, or `agent:…`. */
  readonly requester: string;
  /** RFC 3339. */
  readonly asked: string;
  /** The instant until which it can be answered. */
  readonly expires: string;
  /** When it was answered, or ended. */
  readonly decided?: string | undefined;
}

/** An answer, with the terms under which it was given. */
export interface StoredAnswer extends ApprovalAnswer {
  readonly scope: Approval['scope'];
  /** RFC 3339. */
  readonly until: string;
  readonly note?: string | undefined;
  /** The class of questions that the approver agreed to, where one was asked for. */
  readonly details?: Approval['details'];
}

/** A no, which is to the whole. */
export type Refusal = Pick<StoredAnswer, 'by' | 'at' | 'note'>;

export interface TaskAnswer {
  readonly denied?: Refusal | undefined;
  readonly answers: readonly StoredAnswer[];
  /** `pending` where other steps still lack their yes. */
  readonly state: 'pending' | 'approved' | 'denied';
  readonly scope: Approval['scope'];
  readonly approved_until?: string | undefined;
}

/** Ended tasks are kept for a week: the same request again is then the same task. */
export const KEPT_AFTER_END_MS = 7 * 86_400_000;

export function toStoredTask(row: DatabaseRow): StoredTask {
  const { chain, question, denial, requested_until, details } = row['task'] as AskedTask;
  return {
    ...toApproval(row),
    answers: row['answers'] as readonly StoredAnswer[],
    ...(row['denied'] === null ? {} : { denied: row['denied'] as Refusal }),
    chain,
    question,
    denial,
    ...(details === undefined ? {} : { asked_details: details }),
    ...(requested_until === undefined ? {} : { requested_until }),
    user: toParty(row['user_type'], row['user_id']),
    agent: toParty(row['agent_type'], row['agent_id']),
    requester: String(row['requester']),
    asked: toInstant(row['asked']) ?? '',
    expires: toInstant(row['expires']) ?? '',
    decided: toInstant(row['decided']),
  };
}

/** The part of it that decisions read. */
export function toApproval(row: DatabaseRow): Approval {
  const { binding, steps, emergency, details: asked } = row['task'] as AskedTask;
  const answers = row['answers'] as readonly StoredAnswer[];
  // Each answer can only narrow what the one before has left.
  const details = answers.at(-1)?.details ?? asked;
  const approvedUntil = toInstant(row['approved_until']);
  return {
    id: String(row['id']),
    state: row['state'] as TaskState,
    binding,
    steps,
    answers: answers.map(({ step, by, at }) => ({ step, by, at })),
    ...(emergency === undefined ? {} : { emergency }),
    ...(details === undefined ? {} : { details }),
    scope: row['scope'] as Approval['scope'],
    ...(approvedUntil === undefined ? {} : { approved_until: approvedUntil }),
    ...(typeof row['used_by'] === 'string' ? { used_by: row['used_by'] } : {}),
    granted: row['grant_state'] === 'none' || row['grant_state'] === 'written',
  };
}

function toParty(type: unknown, id: unknown): EntityRef | undefined {
  return type === '' ? undefined : { type: String(type), id: String(id) };
}

/** @param value a timestamp, or its text where it was read as JSON */
export function toInstant(value: unknown): string | undefined {
  return value instanceof Date || typeof value === 'string' ? new Date(value).toISOString() : undefined;
}
