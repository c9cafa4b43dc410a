/**
 * The three ways in which a question ends without an allow: it was denied, it could not be asked, or the client is wrongly
 * set up. None of their texts has a token, a key, an address, or words of the service's own.
 */
import type { AccessRequestOffer, Evaluation, Reason, Remedy } from './evaluation.js';

export abstract class RemitError extends Error {
  abstract readonly kind: 'denied' | 'unavailable' | 'setup';
}

/** The service said no, or said yes with an obligation that was not carried out. */
export class RemitDenied extends RemitError {
  override readonly name = 'RemitDenied';
  readonly kind = 'denied';
  readonly code: string;
  readonly reasons: readonly Reason[];
  readonly remedies: readonly Remedy[];
  readonly decisionId: string | undefined;
  // Private to the language, so that no log that prints an error has the question's token or an address.
  readonly #evaluation: Evaluation;

  /** @param more the rest of the sentence, after the reason */
  constructor(evaluation: Evaluation, more?: string) {
    super(`denied: ${evaluation.code ?? 'no reason was told'}${more === undefined ? '' : `, ${more}`}`);
    this.code = evaluation.code ?? 'denied';
    this.reasons = evaluation.reasons;
    this.remedies = evaluation.remedies;
    this.decisionId = evaluation.id;
    this.#evaluation = evaluation;
  }

  get evaluation(): Evaluation {
    return this.#evaluation;
  }

  /** The way to ask for the approvals that would lift the deny, where there are any. */
  get accessRequest(): AccessRequestOffer | undefined {
    return this.#evaluation.accessRequest;
  }
}

const UNAVAILABLE = {
  timeout: 'no answer came before the deadline',
  aborted: 'the question was given up',
  transport: 'the authorization service could not be reached',
  status: 'the authorization service can not answer now',
  redirect: 'the authorization service answered with a redirect, which is never followed',
  answer: 'the authorization service gave an answer that can not be read',
  incomplete: 'the answer of the authorization service broke off before its end',
  too_long: 'the authorization service gave an answer that is too long',
  credential: 'the credential for the authorization service could not be obtained',
} as const;
export type UnavailableCode = keyof typeof UNAVAILABLE;

/** The question got no answer that counts. It may be asked again. */
export class RemitUnavailable extends RemitError {
  override readonly name = 'RemitUnavailable';
  readonly kind = 'unavailable';
  readonly status: number | undefined;
  /** Seconds, as the service said. */
  readonly retryAfter: number | undefined;

  constructor(
    readonly code: UnavailableCode,
    more: { readonly status?: number | undefined; readonly retryAfter?: number | undefined } = {},
  ) {
    super(UNAVAILABLE[code] + (more.status === undefined ? '' : ` (status ${more.status})`));
    this.status = more.status;
    this.retryAfter = more.retryAfter;
  }
}

const SETUP = {
  options: 'the client is wrongly set up',
  credential: 'the authorization service does not accept the credential of this client',
  forbidden: 'the authorization service does not let this client ask this',
  question: 'the authorization service can not read the question',
  not_found: 'the authorization service does not have this',
  action: 'the authorization service does not know an action that is asked about',
  identity: 'the metadata is of another authorization service',
  origin: 'an address in an answer is of another server, which the credential is not sent to',
} as const;
export type SetupCode = keyof typeof SETUP;

/** Asking again changes nothing: an option, a credential, a permission or the question is wrong. */
export class RemitSetupError extends RemitError {
  override readonly name = 'RemitSetupError';
  readonly kind = 'setup';
  readonly status: number | undefined;
  /** The place in the question, as the service said. */
  readonly at: string | undefined;
  /** The problem with an access request, as AuthZEN's profile names it: `not_requestable`. */
  readonly problem: string | undefined;

  constructor(
    readonly code: SetupCode,
    more: {
      readonly status?: number | undefined;
      readonly at?: string | undefined;
      readonly detail?: string | undefined;
      readonly problem?: string | undefined;
    } = {},
  ) {
    const { status, at, detail } = more;
    super(
      [
        SETUP[code],
        ...(detail === undefined ? [] : [`: ${detail}`]),
        ...(at === undefined ? [] : [` (at ${at})`]),
        ...(status === undefined ? [] : [` (status ${status})`]),
      ].join(''),
    );
    this.status = status;
    this.at = at;
    this.problem = more.problem;
  }
}
