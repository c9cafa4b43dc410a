/**
 * The parts of a record that a receipt opens, by who reads it: no more than GET /v1/decisions/{id} shows them. A part is opened
 * whole or not at all, so one that says anything more stays closed.
 */
import type { LoggedRecord } from '../audit/leaf.js';
import { splitRecord } from '../audit/leaf.js';
import { hideReviews, type DecisionRecord, type SearchRecord } from '../model/decision.js';
import { listPlainReasons, listShownObligations } from './user-decision-json.js';

/** `own`: the user that it was done for; `audited`: a person who may audit the thing. */
export type ReceiptReader = 'admin' | 'client' | 'own' | 'audited';
type RecordOrList = DecisionRecord | SearchRecord;

/** The members of a request that a person who audits is shown: neither the task nor the client's own number of it. */
const AUDITED_REQUEST: ReadonlySet<string> = new Set(['subject', 'action', 'resource']);

/**
 * @param record with its values
 * @param logged the same as the log has it
 */
export function selectOpenParts(
  record: RecordOrList,
  logged: LoggedRecord,
  reader: ReceiptReader,
): ReadonlySet<string> {
  const names = [...splitRecord(logged).keys()];
  switch (reader) {
    case 'admin':
      return new Set(names);
    case 'client':
      return new Set(names.filter((name) => name !== 'facts' && (name !== 'rationale' || !hasReviews(record))));
    case 'own':
      return new Set(['question', 'answer', ...listTellingParts(record, logged)]);
    case 'audited':
      return new Set(['answer', ...(isPlainRequest(record) ? ['question'] : [])]);
  }
}

/**
 * The values that its user may see opened: the task, and the sentences for people. Where a place has no commitment it has
 * the value itself.
 */
export function listOpenValues(record: RecordOrList, reader: ReceiptReader): ReadonlyMap<string, unknown> {
  if (reader !== 'own') return new Map();
  const { task } = record.request;
  const sentences =
    'rationale' in record ? record.reasons.map(({ people }, i) => [`/reasons/${i}/people`, people]) : [];
  const values = [['/request/task', task], ...sentences] as readonly (readonly [string, unknown])[];
  return new Map(values.filter(([, value]) => typeof value === 'string'));
}

/** The parts that tell a user why, as far as they tell no more than people are told. */
function listTellingParts(record: RecordOrList, { keys }: LoggedRecord): string[] {
  if (!('rationale' in record)) return ['keys'];
  const told = listPlainReasons(record);
  const [first] = record.reasons;
  const isToldFirst = first === undefined || told.includes(first);
  const isToldWhole = told.length === record.reasons.length;
  // Records of versions before have in clear what operators are told.
  const isProtected = keys['protected'] === true;
  return [
    // They have the code of the first reason.
    ...(isToldFirst ? ['keys'] : []),
    ...(isToldWhole && isProtected ? ['reasons'] : []),
    ...(isProtected && listShownObligations(record).length === record.obligations.length ? ['obligations'] : []),
  ];
}

function isPlainRequest({ request }: RecordOrList): boolean {
  return Object.entries(request).every(([name, value]) => value === undefined || AUDITED_REQUEST.has(name));
}

function hasReviews(record: RecordOrList): boolean {
  if (!('rationale' in record)) return false;
  const { steps } = record.rationale;
  return hideReviews(record.rationale).steps.some((step, i) => step !== steps[i]);
}
