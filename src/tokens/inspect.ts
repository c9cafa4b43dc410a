/** Reading a token without believing it: what it says in its normalized form, and everything that is wrong with it. */
import type { Reason } from '../model/reasons.js';
import { DEFAULT_TYPES, detectFormat } from './formats.js';
import { Issuers, type IssuerConfig } from './issuers.js';
import { TOKEN_SHAPES } from './shapes.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { parseToken, TokenRejectedError, type JwsHeader, type UnverifiedToken } from './jws.js';
import { checkValidityPeriod, checkAudience, normalizeToken } from './verify.js';

export interface TokenInspection {
  readonly verified: false;
  readonly header: JwsHeader | undefined;
  /** Whether its issuer is configured; else it is read as the standards have it. */
  readonly issuerKnown: boolean;
  readonly token: DelegationToken | undefined;
  /** As it is, where it could not be understood. */
  readonly claims?: UnverifiedToken['payload'] | undefined;
  readonly problems: readonly Pick<Reason, 'code' | 'message'>[];
}

/** @param audiences whose tokens are taken here, beside the issuers' own: the clients' */
export function inspectToken(
  text: string,
  configs: readonly IssuerConfig[],
  audiences: readonly string[],
  now: Date,
): TokenInspection {
  const problems: Pick<Reason, 'code' | 'message'>[] = [];
  /** What `look` finds; a refusal is one more problem. */
  const collectProblem = <T>(check: () => T): T | undefined => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof TokenRejectedError)) throw error;
      problems.push({ code: error.reason.code, message: error.reason.message });
      return undefined;
    }
  };
  const unverified = collectProblem(() => parseToken(text));
  if (unverified === undefined)
    return { verified: false, header: undefined, issuerKnown: false, token: undefined, problems };
  const { issuers, issuer, known: isConfigured } = resolveIssuer(unverified, configs);
  if (!isConfigured) problems.push({ code: 'token_issuer_unknown', message: 'No configured issuer has this `iss`.' });
  else if (!issuer.algorithms.some((a) => a === unverified.header.alg))
    problems.push({
      code: 'token_algorithm_forbidden',
      message: `"${unverified.header.alg}" is not on the issuer's list.`,
    });
  const format = collectProblem(() => detectFormat(unverified, issuer.types));
  const token =
    format === undefined
      ? undefined
      : collectProblem(() => normalizeToken(unverified.payload, format, issuer, issuers));
  if (token !== undefined) {
    if (token.actors.length === 0)
      problems.push({ code: 'token_actor_invalid', message: 'It names no agent, so no agent can act with it.' });
    if (isConfigured && !token.resources.some((r) => audiences.includes(r)))
      collectProblem(() => checkAudience(token, issuer.audience));
    collectProblem(() => checkValidityPeriod(token, now.getTime() / 1000));
  }
  const claims = token === undefined ? { claims: unverified.payload } : {};
  return { verified: false, header: unverified.header, issuerKnown: isConfigured, token, ...claims, problems };
}

function resolveIssuer({ payload }: UnverifiedToken, configs: readonly IssuerConfig[]) {
  const iss = typeof payload['iss'] === 'string' ? payload['iss'] : '';
  const known = configs.some((c) => c.issuer === iss);
  const unknownIssuer: IssuerConfig = {
    issuer: iss,
    jwks: { keys: [] },
    audience: '',
    primary: true,
    shapes: TOKEN_SHAPES.filter((shape) => shape !== 'user_claim'),
    algorithms: [],
    token_types: [...DEFAULT_TYPES, 'JWT'],
  };
  const issuers = new Issuers(known ? configs : [...configs, unknownIssuer]);
  const issuer = issuers.find(iss);
  if (issuer === undefined) throw new TypeError('the issuer was just added');
  return { issuers, issuer, known };
}
