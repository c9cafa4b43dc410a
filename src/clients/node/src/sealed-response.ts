/** Closes a response to everything but the way on which it is masked. */
import type { ServerResponse } from 'node:http';
import type { HeaderFilter } from './answer-headers.js';

/** The methods that send something of a response. */
const WAYS = ['writeHead', 'flushHeaders', 'write', 'end'] as const;

/** Replaces all of them. @returns puts them back */
export function replaceWays(
  response: ServerResponse,
  replacement: Readonly<Record<(typeof WAYS)[number], unknown>>,
): () => void {
  const originals = WAYS.map((name): [string, unknown] => [name, Reflect.get(response, name)]);
  Object.assign(response, replacement);
  return () => {
    Object.assign(response, Object.fromEntries(originals));
  };
}

/**
 * Leaves out what goes beside an answer: trailers, and the headers of early hints, which no mask can read. The answer is whole without
 * them.
 */
export function dropAsides(response: ServerResponse): void {
  Object.assign(response, {
    addTrailers: () => undefined,
    writeEarlyHints: (_hints: unknown, callback?: () => void) => {
      if (callback !== undefined) process.nextTick(callback);
    },
  });
}

/** Takes back what a handler has set on a response beside its body, which no mask reads. @param filter says which headers stay */
export function dropUnsent(response: ServerResponse, filter: HeaderFilter): void {
  for (const name of filter.selectUnsent(Object.entries(response.getHeaders()))) response.removeHeader(name);
  forgetReason(response);
}

/** Forgets the handler's own words for the status, which no mask can read either. */
export function forgetReason(response: ServerResponse): void {
  Reflect.deleteProperty(response, 'statusMessage');
}

/**
 * Whatever is written past the masks (`reply.hijack()` and then to the raw response) ends the connection, and nothing of it
 * is sent.
 * @returns opens it again
 */
export function sealResponse(response: ServerResponse): () => void {
  dropAsides(response);
  const destroy = (): ServerResponse =>
    response.destroy(new Error('an answer that has to be masked was written past the masks'));
  return replaceWays(response, { writeHead: destroy, flushHeaders: destroy, write: destroy, end: destroy });
}
