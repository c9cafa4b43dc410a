/** Reading a token without believing it: what it says in its normalized form, and everything that is wrong with it. */
import type { Reason } from '../model/reasons.js';
import { DEFAULT_TYPES, formatOf } from './formats.js';
import { Issuers, type IssuerConfig } from './issuers.js';
import { SHAPES } from './shapes.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { readToken, TokenRefused, type Header, type ReadToken } from './jws.js';
import { admitAt, admitFor, understand } from './verify.js';

export interface Inspected {
  readonly verified: false;
  readonly header: Header | undefined;
  /** Whether its issuer is configured; else it is read as the standards have it. */
  readonly issuerKnown: boolean;
  readonly token: DelegationToken | undefined;
  /** As it is, where it could not be understood. */
  readonly claims?: ReadToken['payload'] | undefined;
  readonly problems: readonly Pick<Reason, 'code' | 'message'>[];
}

/** @param audiences whose tokens are taken here, beside the issuers' own: the clients' */
export function inspectToken(
  text: string,
  configs: readonly IssuerConfig[],
  audiences: readonly string[],
  now: Date,
): Inspected {
  const problems: Pick<Reason, 'code' | 'message'>[] = [];
  /** What `look` finds; a refusal is one more problem. */
  const attempt = <T>(look: () => T): T | undefined => {
    try {
      return look();
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      problems.push({ code: error.reason.code, message: error.reason.message });
      return undefined;
    }
  };
  const read = attempt(() => readToken(text));
  if (read === undefined) return { verified: false, header: undefined, issuerKnown: false, token: undefined, problems };
  const { issuers, issuer, known } = issuerOf(read, configs);
  if (!known) problems.push({ code: 'token_issuer_unknown', message: 'No configured issuer has this `iss`.' });
  else if (!issuer.algorithms.some((a) => a === read.header.alg))
    problems.push({ code: 'token_algorithm_forbidden', message: `"${read.header.alg}" is not on the issuer's list.` });
  const format = attempt(() => formatOf(read, issuer.types));
  const token = format === undefined ? undefined : attempt(() => understand(read.payload, format, issuer, issuers));
  if (token !== undefined) {
    if (token.actors.length === 0)
      problems.push({ code: 'token_actor_invalid', message: 'It names no agent, so no agent can act with it.' });
    if (known && !token.resources.some((r) => audiences.includes(r))) attempt(() => admitFor(token, issuer.audience));
    attempt(() => admitAt(token, now.getTime() / 1000));
  }
  const claims = token === undefined ? { claims: read.payload } : {};
  return { verified: false, header: read.header, issuerKnown: known, token, ...claims, problems };
}

function issuerOf({ payload }: ReadToken, configs: readonly IssuerConfig[]) {
  const iss = typeof payload['iss'] === 'string' ? payload['iss'] : '';
  const known = configs.some((c) => c.issuer === iss);
  const stranger: IssuerConfig = {
    issuer: iss,
    jwks: { keys: [] },
    audience: '',
    primary: true,
    shapes: SHAPES.filter((shape) => shape !== 'user_claim'),
    algorithms: [],
    token_types: [...DEFAULT_TYPES, 'JWT'],
  };
  const issuers = new Issuers(known ? configs : [...configs, stranger]);
  const issuer = issuers.find(iss);
  if (issuer === undefined) throw new TypeError('the issuer was just added');
  return { issuers, issuer, known };
}
