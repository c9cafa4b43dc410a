/** Bodies read piece by piece: whole, or refused with what they exceed, and never an error that nobody hears. */
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBody } from '../../../src/http/edge/read-body.js';

const MAX_BYTES = 200_000;
const anyRoom = { maxBytes: MAX_BYTES, takeRoom: () => undefined };
/** The least work: a thousand pieces are free, further ones need 64 bytes each. */
const isTooMany = (lengths: readonly number[]): boolean => {
  let bytes = 0;
  return lengths.some((length, i) => i + 1 > 1_000 + (bytes += length) / 64);
};
const repeat = (length: number, count: number): number[] => Array.from({ length: count }, () => length);
const piecesOf = (lengths: readonly number[]): Buffer[] => lengths.map((length, i) => Buffer.alloc(length, i % 256));

describe('a body', () => {
  it('is read as it was sent, or refused for its length or its pieces, however it is cut', async () => {
    const runs = fc
      .array(fc.tuple(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 900 })), { maxLength: 5 })
      .map((parts) => parts.flatMap(([length, count]) => repeat(length, count)));
    await fc.assert(
      fc.asyncProperty(runs, async (lengths) => {
        const pieces = piecesOf(lengths);
        const bytes = lengths.reduce((sum, length) => sum + length, 0);
        const reading = readBody(Readable.from(pieces, { objectMode: false }), anyRoom);
        if (bytes > MAX_BYTES || isTooMany(lengths))
          await expect(reading).rejects.toMatchObject({ name: 'BadRequest' });
        else {
          const read = await reading;
          expect(read.body.equals(Buffer.concat(pieces))).toBe(true);
          expect(read.bytes).toBe(bytes);
        }
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['is too long', piecesOf(repeat(1_000, 201)), { status: 413, code: 'body_too_large' }],
    ['comes byte by byte', piecesOf(repeat(1, 2_000)), { status: 400, message: expect.stringContaining('pieces') as string }],
  ])('that %s is read no further than that', async (_what, pieces, problem) => {
    let asked = 0;
    const endless = new Readable({
      highWaterMark: 1,
      read() {
        this.push(pieces[asked % pieces.length]);
        asked += 1;
      },
    });
    await expect(readBody(endless, anyRoom)).rejects.toMatchObject(problem);
    const then = asked;
    await new Promise(setImmediate);
    expect(endless.isPaused()).toBe(true);
    expect(asked - then).toBeLessThan(5);
    // What becomes of it is heard, though no one reads it any more.
    endless.destroy(new Error('the connection broke'));
    await new Promise(setImmediate);
  }); // prettier-ignore

  it('without room ends with what refuses it', async () => {
    const refusal = new Error('no room');
    let taken = 0;
    const takeRoom = (bytes: number): void => {
      taken += bytes;
      if (taken > 10) throw refusal;
    };
    const stream = Readable.from(piecesOf(repeat(1, 100)), { objectMode: false });
    await expect(readBody(stream, { maxBytes: MAX_BYTES, takeRoom })).rejects.toBe(refusal);
    expect(taken).toBe(11);
  });

  it('whose sender hangs up is incomplete, also before it is read', async () => {
    const stream = new Readable({ read: () => undefined });
    stream.push('{');
    const reading = readBody(stream, anyRoom);
    stream.destroy();
    await expect(reading).rejects.toMatchObject({ message: 'The body is incomplete.' });
    await expect(readBody(stream, anyRoom)).rejects.toMatchObject({ message: 'The body is incomplete.' });
  });
});
