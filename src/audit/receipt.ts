/**
 * Receipts of records, as files of their own: the leaf, the parts of it that their reader may see, each with the salt that opens
 * it, and the proof that the leaf is in the log. With the public key alone, one is verified without asking us.
 */
import { z } from 'zod';
import { formatCanonicalJson } from '../runtime/canonical-json.js';
import { commit, deriveSalt, isCommitment, opensCommitment, SALT_BYTES } from '../runtime/commitment.js';
import { MAX_RECORD_DEPTH, parseStrictJson, StrictJsonError } from '../runtime/strict-json.js';
import { commitPart, derivePartSalt, splitRecord, type LoggedRecord } from './leaf.js';
import { formatProofFile, parseProofFile, verifyProofFile, type InclusionProof } from './proof-file.js';
import { decodeBase64, NoteRefused, type NoteKey } from './signed-note.js';

const RECEIPT_FORMAT = 'remit-receipt@v1';
/** A receipt has its record's levels within its own. */
const MAX_RECEIPT_DEPTH = MAX_RECORD_DEPTH + 4;

const openedPartFormat = z.strictObject({
  salt: z.string().describe('32 bytes, in base64'),
  value: z
    .unknown()
    .describe('What the leaf, or the part, has a commitment to: SHA-256 of the salt and its canonical JSON'),
});
const leafFormat = z.strictObject({
  v: z.literal(1),
  id: z.string(),
  kind: z.string(),
  at: z.string(),
  about: z.string().optional(),
  parts: z.record(z.string(), z.strictObject({ $commit: z.string() })),
});
export const receiptFormat = z
  .strictObject({
    receipt: z.literal(RECEIPT_FORMAT),
    leaf: leafFormat.describe('What the log has of the record, in its canonical JSON'),
    parts: z.record(z.string(), openedPartFormat).describe('The parts of the leaf that the reader may see'),
    values: z
      .record(z.string(), openedPartFormat)
      .describe('Values that the parts have commitments to, by their places in the record (JSON pointers)'),
    proof: z.string().describe('Proves that the leaf is in the log (c2sp.org/tlog-proof)'),
  })
  .meta({ id: 'Receipt' });
export type Receipt = z.infer<typeof receiptFormat>;

/** A receipt says something that it doesn't prove, or is none. */
export class ReceiptRefused extends Error {
  override readonly name = 'ReceiptRefused';

  constructor(
    /** The member that fails, such as `parts.answer`; empty where the file is no receipt. */
    readonly at: string,
    message: string,
  ) {
    super(message);
  }
}

/** The content of a receipt that is proved. */
export interface VerifiedReceipt {
  readonly leaf: Receipt['leaf'];
  readonly parts: Readonly<Record<string, unknown>>;
  readonly values: Readonly<Record<string, unknown>>;
  /** The record's place in the log, and the size of the log that the checkpoint signs. */
  readonly index: number;
  readonly size: number;
}

export interface OpenedContent {
  /** The names of the parts that are opened. */
  readonly parts: ReadonlySet<string>;
  /** The values of commitments in them, by their places; where the record has another, it is left out. */
  readonly values: ReadonlyMap<string, unknown>;
  /** The secret of these commitments; undefined where they can't be opened any more. */
  readonly seed: Uint8Array | undefined;
}

/** @param proof of the record's leaf */
export function buildReceipt(record: LoggedRecord, proof: InclusionProof, content: OpenedContent): Receipt {
  const { seed } = content;
  const parts = [...splitRecord(record)].filter(([name]) => content.parts.has(name));
  const opened = Object.fromEntries(
    parts.map(([name, value]) => [name, { salt: derivePartSalt(record.seed, name).toString('base64'), value }]),
  );
  const values = [...content.values].flatMap(([place, value]) => {
    const salt = seed === undefined ? undefined : deriveSalt(seed, place);
    const commitment = findCommitment(opened, place);
    if (salt === undefined || commitment === undefined || !opensCommitment(commitment, value, salt)) return [];
    return [[place, { salt: salt.toString('base64'), value }] as const];
  });
  return {
    receipt: RECEIPT_FORMAT,
    leaf: parseStrictJson(proof.leaf.toString()) as Receipt['leaf'],
    parts: opened,
    values: Object.fromEntries(values),
    proof: formatProofFile(proof),
  };
}

/** @throws ReceiptRefused where the text has another form */
export function parseReceipt(text: string): Receipt {
  let value: unknown;
  try {
    value = parseStrictJson(text, MAX_RECEIPT_DEPTH);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new ReceiptRefused('', `it is no receipt: its JSON ${error.message}`);
  }
  const parsed = receiptFormat.safeParse(value);
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new ReceiptRefused('', `it is no receipt${place === '' ? '' : `: ${place} does not fit`}`);
}

/**
 * Verifies all that a receipt says: its proof by the key, its leaf by the proof, its parts by the leaf, and its values by the parts.
 * @throws ReceiptRefused naming what is not proved
 */
export function verifyReceipt({ leaf, parts, values, proof }: Receipt, key: NoteKey): VerifiedReceipt {
  const { size, index, text } = verifyProof(proof, key);
  if (formatCanonicalJson(leaf) !== text) throw new ReceiptRefused('leaf', 'it is not the leaf that is proved');
  for (const [name, { salt, value }] of Object.entries(parts)) {
    const place = `parts.${name}`;
    const commitment = Object.hasOwn(leaf.parts, name) ? leaf.parts[name] : undefined;
    if (commitment?.$commit !== commitPart(readSalt(salt, place), value))
      throw new ReceiptRefused(place, 'it is not what the leaf commits to');
  }
  for (const [place, { salt, value }] of Object.entries(values)) {
    const commitment = findCommitment(parts, place);
    if (commitment?.$commit !== commit(value, readSalt(salt, `values.${place}`)).$commit)
      throw new ReceiptRefused(`values.${place}`, 'it is not what the record commits to there');
  }
  return { leaf, parts: takeValues(parts), values: takeValues(values), index, size };
}

function verifyProof(proof: string, key: NoteKey): { size: number; index: number; text: string } {
  try {
    const { leaf, head } = verifyProofFile(proof, key);
    return { size: head.size, index: parseProofFile(proof).index, text: leaf.toString() };
  } catch (error) {
    if (error instanceof NoteRefused) throw new ReceiptRefused('proof', error.message);
    throw error;
  }
}

function readSalt(text: string, place: string): Buffer {
  const salt = decodeBase64(text);
  if (salt === undefined) throw new ReceiptRefused(place, 'its salt is not in base64');
  // A longer salt could take the beginning of the value to itself: the hash of both together would be the same.
  if (salt.length !== SALT_BYTES) throw new ReceiptRefused(place, `its salt is not ${SALT_BYTES} bytes long`);
  return salt;
}

function takeValues(opened: Receipt['parts']): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(opened).map(([name, { value }]) => [name, value]));
}

/**
 * Finds the commitment at a place of the record, in the parts that are opened. The keys are no part of the record: they
 * have members of the same names.
 */
function findCommitment(parts: Receipt['parts'], place: string): { readonly $commit: string } | undefined {
  const [first, member = '', ...rest] = place
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  const written = [member, ...rest].map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  // A place has one spelling: what a receipt shows can't be another without being refused.
  if (first !== '' || written !== place) return undefined;
  for (const [name, { value }] of Object.entries(parts)) {
    if (name === 'keys' || !hasMember(value, member)) continue;
    let node: unknown = value[member];
    for (const step of rest) node = hasMember(node, step) ? node[step] : undefined;
    return isCommitment(node) ? node : undefined;
  }
  return undefined;
}

/** Elements of lists are members as well, by their numbers. */
function hasMember(node: unknown, name: string): node is Readonly<Record<string, unknown>> {
  return typeof node === 'object' && node !== null && Object.hasOwn(node, name);
}
