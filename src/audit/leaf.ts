/**
 * The leaf of a record: what it is in clear, and a commitment to each of its parts. A reader who may see one part is given
 * that and its salt, and learns of the others nothing: salts come from a seed of the record's own, each by its part's name.
 */
import { isChangeKind } from '../model/changes.js';
import { writeCanonicalJson } from '../runtime/canonical-json.js';
import { commit, deriveSalt } from '../runtime/commitment.js';

/**
 * The members of a decision's or a list's record, by the part that has them; those that aren't named are in `others`. People are
 * shown few of the parts, so a part has what one reader sees and the next doesn't apart.
 */
const DECISION_PARTS = {
  question: ['request', 'dry_run', 'search'],
  parties: ['client', 'token', 'acting'],
  answer: ['id', 'evaluated_at', 'decision', 'found', 'items', 'masks'],
  reasons: ['reasons'],
  obligations: ['obligations'],
  rationale: ['rationale', 'left_out', 'revision'],
  policies: ['policy_version'],
  facts: ['facts'],
} as const;
/** The members of a change's record: who did it to what of whose is apart from the terms that it set. */
const CHANGE_PARTS = {
  parties: ['by', 'user', 'agent'],
  change: ['id', 'act', 'at', 'change', 'object', 'before', 'after'],
  terms: ['terms'],
} as const;
const PART_OF_DECISION = indexParts(DECISION_PARTS);
const PART_OF_CHANGE = indexParts(CHANGE_PARTS);
/** Decisions and lists, first or corrected. */
const DECISION_KINDS: ReadonlySet<string> = new Set(['decision', 'list', 'correction']);

/** A record as the database has it. */
export interface LoggedRecord {
  readonly id: string;
  readonly kind: string;
  /** RFC 3339 in UTC, to the microsecond. */
  readonly at: string;
  /** The decision that it is about. */
  readonly about?: string | undefined;
  /** The seed of its salts, in hex. */
  readonly seed: string;
  /** The columns that it is found by, without those that have nothing: its client, its user, … */
  readonly keys: Readonly<Record<string, unknown>>;
  readonly record: Readonly<Record<string, unknown>>;
}

export type RecordParts = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** The text of a record's leaf: canonical JSON, in one line. */
export function formatLeaf(record: LoggedRecord): string {
  const { id, kind, at, about, seed } = record;
  const parts = [...splitRecord(record)].map(([name, part]): [string, object] => [
    name,
    { $commit: commitPart(derivePartSalt(seed, name), part) },
  ]);
  return writeCanonicalJson({ v: 1, id, kind, at, about, parts: Object.fromEntries(parts) });
}

/** The parts of a record. `keys` is one, so that no record can be moved to another's lists. */
export function splitRecord({ kind, keys, record }: LoggedRecord): RecordParts {
  const partOfMember = findPartNames(kind);
  if (partOfMember === undefined) return new Map(Object.entries({ keys, record }));
  const members = new Map<string, [string, unknown][]>();
  for (const [member, value] of Object.entries(record)) {
    const name = partOfMember.get(member) ?? 'others';
    members.set(name, [...(members.get(name) ?? []), [member, value]]);
  }
  // A member may have any name, so parts are made of entries.
  const parts = new Map<string, Readonly<Record<string, unknown>>>([['keys', keys]]);
  for (const [name, entries] of members) parts.set(name, Object.fromEntries(entries));
  return parts;
}

/** The parts by members of the kinds of records whose parts are shown apart; undefined for all others, which have one. */
function findPartNames(kind: string): ReadonlyMap<string, string> | undefined {
  if (DECISION_KINDS.has(kind)) return PART_OF_DECISION;
  return isChangeKind(kind) ? PART_OF_CHANGE : undefined;
}

function indexParts(parts: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(parts).flatMap(([part, members]) => members.map((member) => [member, part] as const)));
}

/** The salt of a part, which opens that part alone. */
export function derivePartSalt(seed: string, name: string): Buffer {
  return deriveSalt(Buffer.from(seed, 'hex'), `part ${name}`);
}

/** The commitment to a part: with the salt, it shows that the part was this; without, it shows nothing. */
export function commitPart(salt: Buffer, part: unknown): string {
  return commit(part, salt).$commit;
}
