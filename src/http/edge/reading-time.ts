/** Limits the time that a long answer waits for its reader. Load shedding calls it, since the answer's bytes are held so long. */
import type { FastifyReply } from 'fastify';

/** The longest that a long answer waits for its reader. */
const ANSWER_TIMEOUT_MS = 30_000;

/** Ends the connection of a reader that doesn't take its answer. */
export function limitReadingTime(reply: FastifyReply): void {
  const timer = setTimeout(() => reply.raw.destroy(), ANSWER_TIMEOUT_MS).unref();
  const clear = (): void => {
    clearTimeout(timer);
  };
  reply.raw.once('finish', clear).once('close', clear);
}
