/** The answer to a caller that isn't let through: the status, the challenge, and a text that is safe for agents. */
import { RemitSetupError, RemitUnavailable, type Evaluation } from 'remit-client';
import { RequestUnclear } from './request-names.js';
import { CallerUnknown } from './route-question.js';

export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: {
    readonly error: { readonly code: string; readonly message: string };
    /** Names the decision, for those who look into it. */
    readonly decision?: string;
    readonly remedies?: readonly object[];
  };
}

/** The members of a remedy that a caller is told, beside its type. */
const TOLD = ['permission', 'acr', 'scope'];
const HEADER_SAFE = /^[\x20-\x7e]{1,1024}$/;

/** @param told what the body has beside the error */
function createRefusal(
  status: number,
  code: string,
  message: string,
  headers: Refusal['headers'] = {},
  told: Omit<Refusal['body'], 'error'> = {},
): Refusal {
  return {
    status,
    headers: { 'cache-control': 'no-store', ...headers, 'content-type': 'application/json; charset=utf-8' },
    body: { error: { code, message }, ...told },
  };
}

/** The refusal of a request that was denied. */
export function refuseDenied(evaluation: Evaluation): Refusal {
  if (evaluation.isUndecided) return refuseError(new RemitUnavailable('status'));
  const { status, challenge } = chooseStatus(evaluation);
  const message = evaluation.message ?? 'This is not allowed.';
  const headers = challenge === undefined ? {} : { 'www-authenticate': challenge };
  const remedies = tellRemedies(evaluation);
  return createRefusal(status, status === 401 ? 'unauthorized' : 'denied', message, headers, {
    ...(evaluation.id === undefined ? {} : { decision: evaluation.id }),
    ...(remedies.length === 0 ? {} : { remedies }),
  });
}

/**
 * 401 where another token, a proof or a stronger sign-in is needed, with the challenge that says so; 403 for everything
 * else, for a missing scope with its challenge (RFC 6750, 9449, 9470).
 */
function chooseStatus(evaluation: Evaluation): { readonly status: number; readonly challenge?: string } {
  const { reasons, remedies, obligations } = evaluation;
  const find = (type: string): string | undefined => remedies.find((remedy) => remedy.type === type)?.challenge;
  if (reasons[0]?.step === 'token') return { status: 401, challenge: keepSafe(find('token')) ?? 'Bearer' };
  const scope = keepSafe(find('scope'));
  if (scope !== undefined) return { status: 403, challenge: scope };
  const acr =
    remedies.find(({ type }) => type === 'step_up')?.['acr'] ??
    obligations.find(({ type }) => type === 'step-up')?.properties['acr_value'];
  if (typeof acr === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(acr))
    return { status: 401, challenge: `Bearer error="insufficient_user_authentication", acr_values="${acr}"` };
  return { status: 403 };
}

/** A challenge goes into a header as it is, so it must be one line. */
function keepSafe(challenge: string | undefined): string | undefined {
  return challenge !== undefined && HEADER_SAFE.test(challenge) ? challenge : undefined;
}

/** A caller learns what would help only where that tells nothing of further steps. */
function tellRemedies({ reasons, remedies }: Evaluation): object[] {
  if (new Set(reasons.map(({ step }) => step)).size > 1) return [];
  return remedies.map((remedy) =>
    Object.fromEntries(Object.entries(remedy).filter(([name]) => name === 'type' || TOLD.includes(name))),
  );
}

/** The refusal of a request that could not be asked about. @throws the error where it is none of the client's */
export function refuseError(error: unknown): Refusal {
  if (error instanceof CallerUnknown)
    return createRefusal(401, 'unauthorized', 'A credential is required.', { 'www-authenticate': 'Bearer' });
  if (error instanceof RequestUnclear) return createRefusal(400, 'bad_request', error.message);
  if (error instanceof RemitUnavailable) {
    const headers = error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) };
    return createRefusal(503, 'unavailable', 'It can not be decided now whether this is allowed.', headers);
  }
  if (error instanceof RemitSetupError) {
    // What the request itself brought into the question: an id with a line break, or one that is too long.
    if (error.code === 'question' && error.status === 400 && /^(?:resource|action)\b/.test(error.at ?? ''))
      return createRefusal(400, 'bad_request', 'The request names something that can not exist.');
    return refuseMisconfigured();
  }
  throw error;
}

/** The refusal where the API is at fault: its client, its question, or a route that doesn't say what it asks. */
export function refuseMisconfigured(): Refusal {
  return createRefusal(500, 'misconfigured', 'The API is wrongly set up.');
}

/** Replaces an answer that has to be masked and can't be. @param status of that answer: one that is an error stays it */
export function refuseUnmasked(status: number): Refusal {
  return createRefusal(status >= 400 ? status : 500, 'not_shown', 'The answer can not be shown.');
}
