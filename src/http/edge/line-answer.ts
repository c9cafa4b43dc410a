/**
 * An answer that is written line by line while it is worked on. Who writes waits until the reader has taken what was written
 * before; and an answer that fails is cut off, so that it never looks like a whole one: its connection ends without the last
 * chunk.
 */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { BadRequest } from '../../model/faults.js';
import { withTimeout } from '../../runtime/timeout.js';
import { endReading } from './unread-body.js';

/** The time between the last line of an answer that is cut off and the end of its connection. */
const BREAK_AFTER_MS = 200;
/** The time in which the last line of an answer that is cut off can be read. */
const CUT_OFF_MS = 1_000;

export class LineAnswer extends Readable {
  private takeMore: () => void = () => undefined;

  /** @param idleMs the longest that a reader may take for what was written */
  constructor(private readonly idleMs: number) {
    super();
    // It may be destroyed by who sends it, whose business that is.
    this.on('error', () => undefined);
  }

  override _read(): void {
    this.takeMore();
  }

  /**
   * Writes, and waits until it is taken.
   * @throws BadRequest where the reader takes too long; the reason of the signal
   */
  async write(text: string, signal: AbortSignal): Promise<void> {
    if (text === '') return;
    const taken = new Promise<void>((resolve) => (this.takeMore = resolve));
    if (this.push(text)) return;
    const giveUp = (): never => {
      signal.throwIfAborted();
      throw new BadRequest('The answer was not read in time.', '', 408, 'reader_timeout');
    };
    await withTimeout(taken, this.idleMs, giveUp, { signal });
  }

  /** Ends the answer as a whole one. @param reply its connection ends as well, where the sender still sends */
  finish(reply: FastifyReply, isBodyRead: boolean): void {
    const { socket } = reply.raw;
    if (!isBodyRead && socket !== null)
      reply.raw.once('finish', () => {
        endReading(socket);
        socket.destroySoon();
      });
    this.push(null);
  }

  /** Ends the answer as one that isn't whole. @param text what is still to be read of it */
  cutOff(reply: FastifyReply, text: string): void {
    const { raw } = reply;
    const { socket } = raw;
    // An injected request has no connection that could end.
    if (socket === null || !('complete' in reply.request.raw)) {
      this.destroy();
      return;
    }
    // Node would write the last chunk, by which a whole answer is known.
    raw.end = () => {
      // Many clients drop what they haven't handed on when a connection breaks.
      setTimeout(() => socket.end(), BREAK_AFTER_MS).unref();
      return raw;
    };
    this.push(text);
    this.push(null);
    // A reader that takes nothing is not waited for.
    setTimeout(() => setImmediate(() => socket.destroy()), CUT_OFF_MS).unref();
  }
}
