/** Reads ZedTokens without asking SpiceDB: whether a text is one, of which datastore, and what its revision is like. */
import { BinaryReader, WireType } from '@protobuf-ts/runtime';

export interface ZedToken {
  readonly revision: string;
  /** The beginning of the datastore's unique id; empty with a SpiceDB that doesn't say it. */
  readonly datastore: string;
  /** Names the schema, where SpiceDB stores it apart; empty elsewhere. */
  readonly schemaHash: string;
}

/** @param text a DecodedZedToken of SpiceDB's impl.proto, in base64; undefined where it is none */
export function parseZedToken(text: string): ZedToken | undefined {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== text) return undefined;
  const payload = readProtobufFields(bytes)?.get(3);
  const members = payload === undefined ? undefined : readProtobufFields(payload);
  const revision = members?.get(1);
  if (revision === undefined || revision.length === 0) return undefined;
  const readText = (field: number): string => members?.get(field)?.toString('utf8') ?? '';
  return { revision: revision.toString('utf8'), datastore: readText(2), schemaHash: readText(3) };
}

/**
 * Whether another write always is another revision, in whatever order writes are committed. That is so where a revision
 * is what a transaction of PostgreSQL sees, or an instant in nanoseconds; not where it is a number that is given out
 * before the commit, as with MySQL: there an older write may be committed after a newer one.
 */
export function identifiesWrites(token: string): boolean {
  const { revision = '' } = parseZedToken(token) ?? {};
  return revision !== '' && !/^\d{1,15}$/.test(revision);
}

/** The length-delimited fields of a protobuf message by their numbers; undefined where it has others, or is none. */
function readProtobufFields(bytes: Buffer): Map<number, Buffer> | undefined {
  const fields = new Map<number, Buffer>();
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (wireType !== WireType.LengthDelimited) return undefined;
      fields.set(number, Buffer.from(reader.bytes()));
    }
    return fields;
  } catch {
    return undefined;
  }
}
