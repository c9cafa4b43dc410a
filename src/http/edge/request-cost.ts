/**
 * Counts what a request costs of its caller's rate: one, and more for a body that takes longer to read, or has many
 * questions.
 */
import type { AuthenticatedParty } from '../../model/question.js';
import { isObject } from '../../policy/schema/types.js';

/** Items of a batch that count as one request of a client. Each item of an agent that calls by itself counts as one. */
const CLIENT_ITEMS_A_REQUEST = 10;
/**
 * The bytes of a body that count as one request more, since reading them takes as long. A usual text has no more of the
 * others where it has so many bytes.
 */
export const BODY_BYTES_A_REQUEST = 16 * 1024;
const PIECES_A_REQUEST = 256;
/** A body that is read again, for the place of what is wrong, counts for each of these. */
export const LOCATED_CHARACTERS_A_REQUEST = 1_024;
const STRUCTURES_A_REQUEST = 1_000;
const VALUES_A_REQUEST = 4_000;

/** The measures of a body, as far as it was read. */
export interface BodySize {
  readonly bytes: number;
  readonly pieces?: number;
  readonly structures?: number;
  readonly values?: number;
}

/** Counts a body in requests, beyond the request itself: by what it has the most of. */
export function countBodyRequests({ bytes, pieces = 0, structures = 0, values = 0 }: BodySize): number {
  return Math.floor(
    Math.max(
      bytes / BODY_BYTES_A_REQUEST,
      pieces / PIECES_A_REQUEST,
      structures / STRUCTURES_A_REQUEST,
      values / VALUES_A_REQUEST,
    ),
  );
}

/** Counts the questions of a request: a batch costs as many decisions as it has items. */
export function countItemRequests(caller: AuthenticatedParty, body: unknown): number {
  return countQuestionRequests(caller, countItems(body));
}

/** The same of so many questions. */
export function countQuestionRequests({ kind }: AuthenticatedParty, questions: number): number {
  return kind === 'client' ? Math.ceil(questions / CLIENT_ITEMS_A_REQUEST) : questions;
}

/** The items of a batch or the records of a filter; 1 for any other body. Longer lists are refused by validation. */
export function countItems(body: unknown): number {
  if (!isObject(body)) return 1;
  const { evaluations, records } = body;
  const items = Array.isArray(evaluations) ? evaluations : Array.isArray(records) ? records : [];
  return Math.max(1, items.length);
}
