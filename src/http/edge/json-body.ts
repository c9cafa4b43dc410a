/**
 * Makes the application read bodies as JSON in UTF-8, strictly and within its limits, and validate them by zod. Of a body of
 * lines the first one is read so, and the others are left to the route.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { BadRequest } from '../../model/faults.js';
import { isObject } from '../../policy/schema/types.js';
import { MAX_JSON_DEPTH, parseStrictJson, StrictJsonError, type JsonLimits } from '../../runtime/strict-json.js';
import { toBadRequest } from './errors.js';
import { LineSource } from './line-source.js';
import { createLengthProblem, readBody } from './read-body.js';
import { getAnnouncedLength, MAX_BODY_BYTES } from './unread-body.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A body that may come as lines: the member that they are the elements of, and their format; absent: the body is JSON. */
    lines?: { readonly of: string; readonly format: z.ZodType };
  }
  interface FastifyRequest {
    /** The lines of the body after the first; undefined where it is none of lines. */
    lines: LineSource | undefined;
  }
}

/** A JSON value a line. */
export const LINES_TYPE = 'application/x-ndjson';

/** Room for 1,000 items of fifty members each. What has as many takes some tens of milliseconds to parse. */
export const BODY_LIMITS: JsonLimits = { structures: 60_000, values: 250_000 };

/** Installs the parser, and the validator whose output is what handlers read. */
export function installStrictParsing(app: FastifyInstance, { lineIdleMs }: { readonly lineIdleMs: number }): void {
  app.decorateRequest('lines', undefined);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', readJsonBody);
  app.addContentTypeParser(LINES_TYPE, (request: FastifyRequest, stream: FastifyRequest['raw']) =>
    readFirstLine(request, stream, lineIdleMs),
  );
  // Many clients name a type with every request, and an empty body of that type is none.
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    if (!takesBody(request) && getAnnouncedLength(request.raw) === 0) delete request.raw.headers['content-type'];
    done();
  });
  app.setValidatorCompiler(({ schema }) => (data: unknown) => {
    const format = schema as z.ZodType;
    const parsed = format.safeParse(data);
    return parsed.success ? { value: parsed.data } : { error: toBadRequest(parsed.error, [], format) };
  });
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
}

function takesBody({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.schema?.body !== undefined;
}

async function readJsonBody(request: FastifyRequest, stream: FastifyRequest['raw']): Promise<unknown> {
  const { health, rateLimiter } = request.server;
  const maxBytes = request.routeOptions.bodyLimit;
  requireUncompressed(request);
  const announced = getAnnouncedLength(request.raw);
  if (announced !== Infinity && announced > maxBytes) throw createLengthProblem(maxBytes);
  const { body, bytes, pieces } = await readBody(stream, {
    maxBytes,
    takeRoom: health.admission.createRoom(request, rateLimiter),
  });
  // The length of a body in chunks isn't announced.
  if (body.length === 0 && !takesBody(request)) return undefined;
  return parseCounted(request, body, { bytes, pieces });
}

/** @throws BadRequest */
function requireUncompressed({ headers }: FastifyRequest, status?: number, code?: string): void {
  const { 'content-encoding': encoding = 'identity' } = headers;
  if (encoding.trim().toLowerCase() !== 'identity')
    throw new BadRequest('must be absent: bodies are never compressed', 'Content-Encoding', status, code);
}

/** Reads the first line, which has all of the body but the list that the other lines are the elements of. */
async function readFirstLine(request: FastifyRequest, stream: FastifyRequest['raw'], idleMs: number): Promise<unknown> {
  const { lines: allowed } = request.routeOptions.config;
  if (allowed === undefined)
    throw new BadRequest('The Content-Type must be application/json.', '', 400, 'content_type');
  requireUncompressed(request, 415, 'content_encoding');
  request.server.transport.readOn(request.raw);
  const lines = new LineSource(stream, idleMs);
  request.lines = lines;
  try {
    const line = await lines.next({ maxBytes: MAX_BODY_BYTES });
    if (line !== undefined && line.bytes === undefined) throw createLengthProblem(MAX_BODY_BYTES);
    const first = parseCounted(request, line?.bytes ?? Buffer.alloc(0), lines.arrived);
    if (!isObject(first)) return first;
    // A whole list that was sent as lines would otherwise be answered as an empty one.
    if (allowed.of in first) throw new BadRequest('must be absent: each has a line of its own', allowed.of);
    return { ...first, [allowed.of]: [] };
  } catch (error) {
    lines.stop();
    throw error;
  }
}

/** Parses what was read of a body, which counts by what it has. @throws StrictJsonError, RateLimitExceeded */
function parseCounted(
  request: FastifyRequest,
  body: Buffer,
  { bytes, pieces }: { readonly bytes: number; readonly pieces: number },
): unknown {
  const { rateLimiter } = request.server;
  return parseStrictJson(decodeUtf8(request, body), MAX_JSON_DEPTH, {
    ...BODY_LIMITS,
    // Before it is parsed, which is what costs.
    onMeasured: ({ structures, values }) => {
      rateLimiter.countBody(request, { bytes, pieces, structures, values });
    },
    onReadAgain: (length) => {
      rateLimiter.countReadingAgain(request, length);
    },
  });
}

/** @throws StrictJsonError */
function decodeUtf8({ headers }: FastifyRequest, body: Buffer): string {
  // A proxy that follows another charset would read another text. JSON has one only (RFC 8259 section 8.1).
  const [, charset] = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers['content-type'] ?? '') ?? [];
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8') throw new StrictJsonError('must be UTF-8', '');
  if (body.length === 0) throw new StrictJsonError('is empty', '');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new StrictJsonError('is not well-formed UTF-8', '');
  }
}
