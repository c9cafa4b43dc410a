/** Closes a response to everything but the way on which it is masked. */
import type { ServerResponse } from 'node:http';
import type { HeaderFilter } from './answer-headers.js';
import { sealConnection } from './sealed-connection.js';

/** The methods that send something of a response. */
const WAYS = ['writeHead', 'flushHeaders', 'write', 'end'] as const;

/** Replaces all of them, and closes what lies beneath. @returns puts them back */
export function replaceWays(
  response: ServerResponse,
  replacement: Readonly<Record<(typeof WAYS)[number], unknown>>,
): () => void {
  const originals = WAYS.map((name): [string, unknown] => [name, Reflect.get(response, name)]);
  Object.assign(response, replacement);
  const unseal = sealConnection(response, () => response.destroy(createPastMasksError()));
  return () => {
    unseal();
    Object.assign(response, Object.fromEntries(originals));
  };
}

/**
 * Leaves out what goes beside an answer: trailers, answers that are pushed, and what informs before it, such as early hints. No mask can
 * read them, and the answer is whole without.
 */
export function dropAsides(response: ServerResponse): void {
  const drop = (...call: unknown[]): void => {
    const callback = call.find((argument) => typeof argument === 'function');
    if (callback !== undefined) process.nextTick(callback);
  };
  const refusePush = (_headers: unknown, callback: (error: Error) => void): void => {
    process.nextTick(callback, new Error('nothing is pushed beside an answer that has to be masked'));
  };
  Object.assign(response, {
    addTrailers: () => undefined,
    // HTTP/2's own.
    setTrailer: () => undefined,
    writeEarlyHints: drop,
    writeContinue: drop,
    writeProcessing: drop,
    createPushResponse: refusePush,
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
  const destroy = (): ServerResponse => response.destroy(createPastMasksError());
  return replaceWays(response, { writeHead: destroy, flushHeaders: destroy, write: destroy, end: destroy });
}

function createPastMasksError(): Error {
  return new Error('an answer that has to be masked was written past the masks');
}
