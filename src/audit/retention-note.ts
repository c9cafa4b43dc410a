/**
 * The word of the retention about the log: below which place, and older than what time, records are gone because they were kept
 * long enough. The keys of the log sign it, so that what the retention prunes is told from what was removed by other means.
 */
import type { KeyObject } from 'node:crypto';
import { parseTreeNumber } from './checkpoint.js';
import type { HeldSummary } from './held-places.js';
import { NoteRefused, openNote, signNote, type NoteKey } from './signed-note.js';

/** No name of a log has a space in it, so this is never taken for a checkpoint, nor one for this. */
const RETENTION_LINE = 'remit retention v1';
/** The name that stands in a text that no key signs. */
const UNSIGNED_ORIGIN = 'unsigned';
const HELD_WORD = 'held';
const HELD_LINE = /^held (\d+) ([A-Za-z0-9+/]{43}=)$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export interface RetentionTerms {
  /** The number of leaves that were under a signed checkpoint: records after them stay. */
  readonly below: number;
  /** RFC 3339 in UTC, to the millisecond: records of this time and later stay. */
  readonly olderThan: string;
  /** The time at which it was said. */
  readonly madeAt: string;
  /** The list of the places that a legal hold on people keeps nevertheless; undefined where there is none. */
  readonly held?: HeldSummary | undefined;
}

/** @param privateKeys each signs it; none where nothing signs the log */
export function formatRetention(
  { below, olderThan, madeAt, held }: RetentionTerms,
  origin = UNSIGNED_ORIGIN,
  ...privateKeys: readonly KeyObject[]
): string {
  const heldLines = held === undefined ? [] : [`${HELD_WORD} ${held.count} ${held.hash}`];
  const text = `${[RETENTION_LINE, origin, below, olderThan, madeAt, ...heldLines].join('\n')}\n`;
  return privateKeys.length === 0 ? text : signNote(text, origin, ...privateKeys);
}

/** @throws NoteRefused where the key hasn't signed it, or where it is not about the key's log */
export function openRetention(note: string, key: NoteKey): RetentionTerms {
  return parseTerms(openNote(note, key), key.name);
}

/** Reads what a deployment without a key has written. @throws NoteRefused */
export function parseUnsignedRetention(text: string): RetentionTerms {
  return parseTerms(text, UNSIGNED_ORIGIN);
}

/** Whether a leaf is of a record that the retention has pruned, or is about to. @param at of the leaf, RFC 3339 */
export function coversLeaf({ below, olderThan }: RetentionTerms, index: number, at: string): boolean {
  return index < below && Date.parse(at) < Date.parse(olderThan);
}

function parseTerms(text: string, name: string): RetentionTerms {
  const [firstLine, origin, size = '', olderThan = '', madeAt = '', ...rest] = text.split('\n');
  const below = parseTreeNumber(size);
  const held = rest.length === 2 ? parseHeld(rest[0] ?? '') : undefined;
  const isEnded = rest.at(-1) === '' && (rest.length === 1 || held !== undefined);
  if (firstLine !== RETENTION_LINE || below === undefined || !isEnded)
    throw new NoteRefused('it is not of the retention');
  if (origin !== name) throw new NoteRefused('it is of the retention of another log');
  const [cutoff, made] = [olderThan, madeAt].map((time) => (INSTANT.test(time) ? Date.parse(time) : Number.NaN));
  if (!(Number(cutoff) < Number(made))) throw new NoteRefused('it says that records are old that were not yet made');
  return { below, olderThan, madeAt, ...(held === undefined ? {} : { held }) };
}

function parseHeld(line: string): HeldSummary | undefined {
  const [, count = '', hash = ''] = HELD_LINE.exec(line) ?? [];
  const parsed = parseTreeNumber(count);
  return parsed === undefined ? undefined : { count: parsed, hash };
}
