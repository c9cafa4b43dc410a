/** What the retention says: it is read as it was signed, and by nothing else than the key of its log. */
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCheckpoint, signCheckpoint } from '../../src/audit/checkpoint.js';
import {
  coversLeaf, formatRetention, openRetention, parseUnsignedRetention, type RetentionTerms,
} from '../../src/audit/retention-note.js'; // prettier-ignore
import { NoteRefused, signNote, toNoteKey } from '../../src/audit/signed-note.js';

const NAME = 'remit.example/log';
const { privateKey } = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519').privateKey;
const key = toNoteKey(NAME, privateKey);
const TERMS: RetentionTerms = {
  below: 7,
  olderThan: '2029-03-04T10:00:00.000Z',
  madeAt: '2030-03-04T10:00:00.000Z',
};

describe('what the retention says', () => {
  it('is opened by each key that has signed it, and by no other', () => {
    const note = formatRetention(TERMS, NAME, privateKey, other);
    expect(openRetention(note, key)).toEqual(TERMS);
    expect(openRetention(note, toNoteKey(NAME, other))).toEqual(TERMS);
    const alone = formatRetention(TERMS, NAME, privateKey);
    expect(() => openRetention(alone, toNoteKey(NAME, other))).toThrow(NoteRefused);
    expect(() => openRetention(alone.replace('\n7\n', '\n8\n'), key)).toThrow(NoteRefused);
    expect(() => openRetention(formatRetention(TERMS), key)).toThrow(NoteRefused);
    expect(parseUnsignedRetention(formatRetention(TERMS))).toEqual(TERMS);
    expect(() => parseUnsignedRetention(note)).toThrow(NoteRefused);
  });

  it('is of one log, and never a checkpoint, nor a checkpoint what the retention says', () => {
    const elsewhere = toNoteKey('other.example/log', privateKey);
    const text = formatRetention(TERMS, NAME, privateKey).split('\n\n')[0] ?? '';
    const moved = signNote(`${text}\n`, 'other.example/log', privateKey);
    expect(() => openRetention(moved, elsewhere)).toThrow('another log');
    expect(() => openCheckpoint(formatRetention(TERMS, NAME, privateKey), key)).toThrow(NoteRefused);
    const checkpoint = signCheckpoint({ size: 7, root: Buffer.alloc(32) }, NAME, privateKey);
    expect(() => openRetention(checkpoint, key)).toThrow(NoteRefused);
  });

  it.each([
    ['a cutoff that is no instant', [TERMS.olderThan, 'yesterday']],
    ['a cutoff after the time at which it was said', [TERMS.olderThan, '2031-03-04T10:00:00.000Z']],
    ['a size that is none', ['\n7\n', '\n07\n']],
    ['a further line', ['10:00:00.000Z\n', '10:00:00.000Z\nx\n']],
  ] as const)('is refused with %s, whoever signed it', (_name, [from, to]) => {
    const text = formatRetention(TERMS, NAME).replace(from, to);
    expect(() => openRetention(signNote(text, NAME, privateKey), key)).toThrow(NoteRefused);
  });

  it('covers what is below its place and before its time, and nothing else', () => {
    const cutoff = Date.parse(TERMS.olderThan);
    const around = fc.integer({ min: -2, max: 2 });
    fc.assert(
      fc.property(around, around, fc.integer({ min: 0, max: 999 }), (place, ms, micros) => {
        const at = new Date(cutoff + ms).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`);
        expect(coversLeaf(TERMS, TERMS.below + place, at)).toBe(place < 0 && ms < 0);
      }),
    );
    expect(coversLeaf(TERMS, 0, 'not a time')).toBe(false);
  });
});
