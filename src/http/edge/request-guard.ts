/** What is wrong with a request before anybody looks at who sends it: its target, its headers, its Host. */
import type { IncomingMessage } from 'node:http';
import { createProblem, type ProblemBody } from './errors.js';

const MAX_HEADERS = 100;
/** Of two of these one would count here and the other one, perhaps, for a proxy in between. */
const SINGLE_HEADERS = new Set([
  'host',
  'authorization',
  'dpop',
  'content-type',
  'content-length',
  'transfer-encoding',
]);

/** @param hosts those that are served; undefined: any */
export function findRequestProblem(
  { url = '', headers, rawHeaders }: IncomingMessage,
  hosts: ReadonlySet<string> | undefined,
): { readonly status: number; readonly problem: ProblemBody } | undefined {
  // An absolute target would name another host than the header does (RFC 9112 section 3.2.2). A fragment is never sent:
  // what is routed by one reader's path must not be another path for the next.
  if (!url.startsWith('/') || url.includes('#'))
    return { status: 400, problem: createProblem('bad_request', 'The target must be a path.') };
  if (rawHeaders.length > 2 * MAX_HEADERS)
    return {
      status: 431,
      problem: createProblem('headers_too_large', `There must be at most ${MAX_HEADERS} headers.`),
    };
  const repeated = findRepeatedHeader(rawHeaders);
  if (repeated !== undefined)
    return { status: 400, problem: createProblem('bad_request', `The header ${repeated} must be given once.`) };
  // Another coding is another length for whoever reads it otherwise (RFC 9112 section 6.1).
  if ((headers['transfer-encoding'] ?? 'chunked').toLowerCase() !== 'chunked')
    return { status: 400, problem: createProblem('bad_request', 'The only transfer coding is chunked.') };
  if (hosts?.has(headers.host ?? '') === false)
    return { status: 421, problem: createProblem('host_refused', 'This Host is not served here.') };
  return undefined;
}

/** @param rawHeaders names and values in turn */
function findRepeatedHeader(rawHeaders: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (!SINGLE_HEADERS.has(name)) continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}
