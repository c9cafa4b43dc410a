/** Checkpoints (c2sp.org/tlog-checkpoint): the size and the root of the log at one moment, signed. */
import type { KeyObject } from 'node:crypto';
import { decodeBase64, NoteRefused, openNote, openOrRefusal, signNote, type NoteKey } from './signed-note.js';
import { HASH_BYTES, type TreeHead } from './tree.js';

/** @param origin the name of the log, under which its keys sign @param privateKeys each signs it */
export function signCheckpoint({ size, root }: TreeHead, origin: string, ...privateKeys: readonly KeyObject[]): string {
  return signNote(`${origin}\n${size}\n${root.toString('base64')}\n`, origin, ...privateKeys);
}

/** Opens a checkpoint by whichever of the keys has signed it. @throws NoteRefused where none has */
export function openCheckpointByAny(note: string, keys: readonly NoteKey[]): TreeHead {
  let refusal = new NoteRefused('there is no key to open it by');
  for (const key of keys) {
    const opened = openOrRefusal(() => openCheckpoint(note, key));
    if (!(opened instanceof NoteRefused)) return opened;
    refusal = opened;
  }
  throw refusal;
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
