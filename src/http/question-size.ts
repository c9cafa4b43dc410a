/**
 * Measures how long a question is, in its parts as they stand in a body: subject, action, resource and context. The
 * items of a batch share its defaults, so a short body can hold many long questions; what they share is measured once.
 */
import { BadRequest } from '../model/faults.js';
import { isObject } from '../policy/schema/types.js';
import { memoizeByObject } from '../runtime/memoize.js';

export const QUESTION_PARTS = ['subject', 'action', 'resource', 'context'] as const;

/** The parts of a question as they stand in a body, unvalidated. */
export type QuestionParts = Readonly<Partial<Record<(typeof QUESTION_PARTS)[number], unknown>>>;

/** The longest part of a question, in characters of JSON: enough for attributes, too little to keep Cedar busy for long. */
export const MAX_PART_LENGTH = 32 * 1024;

interface TextSize {
  readonly characters: number;
  readonly bytes: number;
}

const measurePart = memoizeByObject((part: object): TextSize => {
  const text = JSON.stringify(part);
  return { characters: text.length, bytes: Buffer.byteLength(text) };
});

/**
 * Checks the length of each part of a question.
 * @throws BadRequest naming the part
 */
export function checkPartLengths(body: QuestionParts): void {
  for (const name of QUESTION_PARTS) {
    const part = body[name];
    if (isObject(part) && measurePart(part).characters > MAX_PART_LENGTH)
      throw new BadRequest(`must be at most ${MAX_PART_LENGTH} characters long as JSON`, name);
  }
}

/** The bytes of a question's parts, as JSON. @param body of a single question, or an item with the defaults of its batch */
export function measureQuestion(body: unknown): number {
  if (!isObject(body)) return 0;
  let bytes = 0;
  for (const name of QUESTION_PARTS) {
    const part = body[name];
    if (isObject(part)) bytes += measurePart(part).bytes;
  }
  return bytes;
}
