/**
 * Inspects a token without trusting it, for `remit token inspect`: its normalized form, and every problem that a reading
 * without its signature shows.
 */
import type { Reason } from '../model/reasons.js';
import { DEFAULT_TYPES, detectFormat } from './formats.js';
import { findAlgorithmProblem, Issuers, type IssuerConfig } from './issuers.js';
import { TOKEN_SHAPES } from './shapes.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { parseToken, requireTokenLength, TokenRejectedError, type JwsHeader, type UnverifiedToken } from './jws.js';
import { normalizeToken } from './normalize-token.js';
import { MAX_CONFIGURED_TOKEN_BYTES, tellPresetKind } from './reading-rules.js';
import { checkValidityPeriod, checkAudience } from './verify.js';

export interface TokenInspection {
  readonly verified: false;
  readonly header: JwsHeader | undefined;
  /** Whether its issuer is configured. A token of any other issuer is read as the standards define it. */
  readonly issuerKnown: boolean;
  readonly token: DelegationToken | undefined;
  /** The raw payload, only where it could not be normalized. */
  readonly claims?: UnverifiedToken['payload'] | undefined;
  readonly problems: readonly Pick<Reason, 'code' | 'message'>[];
}

/** @param audiences accepted beside the issuers' own: those of the clients */
export function inspectToken(
  text: string,
  configs: readonly IssuerConfig[],
  audiences: readonly string[],
  now: Date,
): TokenInspection {
  const problems: Pick<Reason, 'code' | 'message'>[] = [];
  /** Runs `check`; a rejection becomes one more problem. */
  const collectProblem = <T>(check: () => T): T | undefined => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof TokenRejectedError)) throw error;
      problems.push({ code: error.reason.code, message: error.reason.message });
      return undefined;
    }
  };
  const unverified = collectProblem(() => parseToken(text, MAX_CONFIGURED_TOKEN_BYTES));
  if (unverified === undefined)
    return { verified: false, header: undefined, issuerKnown: false, token: undefined, problems };
  const { issuers, issuer, known: isConfigured } = resolveIssuer(unverified, configs);
  collectProblem(() => {
    requireTokenLength(text, issuer.rules.maxTokenBytes);
  });
  if (!isConfigured)
    problems.push({ code: 'token_issuer_unknown', message: 'The `iss` of the token is not a configured issuer.' });
  else {
    const message = findAlgorithmProblem(unverified.header.alg, issuer);
    if (message !== undefined) problems.push({ code: 'token_algorithm_forbidden', message });
  }
  const kind = tellPresetKind(unverified.payload, issuer.rules);
  const format = collectProblem(() => detectFormat(unverified, issuer.rules.types, kind));
  const token =
    format === undefined
      ? undefined
      : collectProblem(() => normalizeToken(unverified.payload, format, issuer, issuers));
  if (token !== undefined) {
    if (token.actors.length === 0)
      problems.push({ code: 'token_actor_invalid', message: 'The token names no agent, so no agent can act with it.' });
    if (isConfigured && !token.resources.some((r) => audiences.includes(r)))
      collectProblem(() => checkAudience(token, issuer.audiences));
    collectProblem(() => {
      checkValidityPeriod(token, now.getTime() / 1000, issuer.rules.leeway);
    });
  }
  const claims = token === undefined ? { claims: unverified.payload } : {};
  return { verified: false, header: unverified.header, issuerKnown: isConfigured, token, ...claims, problems };
}

function resolveIssuer({ payload }: UnverifiedToken, configs: readonly IssuerConfig[]) {
  const iss = typeof payload['iss'] === 'string' ? payload['iss'] : '';
  const configured = new Issuers(configs);
  const configuredIssuer = configured.find(iss);
  if (configuredIssuer !== undefined) return { issuers: configured, issuer: configuredIssuer, known: true };
  const unknownIssuer: IssuerConfig = {
    issuer: iss,
    jwks: { keys: [] },
    audience: '',
    primary: true,
    shapes: TOKEN_SHAPES.filter((shape) => shape !== 'user_claim'),
    algorithms: [],
    token_types: [...DEFAULT_TYPES, 'JWT'],
  };
  const issuers = new Issuers([...configs, unknownIssuer]);
  const issuer = issuers.find(iss);
  if (issuer === undefined) throw new TypeError('the issuer was just added');
  return { issuers, issuer, known: false };
}
