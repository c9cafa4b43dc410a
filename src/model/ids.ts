/**
 * Identifiers: what a type and an id may look like, and how an id is written towards SpiceDB.
 * SpiceDB takes only [A-Za-z0-9/_|-=+] in object ids; the encoding is injective and reversible, so no two ids
 * collide there and no id can be mistaken for the wildcard `*`.
 */

/** Names a thing of the graph and the policies. `type` is the SpiceDB definition, `id` is raw (never encoded). */
export interface EntityRef {
  readonly type: string;
  readonly id: string;
}

export const MAX_ID_CODE_POINTS = 256;
/** SpiceDB's own limit on an object id. */
export const MAX_ENCODED_ID_BYTES = 1024;

const TYPE_NAME = /^([a-z][a-z0-9_]{1,62}[a-z0-9]\/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$/;
const CONTROL_CHARACTER = /\p{Cc}/u;
const UNENCODED_ID = /^[A-Za-z0-9_/|+-]+$/;

/** Says what is wrong with the id, as the rest of a sentence; undefined where nothing is. */
export function findIdProblem(id: string): string | undefined {
  if (id.length === 0) return 'must not be empty';
  // A code point is at most two UTF-16 units, so this bounds the work below.
  if (id.length > MAX_ID_CODE_POINTS * 2 || Array.from(id).length > MAX_ID_CODE_POINTS) {
    return `must be at most ${MAX_ID_CODE_POINTS} characters long`;
  }
  if (!id.isWellFormed()) return 'must be well-formed Unicode';
  if (CONTROL_CHARACTER.test(id)) return 'must not contain control characters';
  if (id.normalize('NFC') !== id) return 'must be in Unicode normalization form C';
  if (encodeId(id).length > MAX_ENCODED_ID_BYTES)
    return `must be at most ${MAX_ENCODED_ID_BYTES} bytes long when encoded`;
  return undefined;
}

/** Says what is wrong with the name of a SpiceDB definition, as the rest of a sentence; undefined where nothing is. */
export function findTypeProblem(type: string): string | undefined {
  if (type.length > 128) return 'must be at most 128 characters long';
  return TYPE_NAME.test(type) ? undefined : 'must be a SpiceDB definition name such as "document" or "acme/document"';
}

/** The id as SpiceDB is given it: `=` and two upper-case hex digits for each UTF-8 byte outside [A-Za-z0-9_/|+-]. */
export function encodeId(id: string): string {
  if (UNENCODED_ID.test(id)) return id;
  let out = '';
  for (const byte of Buffer.from(id, 'utf8')) {
    const char = String.fromCharCode(byte);
    out += UNENCODED_ID.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** The inverse of {@link encodeId}. @throws TypeError where `encoded` is not something encodeId makes. */
export function decodeId(encoded: string): string {
  if (UNENCODED_ID.test(encoded)) return encoded;
  const bytes: number[] = [];
  for (let i = 0; i < encoded.length; i += 1) {
    const char = encoded.charAt(i);
    if (char !== '=') {
      bytes.push(char.charCodeAt(0));
      continue;
    }
    bytes.push(Number.parseInt(encoded.slice(i + 1, i + 3), 16));
    i += 2;
  }
  const id = Buffer.from(bytes).toString('utf8');
  if (encodeId(id) !== encoded) throw new TypeError(`"${encoded}" is not an encoded id`);
  return id;
}

/** `type:id` with the id encoded, the form that relationships and rationales use. */
export function formatRef(ref: EntityRef): string {
  return `${ref.type}:${encodeId(ref.id)}`;
}

export function isSameRef(a: EntityRef, b: EntityRef): boolean {
  return a.type === b.type && a.id === b.id;
}
