/** Closes a response to everything but the way on which it is masked. */
import type { ServerResponse } from 'node:http';

/** The methods that send something of a response. */
export const WAYS = ['writeHead', 'flushHeaders', 'write', 'end'] as const;

/**
 * Whatever is written past the masks (`reply.hijack()` and then to the raw response) ends the connection, and nothing of it
 * is sent.
 * @returns opens it again
 */
export function sealResponse(response: ServerResponse): () => void {
  const originals = WAYS.map((name): [string, unknown] => [name, Reflect.get(response, name)]);
  const destroy = (): ServerResponse =>
    response.destroy(new Error('an answer that has to be masked was written past the masks'));
  for (const name of WAYS) Object.assign(response, { [name]: destroy });
  return () => {
    for (const [name, original] of originals) Object.assign(response, { [name]: original });
  };
}
