/**
 * Lists the records that a legal hold on people keeps although the retention covers them. The note of the retention refers to the list, so
 * that one of them which is gone is told from what was pruned. record-sweeper.ts calls it.
 */
import { openHeldPlaces } from '../audit/held-places.js';
import type { RetentionTerms } from '../audit/retention-note.js';
import { NoteRefused, openOrRefusal } from '../audit/signed-note.js';
import { Fault } from '../model/faults.js';
import { yieldToEventLoop } from '../runtime/yield.js';
import type { AgedKind, AgedQuery, AgedRecord, RetentionStore, StoredRetention } from '../store/retention-store.js';

export const NOTHING_LISTED: ReadonlySet<number> = new Set();

/** The order in which records go. */
export const AGED_KINDS: readonly AgedKind[] = ['decided', 'later'];
/** Places that are looked up at a time. */
const PLACES_AT_A_TIME = 1000;
/** A list of more is too long to be said each day. Put the hold on all instead: then nothing is pruned. */
const MAX_HELD_PLACES = 200_000;

/** The places that a note lists. @throws Fault where its list is not what was signed */
export function openListed({ id, held }: StoredRetention, terms: RetentionTerms): ReadonlySet<number> {
  const { held: summary } = terms;
  if (summary === undefined) return NOTHING_LISTED;
  const places = openOrRefusal(() => openHeldPlaces(held, summary));
  if (places instanceof NoteRefused) throw new Fault('log_damaged', `${id}: ${places.message}`, { cause: places });
  return places;
}

/**
 * Lists the places of what is on hold and covered, with what was reported of it.
 * @param listed by the note before: of these, what is gone stays listed, since the retention prunes nothing that is
 * @throws Fault
 */
export async function listHeldPlaces(
  retentions: Pick<RetentionStore, 'readAged' | 'listPlaces' | 'selectMissing'>,
  query: AgedQuery,
  listed: ReadonlySet<number>,
): Promise<ReadonlySet<number>> {
  const places = new Set<number>();
  const add = (added: readonly number[]): void => {
    for (const place of added) places.add(place);
    if (places.size > MAX_HELD_PLACES)
      throw new Fault('overloaded', `more than ${MAX_HELD_PLACES} records on hold: nothing is pruned`);
  };
  const before = [...listed];
  for (let start = 0; start < before.length; start += PLACES_AT_A_TIME)
    add(await retentions.selectMissing(before.slice(start, start + PLACES_AT_A_TIME)));
  if (query.heldNames.length === 0) return places;
  for (const kind of AGED_KINDS) {
    let last: AgedRecord | undefined;
    do {
      const aged = await retentions.readAged(kind, query, last);
      const held = aged.flatMap(({ logged, isHeld }) => (isHeld ? [logged.id] : []));
      add(await retentions.listPlaces(held, query));
      last = aged.at(-1);
      await yieldToEventLoop();
    } while (last !== undefined);
  }
  return places;
}
