/** Reads the status and the headers of an answer: whether it counts, may be asked for again, or refuses the request. */
import { RemitSetupError, RemitUnavailable } from './errors.js';
import { dropBody } from './read-body.js';
import { isRecord } from './strict-json.js';

/** The status of a decision. */
export const DECIDED: readonly number[] = [200];
/** The statuses after which another attempt may help. */
const RETRIED: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * Reads whether an answer counts. One that is left, with its body, is good or refuses the request.
 * @param statuses those of a good answer
 * @returns the error of one that may go away. @throws RemitUnavailable for others
 */
export async function readOutage(
  response: Response,
  statuses: readonly number[],
): Promise<RemitUnavailable | undefined> {
  const { status, ok } = response;
  await requireDirect(response);
  if (ok) await requireGoodStatus(response, statuses);
  const mayGoAway = RETRIED.has(status);
  if (!mayGoAway && status < 500) return undefined;
  await dropBody(response);
  const error = toStatusError(response);
  if (mayGoAway) return error;
  throw error;
}

/** @throws RemitUnavailable where it leads elsewhere */
async function requireDirect(response: Response): Promise<void> {
  const { status, type } = response;
  if (type !== 'opaqueredirect' && (status < 300 || status >= 400)) return;
  await dropBody(response);
  throw new RemitUnavailable('redirect', { status });
}

/**
 * Another status of success is another answer: a part (206), what something between has changed (203), or one that is still to be
 * decided (202).
 * @throws RemitUnavailable
 */
async function requireGoodStatus(response: Response, statuses: readonly number[]): Promise<void> {
  const { status } = response;
  if (statuses.includes(status)) return;
  await dropBody(response);
  throw new RemitUnavailable('answer', { status });
}

function toStatusError({ status, headers }: Response): RemitUnavailable {
  return new RemitUnavailable('status', { status, retryAfter: readRetryAfter(headers) });
}

/** Reads Remit's header; what isn't an id of its kind is none. */
export function readDecisionId(headers: Headers): string | undefined {
  const id = headers.get('remit-decision-id') ?? '';
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) ? id : undefined;
}

function readRetryAfter(headers: Headers): number | undefined {
  const text = headers.get('retry-after') ?? '';
  return /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

/** The error of an answer that refuses the request, and will refuse it again. */
export function toRefusal(status: number, body: unknown): RemitSetupError {
  const at = isRecord(body) && isRecord(body['error']) ? body['error']['at'] : undefined;
  // A place, and no text that the service may have taken from the request.
  const place = typeof at === 'string' && /^[\w.[\]-]{1,128}$/.test(at) ? at : undefined;
  const code =
    status === 401
      ? 'credential'
      : status === 403
        ? 'forbidden'
        : status === 404 || status === 405
          ? 'not_found'
          : 'question';
  const detail = status === 403 ? explainForbidden(body) : undefined;
  return new RemitSetupError(code, { status, at: place, detail, problem: readProblemName(body) });
}

function readProblemName(body: unknown): string | undefined {
  const type = isRecord(body) ? body['type'] : undefined;
  return typeof type === 'string'
    ? /^urn:openid:authzen:access-request:error:([a-z_]{1,64})$/.exec(type)?.[1]
    : undefined;
}

/** Says what a client lacks, in words of this package: of the service's own only the permissions' names are taken. */
function explainForbidden(body: unknown): string | undefined {
  const message = isRecord(body) && isRecord(body['error']) ? body['error']['message'] : undefined;
  if (typeof message !== 'string') return undefined;
  const [, permissions] = /^This client may not ("[a-z_]{1,32}"(?: or "[a-z_]{1,32}"){0,8})\.$/.exec(message) ?? [];
  if (permissions !== undefined) return `it lacks the permission ${permissions}`;
  const [, parties] =
    /^This is for ((?:clients|agents|people)(?:(?:, | and )(?:clients|agents|people)){0,2})\b/.exec(message) ?? [];
  return parties === undefined ? undefined : `this is for ${parties}`;
}
