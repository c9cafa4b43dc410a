/** Holds a response of Node's back until it is whole, whichever way it is written, so that it can be masked and sent. */
import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Obligation } from 'remit-client';
import { COMPARING_HEADERS, HeaderFilter, selectUnsafeHeaders } from './answer-headers.js';
import { BodyCollector, maskBody, type AnswerHead } from './masked-body.js';
import { refuseUnmasked } from './refusal.js';
import type { MaskLimits } from './route-question.js';
import { dropAsides, dropUnsent, replaceWays } from './sealed-response.js';

type Callback = (error?: Error | null) => void;

export function captureResponse(
  request: IncomingMessage,
  response: ServerResponse,
  masks: readonly Obligation[],
  { maxMaskedBytes, unmaskedHeaders }: MaskLimits,
): void {
  // Nothing is answered by comparing with what isn't shown.
  for (const name of COMPARING_HEADERS) Reflect.deleteProperty(request.headers, name);
  const filter = new HeaderFilter(Object.entries(response.getHeaders()), unmaskedHeaders);
  dropAsides(response);
  let collector: BodyCollector | undefined;
  let isEnded = false;
  /** @returns whether there is room for more */
  const collect = (piece: unknown, encoding: unknown, callback: unknown): boolean => {
    const told = [piece, encoding, callback].find((argument) => typeof argument === 'function') as Callback | undefined;
    if (told !== undefined) process.nextTick(told);
    if (piece === undefined || piece === null || typeof piece === 'function') return true;
    // With the first piece the headers are settled.
    collector ??= new BodyCollector(readHead(response), maxMaskedBytes);
    return collector.add(piece, typeof encoding === 'string' ? (encoding as BufferEncoding) : undefined);
  };
  const send = (): void => {
    isEnded = true;
    restore();
    dropUnsent(response, filter);
    const body = finish(request, response, collector === undefined ? new Uint8Array() : collector.body, masks);
    if (body === undefined) response.end();
    else response.end(body);
  };
  const restore = replaceWays(response, {
    writeHead: (status: number, reason?: unknown, headers?: unknown) => {
      response.statusCode = status;
      setHeaders(response, typeof reason === 'string' ? headers : (headers ?? reason));
      return response;
    },
    flushHeaders: () => undefined,
    write: (piece: unknown, encoding?: unknown, callback?: unknown) => {
      if (collect(piece, encoding, callback)) return true;
      // What can't be masked may never end, so its refusal doesn't wait for that. What the handler still writes is let go of.
      send();
      const ignore = (): ServerResponse => response;
      Object.assign(response, { writeHead: ignore, flushHeaders: ignore, write: () => true, end: ignore });
      return true;
    },
    end: (piece?: unknown, encoding?: unknown, callback?: unknown) => {
      collect(piece, encoding, callback);
      if (!isEnded) send();
      return response;
    },
  });
}

function readHead(response: ServerResponse): AnswerHead {
  return {
    contentType: response.getHeader('content-type')?.toString(),
    contentEncoding: response.getHeader('content-encoding')?.toString(),
    status: response.statusCode,
    leadsElsewhere: response.hasHeader('location'),
  };
}

/** Sets what is to be sent. @returns its body */
function finish(
  request: IncomingMessage,
  response: ServerResponse,
  body: Uint8Array | undefined,
  masks: readonly Obligation[],
): Buffer | undefined {
  const isBodiless = request.method === 'HEAD' || response.statusCode === 204 || response.statusCode === 304;
  if (isBodiless) return undefined;
  let masked = maskBody(body, readHead(response), masks);
  if (masked === undefined) {
    const refusal = refuseUnmasked(response.statusCode);
    for (const name of selectUnsafeHeaders(response.getHeaderNames())) response.removeHeader(name);
    response.statusCode = refusal.status;
    for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
    masked = JSON.stringify(refusal.body);
  }
  const bytes = Buffer.from(masked, 'utf8');
  response.setHeader('content-length', bytes.byteLength);
  return bytes;
}

/**
 * Sets the headers of `writeHead`, which takes an object, or names and values in one list or in pairs. They replace those of before; a
 * name that a list has twice, such as `set-cookie`, keeps both values.
 */
function setHeaders(response: ServerResponse, headers: unknown): void {
  if (Array.isArray(headers)) {
    const pairs = toPairs(headers);
    for (const [name] of pairs) response.removeHeader(name);
    for (const [name, value] of pairs) response.appendHeader(name, Array.isArray(value) ? value : String(value));
  } else if (typeof headers === 'object' && headers !== null)
    for (const [name, value] of Object.entries(headers as OutgoingHttpHeaders))
      if (value !== undefined) response.setHeader(name, value);
}

function toPairs(list: readonly unknown[]): (readonly [string, OutgoingHttpHeader])[] {
  const flat = list.every((entry) => Array.isArray(entry)) ? list.flat(1) : list;
  return Array.from({ length: Math.floor(flat.length / 2) }, (_, i) => [
    String(flat[2 * i]),
    (flat[2 * i + 1] ?? '') as OutgoingHttpHeader,
  ]);
}
