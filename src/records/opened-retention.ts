/** Selects what the retention has pruned, as those who read the log believe it: the newest note that a key of the log has signed. */
import { openHeldPlaces } from '../audit/held-places.js';
import { coversLeaf, openRetention, parseUnsignedRetention, type RetentionTerms } from '../audit/retention-note.js';
import { NoteRefused, openOrRefusal, type NoteKey } from '../audit/signed-note.js';
import { StrictJsonError, parseStrictJson } from '../runtime/strict-json.js';
import { readNamedMember } from './export/shown-record.js';

/** One note of the retention, as the service shows it. */
export interface ShownRetention {
  readonly id: string;
  readonly note: string;
  /** The list that the note refers to, of what a legal hold keeps. */
  readonly held?: string | undefined;
}

export interface OpenedRetention extends ShownRetention {
  readonly terms: RetentionTerms;
  /** The places of records that a legal hold keeps: one of them that is gone was removed. */
  readonly heldPlaces: ReadonlySet<number>;
}

/** The newest that a key has signed, and those after it that none has. */
export interface SelectedRetention {
  readonly retention: OpenedRetention | undefined;
  readonly refused: readonly { readonly id: string; readonly problem: string }[];
}

/** The kinds of records that the retention prunes. Of all others, one that is gone was removed. */
const PRUNED_KINDS: ReadonlySet<string> = new Set(['decision', 'list', 'correction', 'outcome', 'path']);
/** The most that the clocks of the service and of who verifies may differ. */
const VERIFIER_CLOCK_SLACK_MS = 3_600_000;

/**
 * @param shown the newest first
 * @param keys of the log; without any, what a deployment without a key has written is taken as it is
 * @param now of who verifies: what claims to be of a time to come rests on a wrong clock
 */
export function selectRetention(
  shown: readonly ShownRetention[],
  keys: readonly NoteKey[],
  now: Date,
): SelectedRetention {
  const refused: { readonly id: string; readonly problem: string }[] = [];
  for (const retention of shown) {
    const { id, note } = retention;
    const terms = openByAny(note, keys);
    if (terms === undefined)
      refused.push({ id, problem: 'what the retention has pruned is not signed by a key of the log' });
    else if (Date.parse(terms.madeAt) > now.getTime() + VERIFIER_CLOCK_SLACK_MS)
      refused.push({ id, problem: `the retention rests on a wrong clock: it was said at ${terms.madeAt}` });
    else {
      const heldPlaces = readHeldPlaces(retention, terms);
      if (heldPlaces !== undefined) return { retention: { ...retention, terms, heldPlaces }, refused };
      refused.push({ id, problem: 'the list of what a legal hold keeps is not the one that was signed' });
    }
  }
  return { retention: undefined, refused };
}

/** Whether a record is gone because it was kept long enough. @param text of its leaf */
export function isPruned(
  { terms, heldPlaces }: Pick<OpenedRetention, 'terms' | 'heldPlaces'>,
  index: number,
  text: string,
): boolean {
  if (heldPlaces.has(index)) return false;
  const leaf = parseLeaf(text);
  const [at, kind] = [readNamedMember(leaf, 'at'), readNamedMember(leaf, 'kind')];
  return typeof at === 'string' && typeof kind === 'string' && PRUNED_KINDS.has(kind) && coversLeaf(terms, index, at);
}

function readHeldPlaces({ held }: ShownRetention, terms: RetentionTerms): ReadonlySet<number> | undefined {
  const { held: summary } = terms;
  if (summary === undefined) return new Set();
  const places = openOrRefusal(() => openHeldPlaces(held, summary));
  return places instanceof NoteRefused ? undefined : places;
}

function parseLeaf(text: string): unknown {
  try {
    return parseStrictJson(text);
  } catch (error) {
    // Another text than a leaf is found by its hash.
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}

function openByAny(note: string, keys: readonly NoteKey[]): RetentionTerms | undefined {
  const attempts =
    keys.length === 0 ? [() => parseUnsignedRetention(note)] : keys.map((key) => () => openRetention(note, key));
  for (const attempt of attempts) {
    const terms = openOrRefusal(attempt);
    if (!(terms instanceof NoteRefused)) return terms;
  }
  return undefined;
}
