/**
 * Estimates the memory of cached answers: the caches of both engines are bounded by bytes, since ids may have a
 * thousand characters, and paths and lists any number of ids.
 */
import type { CheckAnswer } from '../model/checks.js';
import type { Relationship } from '../model/relationships.js';

/** An entry of a cache, with an object or two, beside its texts. */
const ENTRY_BYTES = 200;
/** A text in a list, or the texts of a relationship, beside their characters. */
const ITEM_BYTES = 50;

/** The longest key that is cached. */
export const MAX_CACHED_KEY_LENGTH = 8_192;

/** The bytes of texts, at two for each character, which is the most. */
export function estimateTextBytes(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + ITEM_BYTES + 2 * text.length, 0);
}

export function estimateAnswerBytes(answer: CheckAnswer, key: string): number {
  const path = answer.result === 'yes' ? (answer.path ?? []) : [];
  const message = answer.result === 'unanswerable' ? answer.message : '';
  return ENTRY_BYTES + 2 * (key.length + message.length) + estimateTextBytes(path);
}

export function estimateListBytes(ids: readonly string[], key: string): number {
  return ENTRY_BYTES + 2 * key.length + estimateTextBytes(ids);
}

export function estimateReadBytes(relationships: readonly Relationship[], key: string): number {
  const ids = relationships.flatMap(({ resource, subject, caveat }) => [
    resource.id,
    subject.id,
    ...(caveat === undefined ? [] : [JSON.stringify(caveat.context)]),
  ]);
  // A relationship has a type, a relation and an object or two beside its ids.
  return ENTRY_BYTES * (1 + relationships.length) + 2 * key.length + estimateTextBytes(ids);
}
