/**
 * Identifiers: what a type and an id may look like, and how an id is written towards SpiceDB.
 * SpiceDB takes only [A-Za-z0-9/_|-=+] in object ids; the encoding is injective and reversible, so no two ids
 * collide there and no id can be mistaken for the wildcard `*`.
 */

/**
 * Names a thing of the graph and the policies. `type` is the SpiceDB definition, `id` is raw (never encoded); one that was
 * read from SpiceDB may be foreign ({@link decodeId}).
 */
export interface EntityRef {
  readonly type: string;
  readonly id: string;
}

/** SpiceDB's own limit on an object id. */
export const MAX_ENCODED_ID_BYTES = 1024;

const TYPE_NAME = /^([a-z][a-z0-9_]{1,62}[a-z0-9]\/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$/;
const CONTROL_CHARACTER = /\p{Cc}/u;
const UNENCODED_ID = /^[A-Za-z0-9_/|+-]+$/;
const ENCODED_ID = /^(?:[A-Za-z0-9_/|+-]|=[0-9A-F]{2})+$/;
/** The object ids that SpiceDB takes, the wildcard aside. */
export const SPICEDB_ID = /^[A-Za-z0-9_/|+=-]{1,1024}$/;
/** Begins a foreign id. It is a control character, which no id that a request, a token or a file names can have. */
const FOREIGN_MARK = '\u001A';

/** Says what is wrong with the id, as the rest of a sentence; undefined where nothing is. */
export function findIdProblem(id: string): string | undefined {
  if (id.length === 0) return 'must not be empty';
  const tooLong = `must be at most ${MAX_ENCODED_ID_BYTES} bytes long when encoded`;
  // Each UTF-16 unit takes a byte or more, so this bounds the work below.
  if (id.length > MAX_ENCODED_ID_BYTES) return tooLong;
  if (!id.isWellFormed()) return 'must be well-formed Unicode';
  if (CONTROL_CHARACTER.test(id)) return 'must not contain control characters';
  if (id.normalize('NFC') !== id) return 'must be in Unicode normalization form C';
  return encodeId(id).length > MAX_ENCODED_ID_BYTES ? tooLong : undefined;
}

/** Says what is wrong with the name of a SpiceDB definition, as the rest of a sentence; undefined where nothing is. */
export function findTypeProblem(type: string): string | undefined {
  if (type.length > 128) return 'must be at most 128 characters long';
  return TYPE_NAME.test(type) ? undefined : 'must be a SpiceDB definition name such as "document" or "acme/document"';
}

/**
 * The id as SpiceDB is given it: `=` and two upper-case hex digits for each UTF-8 byte outside [A-Za-z0-9_/|+-]. A foreign
 * id is given as SpiceDB has it.
 */
export function encodeId(id: string): string {
  if (UNENCODED_ID.test(id)) return id;
  if (isForeignId(id)) return id.slice(FOREIGN_MARK.length);
  let out = '';
  for (const byte of Buffer.from(id, 'utf8')) {
    const char = String.fromCharCode(byte);
    out += UNENCODED_ID.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/**
 * The inverse of {@link encodeId} for every id that SpiceDB may hold. Others write to a shared SpiceDB, too: what doesn't
 * encode an id becomes a foreign id, which equals no other and which no question can name. Never throws.
 */
export function decodeId(encoded: string): string {
  const id = decodeBytes(encoded);
  return id === undefined || findIdProblem(id) !== undefined ? `${FOREIGN_MARK}${encoded}` : id;
}

/** The text as an encoded id: what is encoded in it (`=40`) stays, unless that makes no id; then `=` is a character of it. */
export function completeEncoding(text: string): string {
  const completed = text.replace(/=[0-9A-F]{2}|[^]/gu, (part) => (part.length === 3 ? part : encodeId(part)));
  return decodeBytes(completed) === undefined ? encodeId(text) : completed;
}

/** The id that a text names which people wrote. @throws TypeError where it encodes none */
export function parseEncodedId(encoded: string): string {
  const id = decodeBytes(encoded);
  if (id === undefined)
    throw new TypeError(`"${encoded}" is not an encoded id; encoded it is "${completeEncoding(encoded)}"`);
  const problem = findIdProblem(id);
  if (problem !== undefined) throw new TypeError(`id "${encoded}" ${problem}`);
  return id;
}

/** Whether another application wrote the id to SpiceDB, in a form that encodes none. */
export function isForeignId(id: string): boolean {
  if (!id.startsWith(FOREIGN_MARK)) return false;
  const encoded = id.slice(FOREIGN_MARK.length);
  return SPICEDB_ID.test(encoded) && decodeId(encoded) === id;
}

/** @returns undefined where {@link encodeId} doesn't write the text */
function decodeBytes(encoded: string): string | undefined {
  if (UNENCODED_ID.test(encoded)) return encoded;
  if (!ENCODED_ID.test(encoded)) return undefined;
  try {
    const id = decodeURIComponent(encoded.replaceAll('=', '%'));
    return encodeId(id) === encoded ? id : undefined;
  } catch {
    return undefined; // The bytes aren't UTF-8.
  }
}

/** The characters of names that callers choose for requests, tasks and the like: they have no place for a sentence. */
const CALLER_NAME = /^[\w.:/@|+=-]{1,128}$/;

/** Whether a text is a name, which may be shown to all who read the log. */
export function isPlainName(text: string): boolean {
  return CALLER_NAME.test(text);
}

const UUID_TEXT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether the text can be the id of a row: the database refuses a statement that compares its ids with anything else. */
export function isUuid(text: string): boolean {
  return UUID_TEXT.test(text);
}

/** `type:id` with the id as it was written, for people and evidence. Two things may read alike: it is no key. */
export function describeRef({ type, id }: EntityRef): string {
  return `${type}:${isForeignId(id) ? encodeId(id) : id}`;
}

/**
 * Reads what {@link describeRef} has written.
 * @param text such as `employee:erin`, with a raw id that may have colons itself
 * @returns undefined where it names nothing
 */
export function parseDescribedRef(text: string): EntityRef | undefined {
  const colon = text.indexOf(':');
  return colon < 1 || colon === text.length - 1 ? undefined : { type: text.slice(0, colon), id: text.slice(colon + 1) };
}

/** `type:id` with the id encoded: the form that relationships have as text, and a key. */
export function formatRef(ref: EntityRef): string {
  return `${ref.type}:${encodeId(ref.id)}`;
}

export function isSameRef(a: EntityRef, b: EntityRef): boolean {
  return a.type === b.type && a.id === b.id;
}
