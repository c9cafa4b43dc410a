/** What can be told of a ZedToken without asking SpiceDB: that it is one, and of which datastore. */

export interface ZedToken {
  readonly revision: string;
  /** Beginning of the datastore's unique id; empty with a SpiceDB that doesn't say. */
  readonly datastore: string;
}

/** A DecodedZedToken of SpiceDB's impl.proto, in base64; undefined where it is none. */
export function readZedToken(text: string): ZedToken | undefined {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== text) return undefined;
  const inner = fields(bytes)?.get(3);
  const members = inner === undefined ? undefined : fields(inner);
  const revision = members?.get(1);
  if (revision === undefined || revision.length === 0) return undefined;
  return { revision: revision.toString('utf8'), datastore: members?.get(2)?.toString('utf8') ?? '' };
}

/**
 * Whether another write is another revision, in whatever order writes are committed. So it is where a revision is what a
 * transaction of PostgreSQL sees, or an instant in nanoseconds; not where it is the last of numbers that were given out
 * before the commit, as with MySQL: there an older write may end after a newer one.
 */
export function tellsOfWrites(token: string): boolean {
  const { revision = '' } = readZedToken(token) ?? {};
  return revision !== '' && !/^\d{1,15}$/.test(revision);
}

/** The length-delimited fields of a protobuf message; undefined where it has others, or is none. */
function fields(bytes: Buffer): Map<number, Buffer> | undefined {
  const found = new Map<number, Buffer>();
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    // One byte of tag and up to two of length: nothing in a ZedToken is longer.
    const low = bytes[at + 1];
    if (tag > 0x7f || (tag & 7) !== 2 || low === undefined) return undefined;
    const long = low > 0x7f;
    const high = long ? bytes[at + 2] : 0;
    if (high === undefined || high > 0x7f) return undefined;
    const from = at + (long ? 3 : 2);
    const to = from + (low & 0x7f) + (high << 7);
    if (to > bytes.length) return undefined;
    found.set(tag >> 3, bytes.subarray(from, to));
    at = to;
  }
  return found;
}
