/**
 * Reads the body of a request, with limits of length and of the number of its pieces: each takes the same work, a byte or
 * 64 KiB long. Nothing is read beyond the limit that is exceeded, and nothing is left on the stream that could fail unheard.
 */
import type { Readable } from 'node:stream';
import { BadRequest } from '../../model/faults.js';

/** The pieces that a body may have whatever their size: a sender may write it item by item. */
const FREE_PIECES = 1_000;
/** The least that the pieces have on average, beyond those. */
const LEAST_PIECE_BYTES = 64;
/** Pieces that are brought together, so that a body takes hardly more memory than it has bytes. */
const JOINED_PIECES = 64;

const KIB = 1024;
const MIB = 1024 * KIB;

export interface BodyLimits {
  readonly maxBytes: number;
  /** Told the length of each piece before it is kept. What it throws ends the reading. */
  readonly takeRoom: (bytes: number) => void;
}

export interface ReadBody {
  readonly body: Buffer;
  readonly bytes: number;
  /** The chunks of a body in chunks; of any other body, what arrived at one time. */
  readonly pieces: number;
}

/** @throws BadRequest for a body that is too long, in too many pieces, or incomplete; and what `takeRoom` throws */
export function readBody(stream: Readable, { maxBytes, takeRoom }: BodyLimits): Promise<ReadBody> {
  return new Promise((resolve, reject) => {
    const joined: Buffer[] = [];
    let latest: Buffer[] = [];
    let bytes = 0;
    let pieces = 0;
    const stop = (): void => {
      stream.off('data', add).off('end', finish).off('close', breakOff).off('error', breakOff);
    };
    const refuse = (error: Error): void => {
      stop();
      // The connection of a body that isn't wanted ends after the answer.
      stream.pause();
      reject(error);
    };
    // A sender that hangs up, or is too slow.
    const breakOff = (): void => {
      refuse(new BadRequest('The body is incomplete.'));
    };
    const add = (piece: Buffer): void => {
      bytes += piece.length;
      pieces += 1;
      try {
        if (bytes > maxBytes) throw createLengthProblem(maxBytes);
        if (pieces > FREE_PIECES + bytes / LEAST_PIECE_BYTES)
          throw new BadRequest('The body comes in too many pieces: write longer ones.');
        takeRoom(piece.length);
      } catch (error) {
        refuse(error as Error);
        return;
      }
      latest.push(piece);
      if (latest.length < JOINED_PIECES) return;
      joined.push(Buffer.concat(latest));
      latest = [];
    };
    const finish = (): void => {
      stop();
      const all = [...joined, ...latest];
      const [only] = all;
      resolve({ body: all.length === 1 && only !== undefined ? only : Buffer.concat(all), bytes, pieces });
    };
    // Whatever becomes of the stream after the reading has ended, nothing of it is unheard: that would end the process.
    stream.on('error', () => undefined);
    stream.on('data', add).once('end', finish).once('close', breakOff).once('error', breakOff);
    if (stream.destroyed) breakOff();
  });
}

/** The refusal of a body beyond the limit, which names it. */
export function createLengthProblem(maxBytes: number): BadRequest {
  const [count, unit] = maxBytes % MIB === 0 ? [maxBytes / MIB, 'MiB'] : [Math.floor(maxBytes / KIB), 'KiB'];
  return new BadRequest(`The body must be at most ${count} ${unit} long.`, '', 413, 'body_too_large');
}
