/**
 * Signed notes (c2sp.org/signed-note) with Ed25519: a text, a blank line, and a line for each signature. What others have
 * signed beside us stays unread, so witnesses may add theirs.
 */
import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

const ED25519_TYPE = 1;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const MAX_SIGNED_LENGTH = 64 * 1024;
const MAX_SIGNATURES = 64;
/** RFC 8410: what stands before the 32 bytes of a public key for Ed25519 in DER. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
/** An em dash and a space begin the line of a signature. */
const SIGNATURE_LINE = /^\u2014 (\S+) (\S+)$/;

/** A public key with the name that it signs under. */
export interface NoteKey {
  readonly name: string;
  /** The 32 bytes of the key. */
  readonly publicKey: Buffer;
}

/** A note is not signed by the key, or is no note at all. */
export class NoteRefused extends Error {
  override readonly name = 'NoteRefused';
}

/** Opens a note, or what a note refers to. @returns the refusal where it is refused @throws what else it throws */
export function openOrRefusal<T>(open: () => T): T | NoteRefused {
  try {
    return open();
  } catch (error) {
    if (error instanceof NoteRefused) return error;
    throw error;
  }
}

/** The public half of a private key for Ed25519. */
export function toNoteKey(name: string, privateKey: KeyObject): NoteKey {
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('the key is not one for Ed25519');
  const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return { name, publicKey: der.subarray(-KEY_BYTES) };
}

/** The key as text: its name, the first bytes of its hash, and the key itself. */
export function formatNoteKey(key: NoteKey): string {
  const typed = Buffer.concat([Buffer.of(ED25519_TYPE), key.publicKey]);
  return `${key.name}+${hashNoteKey(key).toString('hex')}+${typed.toString('base64')}`;
}

/** @throws NoteRefused */
export function parseNoteKey(text: string): NoteKey {
  const [, name = '', hash, encoded = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim()) ?? [];
  const typed = decodeBase64(encoded);
  if (typed?.length !== KEY_BYTES + 1 || typed[0] !== ED25519_TYPE)
    throw new NoteRefused('the key is none for Ed25519 in the form name+hash+key');
  const key = { name, publicKey: typed.subarray(1) };
  if (hashNoteKey(key).toString('hex') !== hash) throw new NoteRefused('the key does not fit its own hash');
  return key;
}

/** @param text whole lines; the last one ends as well @param privateKeys each signs it */
export function signNote(text: string, name: string, ...privateKeys: readonly KeyObject[]): string {
  assertNoteText(text);
  const lines = privateKeys.map((privateKey) => {
    const signature = sign(null, Buffer.from(text), privateKey);
    const encoded = Buffer.concat([hashNoteKey(toNoteKey(name, privateKey)), signature]).toString('base64');
    return `\u2014 ${name} ${encoded}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

/** @returns the text that the key has signed @throws NoteRefused */
export function openNote(note: string, key: NoteKey): string {
  const end = note.lastIndexOf('\n\n');
  if (note.length > MAX_SIGNED_LENGTH || end < 1 || !note.endsWith('\n'))
    throw new NoteRefused('it is not a signed note');
  const text = note.slice(0, end + 1);
  assertNoteText(text);
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new NoteRefused('it has too many signatures');
  const hash = hashNoteKey(key);
  const own = lines.flatMap((line) => {
    const [, name, encoded = ''] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = decodeBase64(encoded);
    if (bytes === undefined || bytes.length < 5) throw new NoteRefused('it has a line that is no signature');
    return name === key.name && bytes.subarray(0, 4).equals(hash) ? [bytes.subarray(4)] : [];
  });
  if (own.length === 0) throw new NoteRefused(`it is not signed by the key ${key.name}+${hash.toString('hex')}`);
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key.publicKey]), type: 'spki', format: 'der' });
  if (!own.every((bytes) => bytes.length === SIGNATURE_BYTES && verify(null, Buffer.from(text), publicKey, bytes)))
    throw new NoteRefused('its signature is not genuine');
  return text;
}

/** Decodes standard base64 as it is written by all: other spellings of the same bytes are refused. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return text !== '' && bytes.toString('base64') === text ? bytes : undefined;
}

function hashNoteKey({ name, publicKey }: NoteKey): Buffer {
  const hash = createHash('sha256').update(`${name}\n`).update(Buffer.of(ED25519_TYPE)).update(publicKey).digest();
  return hash.subarray(0, 4);
}

function assertNoteText(text: string): void {
  // eslint-disable-next-line no-control-regex
  if (!text.isWellFormed() || !text.endsWith('\n') || /[\u0000-\u0009\u000b-\u001f]/.test(text))
    throw new NoteRefused('its text has other characters than a note may have');
}
