/** Notes, checkpoints and proof files: what is signed is read, and no byte of it can be another. */
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCheckpoint, parseTreeNumber, signCheckpoint } from '../../src/audit/checkpoint.js';
import { formatProofFile, parseProofFile, verifyProofFile } from '../../src/audit/proof-file.js';
import {
  formatNoteKey, NoteRefused, openNote, parseNoteKey, signNote, toNoteKey,
} from '../../src/audit/signed-note.js'; // prettier-ignore
import { naiveInclusion, naiveRoot, pick } from './naive-tree.js';

const NAME = 'remit.example/log';
const { privateKey } = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519').privateKey;
const key = toNoteKey(NAME, privateKey);

/** Every text that differs in one bit of one byte, as far as it is UTF-8. */
function* flips(text: string): Generator<string> {
  const bytes = Buffer.from(text);
  for (let i = 0; i < bytes.length; i += 1)
    for (const bit of [1, 32]) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(pick([...changed.subarray(i, i + 1)]) ^ bit, i);
      const altered = changed.toString();
      if (altered !== text && !altered.includes('\ufffd')) yield altered;
    }
}
const leaves = ['a', 'b', 'c', 'd', 'e'].map((text) => Buffer.from(text));
const checkpoint = signCheckpoint({ size: 5, root: naiveRoot(leaves) }, NAME, privateKey);
const prove = (index: number): string =>
  formatProofFile({ index, leaf: pick(leaves, index), path: naiveInclusion(index, leaves), checkpoint });

describe('keys of notes', () => {
  it('are read as they were written, and in no other spelling', () => {
    const text = formatNoteKey(key);
    expect(parseNoteKey(text)).toEqual(key);
    for (const altered of flips(text)) expect(() => parseNoteKey(altered), altered).toThrow(NoteRefused);
    // The example of c2sp.org/signed-note.
    const example = 'example.com/foo+530d903e+AYbJFlTs0jOHUG1Q4zICpgXKK2BoUuBvlvxGnvdzzMuE';
    expect(() => parseNoteKey(example.replace('530d903e', '530d903f'))).toThrow(NoteRefused);
  });

  it('are keys for Ed25519', () => {
    expect(() => toNoteKey(NAME, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)).toThrow(TypeError);
  });
});

describe('signed notes', () => {
  it('open with their key, to the text that was signed', () => {
    const line = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => !/[\u0000-\u001f]/.test(text) && text.isWellFormed()); // eslint-disable-line no-control-regex
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), (lines) => {
        const text = `${lines.join('\n')}\n`;
        expect(openNote(signNote(text, NAME, privateKey), key)).toBe(text);
      }),
    );
  });

  it('open with the signatures of others beside, which may be by keys that nothing is known of', () => {
    const [line] = signNote('a\n', 'witness.example', other).split('\n').slice(-2);
    expect(openNote(`${checkpoint}${line}\n`, key)).toBe(openNote(checkpoint, key));
    const text = checkpoint.slice(0, checkpoint.indexOf('\n\n') + 2);
    expect(openNote(`${text}${line}\n${checkpoint.slice(text.length)}`, key)).toBe(openNote(checkpoint, key));
  });

  it('are refused with another byte, with another key, unsigned, cut and too long', () => {
    for (const altered of flips(checkpoint)) expect(() => openNote(altered, key), altered).toThrow(NoteRefused);
    for (let end = 0; end < checkpoint.length; end += 1)
      expect(() => openNote(checkpoint.slice(0, end), key)).toThrow(NoteRefused);
    expect(() => openNote(checkpoint, toNoteKey(NAME, other))).toThrow(NoteRefused);
    expect(() => openNote(checkpoint, { ...key, name: 'another' })).toThrow(NoteRefused);
    // One that is signed twice by the key, and only once genuinely.
    const forged = pick(signNote('a\n', NAME, privateKey).split('\n'), -2);
    expect(() => openNote(`${checkpoint}${forged}\n`, key)).toThrow(NoteRefused);
    expect(() => openNote(`${checkpoint}${pick(checkpoint.split('\n'), -2)}\n`.repeat(500), key)).toThrow(NoteRefused);
    expect(() => signNote('a\u0007\n', NAME, privateKey)).toThrow(NoteRefused);
    expect(() => signNote('a', NAME, privateKey)).toThrow(NoteRefused);
  });
});

describe('checkpoints', () => {
  it('say the size and the root that were signed', () => {
    expect(openCheckpoint(checkpoint, key)).toEqual({ size: 5, root: naiveRoot(leaves) });
    expect(checkpoint.split('\n').slice(0, 3)).toEqual([NAME, '5', naiveRoot(leaves).toString('base64')]);
  });

  it('are refused where another text is signed, or for another log', () => {
    for (const text of [
      'a\n',
      `${NAME}\n05\n${naiveRoot([]).toString('base64')}\n`,
      `${NAME}\n5\nAAAA\n`,
      `${NAME}\n5\n\n`,
    ])
      expect(() => openCheckpoint(signNote(text, NAME, privateKey), key), text).toThrow(NoteRefused);
    const elsewhere = checkpoint.replace(`${NAME}\n`, 'another\n').slice(0, checkpoint.indexOf('\n\n'));
    expect(() => openCheckpoint(signNote(`${elsewhere}\n`, NAME, privateKey), key)).toThrow(NoteRefused);
    for (const text of ['', '-1', '01', '1.0', '1e3', ' 1', '9007199254740993'])
      expect(parseTreeNumber(text)).toBeUndefined();
  });
});

describe('proof files', () => {
  it('are read as they were written, and prove their leaf', () => {
    for (const [index, leaf] of leaves.entries()) {
      expect(formatProofFile(parseProofFile(prove(index)))).toBe(prove(index));
      expect(verifyProofFile(prove(index), key)).toEqual({ leaf, head: { size: 5, root: naiveRoot(leaves) } });
    }
  });

  it('prove nothing with another byte, or cut, or with a checkpoint of another tree', () => {
    for (const altered of flips(prove(2))) expect(() => verifyProofFile(altered, key), altered).toThrow(NoteRefused);
    for (let end = 0; end < prove(2).length; end += 1)
      expect(() => verifyProofFile(prove(2).slice(0, end), key)).toThrow(NoteRefused);
    const forked = signCheckpoint({ size: 5, root: naiveRoot(leaves.toReversed()) }, NAME, privateKey);
    expect(() => verifyProofFile(prove(1).replace(checkpoint, forked), key)).toThrow(NoteRefused);
    const older = signCheckpoint({ size: 3, root: naiveRoot(leaves.slice(0, 3)) }, NAME, privateKey);
    expect(() => verifyProofFile(prove(4).replace(checkpoint, older), key)).toThrow(NoteRefused);
    for (const [from, to] of [
      ['index 2', 'index 02'],
      ['extra ', 'more '],
      ['@v1', '@v2'],
    ] as const)
      expect(() => verifyProofFile(prove(2).replace(from, to), key)).toThrow(NoteRefused);
  });
});
