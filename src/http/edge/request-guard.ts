/** Checks the head of a request before the caller is authenticated: its target, its headers and its Host. */
import type { IncomingMessage } from 'node:http';
import { createProblem, type ProblemBody } from './errors.js';

const MAX_HEADERS = 100;
/** Headers that must appear once: two values would be read differently by us and by a proxy. */
const SINGLE_HEADERS = new Set([
  'host',
  'authorization',
  'dpop',
  'content-type',
  'content-length',
  'transfer-encoding',
]);

/** Undefined where the head is acceptable. @param hosts the Host values that are served; undefined: any */
export function findRequestProblem(
  { url = '', headers, rawHeaders }: IncomingMessage,
  hosts: ReadonlySet<string> | undefined,
): { readonly status: number; readonly problem: ProblemBody } | undefined {
  // An absolute target could name another host than the header (RFC 9112 section 3.2.2). Clients never send a fragment,
  // and a proxy could route the target by another path than we do.
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
  // A proxy that reads another coding would see another length (RFC 9112 section 6.1).
  if ((headers['transfer-encoding'] ?? 'chunked').toLowerCase() !== 'chunked')
    return { status: 400, problem: createProblem('bad_request', 'The only transfer coding is chunked.') };
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue')
    return { status: 417, problem: createProblem('expectation_failed', 'The only expectation is 100-continue.') };
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
