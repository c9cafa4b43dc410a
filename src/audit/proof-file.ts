/**
 * Proofs that a record is in the log, as files of their own (c2sp.org/tlog-proof): its leaf, its place, the hashes that
 * lead to the root, and the checkpoint that signs it. With the public key alone, one is verified without asking us.
 */
import { openCheckpoint, parseTreeNumber } from './checkpoint.js';
import { decodeBase64, NoteRefused, type NoteKey } from './signed-note.js';
import { computeInclusionRoot, HASH_BYTES, hashLeaf, type TreeHead } from './tree.js';

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** A path has at most a hash for each bit of the greatest index. */
const MAX_PROOF_HASHES = 64;

export interface InclusionProof {
  readonly index: number;
  /** The bytes of the leaf. The format leaves open what the extra data is; ours is the leaf, which the proof is about. */
  readonly leaf: Buffer;
  /** The hashes, from the leaf's sibling up. */
  readonly path: readonly Buffer[];
  readonly checkpoint: string;
}

export function formatProofFile({ index, leaf, path, checkpoint }: InclusionProof): string {
  const hashes = path.map((hash) => `${hash.toString('base64')}\n`).join('');
  return `${FIRST_LINE}\nextra ${leaf.toString('base64')}\nindex ${index}\n${hashes}\n${checkpoint}`;
}

/** @throws NoteRefused where it has another form */
export function parseProofFile(text: string): InclusionProof {
  const end = text.indexOf('\n\n');
  const [first, extra = '', place = '', ...hashes] = text.slice(0, Math.max(end, 0)).split('\n');
  const leaf = extra.startsWith('extra ') ? decodeBase64(extra.slice('extra '.length)) : undefined;
  const index = place.startsWith('index ') ? parseTreeNumber(place.slice('index '.length)) : undefined;
  const path = hashes.map(decodeBase64);
  if (first !== FIRST_LINE || leaf === undefined || index === undefined || path.length > MAX_PROOF_HASHES)
    throw new NoteRefused('it is not the proof of a record');
  if (!path.every((hash) => hash?.length === HASH_BYTES)) throw new NoteRefused('it has a line that is no hash');
  return { index, leaf, path: path.flatMap((hash) => hash ?? []), checkpoint: text.slice(end + 2) };
}

/** @returns the leaf that is in the log, and the head of the tree that it is in @throws NoteRefused where it isn't proved */
export function verifyProofFile(text: string, key: NoteKey): { readonly leaf: Buffer; readonly head: TreeHead } {
  const { index, leaf, path, checkpoint } = parseProofFile(text);
  const head = openCheckpoint(checkpoint, key);
  const root = computeInclusionRoot(hashLeaf(leaf), { index, size: head.size }, path);
  if (root?.equals(head.root) !== true) throw new NoteRefused('the record is not in the log of its checkpoint');
  return { leaf, head };
}
