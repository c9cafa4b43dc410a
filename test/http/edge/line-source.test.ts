/** Lines as they come: the same however they are cut into pieces, bounded whatever their length, and waited for only so long. */
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSource, type TextLine } from '../../../src/http/edge/line-source.js';

const LIMITS = { maxBytes: 20 };
const readAll = async (lines: LineSource): Promise<(readonly [number, string | undefined])[]> => {
  const all: (readonly [number, string | undefined])[] = [];
  for (let line = await lines.next(LIMITS); line !== undefined; line = await lines.next(LIMITS))
    all.push([line.number, line.bytes?.toString('latin1')]);
  return all;
};

describe('lines', () => {
  it('are the same however they are cut into pieces', async () => {
    const text = fc
      .array(fc.constantFrom('\n', '\n', '\r', ' ', 'a', 'bc', 'x'.repeat(19), 'y'.repeat(30)), { maxLength: 40 })
      .map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(50), { maxLength: 20 }), async (written, cuts) => {
        const stream = new PassThrough();
        const lines = new LineSource(stream, 10_000);
        const read = readAll(lines);
        let from = 0;
        for (const cut of [...new Set(cuts)].sort((a, b) => a - b)) {
          if (cut <= from || cut >= written.length) continue;
          stream.write(written.slice(from, cut));
          from = cut;
          await new Promise((resolve) => setImmediate(resolve));
        }
        stream.end(written.slice(from));
        const wanted = written
          .split('\n')
          .map((line, i, all) => [i + 1, line, i === all.length - 1] as const)
          .filter(
            ([number, line, isLast]) =>
              !(isLast && line === '') && (number === 1 || line.length > 20 || line.trim() !== ''),
          ) // prettier-ignore
          .map(([number, line]) => [number, line.length > 20 ? undefined : line]);
        expect(await read).toEqual(wanted);
        expect(lines.isAtEnd).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('are read only as far as they are asked for', async () => {
    const stream = new PassThrough();
    const lines = new LineSource(stream, 10_000);
    stream.write('first\n');
    expect((await lines.next(LIMITS))?.number).toBe(1);
    const piece = 'x\n'.repeat(8 * 1024);
    let written = 0;
    while (stream.write(piece)) written += 1;
    await new Promise((resolve) => setImmediate(resolve));
    const taken = lines.arrived.bytes;
    for (let i = 0; i < 100; i += 1) stream.write(piece);
    for (let i = 0; i < 10; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(lines.arrived.bytes - taken).toBeLessThanOrEqual(128 * 1024);
    expect(written).toBeLessThan(100);
  });

  it('that are too long are skipped, and nothing of them is kept', async () => {
    const stream = new PassThrough();
    const lines = new LineSource(stream, 10_000);
    const next: Promise<TextLine | undefined> = lines.next(LIMITS);
    for (let i = 0; i < 1000; i += 1)
      if (!stream.write('z'.repeat(64 * 1024))) await new Promise((resolve) => stream.once('drain', resolve));
    const { begun } = lines as unknown as { begun: readonly Buffer[] };
    expect(begun).toEqual([]);
    stream.end('\nend');
    expect(await next).toEqual({ number: 1, bytes: undefined });
    expect((await lines.next(LIMITS))?.bytes?.toString()).toBe('end');
  });
});

describe('waiting for a line', () => {
  it('ends where the body breaks off, where none comes in time, and by the signal with its reason', async () => {
    const broken = new PassThrough();
    const next = new LineSource(broken, 10_000).next(LIMITS);
    broken.write('half');
    broken.destroy(new Error('gone'));
    await expect(next).rejects.toThrow('The body is incomplete.');
    await expect(new LineSource(broken, 10_000).next(LIMITS)).rejects.toThrow('The body is incomplete.');
    await expect(new LineSource(new PassThrough(), 1).next(LIMITS)).rejects.toMatchObject({ status: 408 });
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(new LineSource(new PassThrough(), 10_000).next({ ...LIMITS, signal })).rejects.toThrow('stop');
  });

  it('is asked for leave before it, whatever came meanwhile', async () => {
    const stream = new PassThrough();
    const lines = new LineSource(stream, 10_000);
    const pace = async (): Promise<void> => {
      stream.write('late\n');
      await new Promise((resolve) => setImmediate(resolve));
    };
    expect((await lines.next({ ...LIMITS, pace }))?.bytes?.toString()).toBe('late');
    await expect(lines.next({ ...LIMITS, pace: () => Promise.reject(new Error('no leave')) })).rejects.toThrow(
      'no leave',
    );
  });
});
