/** Checkpoints (c2sp.org/tlog-checkpoint): the size and the root of the log at one moment, signed. */
import type { KeyObject } from 'node:crypto';
import { decodeBase64, NoteRefused, openNote, signNote, type NoteKey } from './signed-note.js';
import { HASH_BYTES, type TreeHead } from './tree.js';

/** @param origin the name of the log, under which its key signs */
export function signCheckpoint({ size, root }: TreeHead, origin: string, privateKey: KeyObject): string {
  return signNote(`${origin}\n${size}\n${root.toString('base64')}\n`, origin, privateKey);
}

/** @throws NoteRefused where it isn't a checkpoint of the log whose key this is */
export function openCheckpoint(note: string, key: NoteKey): TreeHead {
  const [origin, size = '', encoded = '', ...extensions] = openNote(note, key).slice(0, -1).split('\n');
  const root = decodeBase64(encoded);
  if (origin !== key.name) throw new NoteRefused(`it is a checkpoint of another log`);
  const count = parseTreeNumber(size);
  if (count === undefined || root?.length !== HASH_BYTES || extensions.includes(''))
    throw new NoteRefused('it is not a checkpoint');
  return { size: count, root };
}

/** A size or an index: decimal digits, without leading zeros. */
export function parseTreeNumber(text: string): number | undefined {
  return /^(0|[1-9]\d{0,15})$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}
