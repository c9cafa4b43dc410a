/**
 * The list of the places in the log that a legal hold keeps, as the retention's note refers to it: `3,7-9`. It may be long, so that the
 * note has its hash, and the record of the note has the list beside it.
 */
import { createHash } from 'node:crypto';
import { parseTreeNumber } from './checkpoint.js';
import { NoteRefused } from './signed-note.js';

/** The part of a note that refers to the list. */
export interface HeldSummary {
  readonly count: number;
  /** SHA-256 of the list's text, in base64. */
  readonly hash: string;
}

/** The text of a list. @param places in any order */
export function formatHeldPlaces(places: Iterable<number>): string {
  const ranges: [number, number][] = [];
  for (const place of [...new Set(places)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === place - 1) last[1] = place;
    else ranges.push([place, place]);
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(',');
}

export function summarizeHeldPlaces(text: string, count: number): HeldSummary {
  return { count, hash: createHash('sha256').update(text).digest('base64') };
}

/** The places of a list that a note refers to. @throws NoteRefused where it is another list, or none */
export function openHeldPlaces(text: string | undefined, { count, hash }: HeldSummary): ReadonlySet<number> {
  if (text === undefined || summarizeHeldPlaces(text, count).hash !== hash)
    throw new NoteRefused('the list of what a legal hold keeps is not the one that was signed');
  const places = new Set<number>();
  for (const range of text === '' ? [] : text.split(',')) {
    const [first = '', last = first] = range.split('-');
    const [from, to] = [parseTreeNumber(first), parseTreeNumber(last)];
    if (from === undefined || to === undefined || to - from >= count)
      throw new NoteRefused('the list of what a legal hold keeps is none');
    for (let place = from; place <= to; place += 1) places.add(place);
  }
  if (places.size !== count) throw new NoteRefused('the list of what a legal hold keeps has another length');
  return places;
}
