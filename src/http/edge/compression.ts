/**
 * Compresses the answers of lists, for who asks for it (`Accept-Encoding`). A list of full decisions says the same a thousand
 * times. What is short, or a single decision, is sent as it is: there it would cost more than it saves. An answer that is
 * written line by line is flushed with each write, so that its reader never waits for what is written already.
 */
import { pipeline, Readable, type Transform } from 'node:stream';
import { promisify } from 'node:util';
import { brotliCompress, constants, createBrotliCompress, createGzip, gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether answers of the route are compressed where that is asked for. */
    compresses?: boolean;
  }
}

interface Coding {
  readonly compress: (text: string) => Promise<Buffer>;
  readonly createStream: () => Transform;
}

/** A shorter answer fits in a packet or two as it is. */
const LEAST_BYTES = 1024;
/** The longest header that is read: there are no more codings to name. */
const MAX_HEADER_LENGTH = 256;

/** The least work: more of it saves a twentieth. */
const GZIP = { level: 1 };
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
const gzipText = promisify<string, object, Buffer>(gzip);
const brotliText = promisify<string, object, Buffer>(brotliCompress);

/** The codings, the preferred one first: gzip takes less time, and saves hardly less. */
const CODINGS: Readonly<Record<string, Coding>> = {
  gzip: {
    compress: (text) => gzipText(text, GZIP),
    createStream: () => createGzip({ ...GZIP, flush: constants.Z_SYNC_FLUSH }),
  },
  br: {
    compress: (text) => brotliText(text, BROTLI),
    createStream: () => createBrotliCompress({ ...BROTLI, flush: constants.BROTLI_OPERATION_FLUSH }),
  },
};

/** Adds the hook. Call it before the hooks that count the bytes of answers: those are to count what is sent. */
export function compressAnswers(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, payload: unknown, done) => {
    if (request.routeOptions.config.compresses !== true || request.caller === undefined) {
      done(null, payload);
      return;
    }
    void reply.header('vary', 'accept-encoding');
    const name = chooseCoding(request.headers['accept-encoding']);
    const coding = name === undefined ? undefined : CODINGS[name];
    const isLong = typeof payload === 'string' && payload.length >= LEAST_BYTES;
    if (name === undefined || coding === undefined || !(isLong || payload instanceof Readable)) {
      done(null, payload);
      return;
    }
    void reply.header('content-encoding', name).removeHeader('content-length');
    if (payload instanceof Readable) {
      // What fails on the one side ends the other: the sender of the answer hears of it.
      done(null, pipeline(payload, coding.createStream(), () => undefined) as Readable);
      return;
    }
    coding.compress(payload).then((bytes) => {
      done(null, bytes);
    }, done);
  });
}

/**
 * Makes what sends a text that never changes, which even strangers may ask for: each coding of it is made once.
 * @param write called once, at the first request
 */
export function keepText(type: string, write: () => string): (reply: FastifyReply) => Promise<FastifyReply> {
  let text: string | undefined;
  const coded = new Map<string | undefined, Promise<Buffer>>();
  return async (reply) => {
    text ??= write();
    const name = chooseCoding(reply.request.headers['accept-encoding']);
    const coding = name === undefined ? undefined : CODINGS[name];
    const bytes = coded.get(name) ?? coding?.compress(text) ?? Promise.resolve(Buffer.from(text));
    coded.set(name, bytes);
    if (name !== undefined) void reply.header('content-encoding', name);
    return reply
      .type(type)
      .header('vary', 'accept-encoding')
      .send(await bytes);
  };
}

/** Chooses the coding that the header likes best, of those that it likes as well the first. @returns undefined for none */
export function chooseCoding(header: string | readonly string[] | undefined): string | undefined {
  if (typeof header !== 'string' || header.length > MAX_HEADER_LENGTH) return undefined;
  const weights = new Map<string, number>();
  for (const part of header.toLowerCase().split(',')) {
    const [, name, weight = '1'] = /^\s*([a-z*]+)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/.exec(part) ?? [];
    if (name !== undefined) weights.set(name, Number(weight));
  }
  const weigh = (name: string): number => weights.get(name) ?? weights.get('*') ?? 0;
  let best: string | undefined;
  for (const name of Object.keys(CODINGS)) if (weigh(name) > (best === undefined ? 0 : weigh(best))) best = name;
  return best;
}
