/** Makes the application read bodies as JSON in UTF-8, strictly and within its limits, and validate them by zod. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { BadRequest } from '../../model/faults.js';
import { MAX_JSON_DEPTH, parseStrictJson, StrictJsonError, type JsonLimits } from '../../runtime/strict-json.js';
import { toBadRequest } from './errors.js';
import { createLengthProblem, readBody } from './read-body.js';
import { getAnnouncedLength } from './unread-body.js';

/** Room for 1,000 items of fifty members each. What has as many takes some tens of milliseconds to parse. */
const BODY_LIMITS: JsonLimits = { structures: 60_000, values: 250_000 };

/** Installs the parser, and the validator whose output is what handlers read. */
export function installStrictParsing(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', readJsonBody);
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
  const { 'content-encoding': encoding = 'identity' } = request.headers;
  if (encoding.trim().toLowerCase() !== 'identity')
    throw new BadRequest('must be absent: bodies are never compressed', 'Content-Encoding');
  const announced = getAnnouncedLength(request.raw);
  if (announced !== Infinity && announced > maxBytes) throw createLengthProblem(maxBytes);
  const { body, bytes, pieces } = await readBody(stream, {
    maxBytes,
    takeRoom: health.admission.createRoom(request, rateLimiter),
  });
  // The length of a body in chunks isn't announced.
  if (body.length === 0 && !takesBody(request)) return undefined;
  const text = decodeUtf8(request, body);
  return parseStrictJson(text, MAX_JSON_DEPTH, {
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
