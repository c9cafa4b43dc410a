/**
 * Reads a body line by line, as it arrives: no more is read than is asked for, so a sender waits for who works on its lines.
 * What is kept is bounded, whatever the length of a line: of one that is too long nothing is kept but its number.
 */
import type { Readable } from 'node:stream';
import { BadRequest } from '../../model/faults.js';
import { withTimeout } from '../../runtime/timeout.js';

export interface TextLine {
  /** Its place in the body, from 1. */
  readonly number: number;
  /** undefined where the line is too long to be kept. */
  readonly bytes: Buffer | undefined;
}

/** The bytes that arrive before the sender has to wait. */
const HIGH_WATER_BYTES = 64 * 1024;
/** Pieces of a line that are brought together, so that they take hardly more memory than they have bytes. */
const MAX_LINE_PIECES = 64;
const LINE_FEED = 0x0a;
/** The bytes of a line that has nothing in it: a space, a tab, a carriage return. */
const BLANK_BYTES = new Set([0x20, 0x09, 0x0d]);

export interface LineLimits {
  readonly maxBytes: number;
  /** Ends the reading, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called before more is waited for, however little of what came was a line. */
  readonly pace?: (() => Promise<void>) | undefined;
}

export class LineSource {
  /** The bytes that have arrived so far, and their pieces: each takes the same work, however short it is. */
  readonly arrived = { bytes: 0, pieces: 0 };
  /** Whether an answer is under way while the body goes on. */
  isAnswered = false;
  private readonly waiting: Buffer[] = [];
  private waitingBytes = 0;
  /** The pieces of the line that has begun. */
  private begun: Buffer[] = [];
  private begunBytes = 0;
  private lineNumber = 0;
  private state: 'open' | 'ended' | 'broken' = 'open';
  private isStopped = false;
  private wake: () => void = () => undefined;

  /** @param idleMs the time in which a line has to come, once it is waited for */
  constructor(
    private readonly stream: Readable,
    private readonly idleMs: number,
  ) {
    const settle = (state: 'ended' | 'broken'): void => {
      if (this.state === 'open') this.state = state;
      this.wake();
    };
    stream.on('data', (piece: Buffer) => {
      if (this.isStopped) return;
      this.arrived.bytes += piece.length;
      this.arrived.pieces += 1;
      this.waiting.push(piece);
      this.waitingBytes += piece.length;
      if (this.waitingBytes >= HIGH_WATER_BYTES) stream.pause();
      this.wake();
    });
    const breakOff = (): void => {
      settle('broken');
    };
    stream.once('end', () => {
      settle('ended');
    });
    stream.on('error', breakOff).once('close', breakOff);
    if (stream.destroyed) breakOff();
  }

  /** Whether all of the body has been read. */
  get isAtEnd(): boolean {
    return this.state === 'ended' && this.waiting.length === 0 && this.begunBytes === 0;
  }

  /**
   * Reads the next line, without its end. Those with nothing in them are left out, but for the first, and counted.
   * @returns undefined at the end of the body
   * @throws BadRequest where the body breaks off, or no line comes in time; the reason of the signal; and what `pace` throws
   */
  async next(limits: LineLimits): Promise<TextLine | undefined> {
    let leftMs = this.idleMs;
    for (;;) {
      const line = this.takeLine(limits.maxBytes);
      if (line !== undefined) return line;
      if (this.state === 'ended') return this.takeLastLine(limits.maxBytes);
      if (this.state === 'broken') throw new BadRequest('The body is incomplete.');
      await limits.pace?.();
      // More may have come meanwhile.
      if (this.waiting.length === 0 && this.isOpen()) leftMs -= await this.waitForMore(leftMs, limits.signal);
    }
  }

  /** Keeps nothing of what still comes, which waits unless it is {@link discard}ed. */
  stop(): void {
    this.isStopped = true;
    this.stream.pause();
    this.waiting.length = 0;
    this.begun = [];
  }

  /** Reads the rest away: a connection that ends with something unread may lose what was answered. */
  discard(): void {
    this.stop();
    this.stream.resume();
  }

  /** Takes a line of what has arrived; undefined where none of it is whole. */
  private takeLine(maxBytes: number): TextLine | undefined {
    for (let piece = this.waiting.shift(); piece !== undefined; piece = this.waiting.shift()) {
      const end = piece.indexOf(LINE_FEED);
      const part = end === -1 ? piece : piece.subarray(0, end);
      const rest = end === -1 ? undefined : piece.subarray(end + 1);
      this.waitingBytes -= piece.length - (rest?.length ?? 0);
      this.begunBytes += part.length;
      this.keep(part, maxBytes);
      if (rest === undefined) continue;
      if (rest.length > 0) this.waiting.unshift(rest);
      const line = this.endLine(maxBytes);
      if (line !== undefined) return line;
    }
    return undefined;
  }

  private keep(part: Buffer, maxBytes: number): void {
    if (this.begunBytes > maxBytes) this.begun = [];
    else if (part.length > 0) this.begun.push(part);
    if (this.begun.length > MAX_LINE_PIECES) this.begun = [Buffer.concat(this.begun)];
  }

  /** The last line may have no end. */
  private takeLastLine(maxBytes: number): TextLine | undefined {
    return this.begunBytes === 0 ? undefined : this.endLine(maxBytes);
  }

  private endLine(maxBytes: number): TextLine | undefined {
    this.lineNumber += 1;
    const isKept = this.begunBytes <= maxBytes;
    // A copy, since a few bytes of a piece would keep all of it.
    const bytes = Buffer.concat(this.begun);
    this.begun = [];
    this.begunBytes = 0;
    if (!isKept) return { number: this.lineNumber, bytes: undefined };
    const isBlank = bytes.every((byte) => BLANK_BYTES.has(byte));
    return isBlank && this.lineNumber > 1 ? undefined : { number: this.lineNumber, bytes };
  }

  private isOpen(): boolean {
    return this.state === 'open';
  }

  /** @returns the milliseconds that it took */
  private async waitForMore(ms: number, signal: AbortSignal | undefined): Promise<number> {
    const startedAt = performance.now();
    const more = new Promise<void>((resolve) => (this.wake = resolve));
    const giveUp = (): never => {
      signal?.throwIfAborted();
      throw new BadRequest('No line of the body arrived in time.', '', 408, 'request_timeout');
    };
    this.stream.resume();
    await withTimeout(more, Math.max(0, ms), giveUp, { signal });
    return performance.now() - startedAt;
  }
}
