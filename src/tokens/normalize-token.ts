/** Reads a token's payload into the one form that everything else knows, whatever its format and its issuer. */
import type { DelegationToken } from '../model/delegation-token.js';
import { readParties } from './actors.js';
import { parseClaims, type TokenClaims } from './claims.js';
import { requireFormatClaims, type TokenFormat } from './formats.js';
import type { Issuer, Issuers } from './issuers.js';
import { rejectToken } from './jws.js';
import { tellPresetKind } from './reading-rules.js';
import { readSoleSubject } from './sole-subject.js';
import { readPolicyClaims, toStandardClaims } from './standard-claims.js';
import { splitWords } from './word-lists.js';

/** Reads the normalized form of a payload. It trusts nothing: the caller verifies the signature. @throws TokenRejectedError */
export function normalizeToken(
  payload: Readonly<Record<string, unknown>>,
  format: TokenFormat,
  issuer: Issuer,
  issuers: Issuers,
): DelegationToken {
  const claims = parseClaims(toStandardClaims(payload, issuer), issuer.rules.maxAudiences);
  requireAccessToken(format, claims, payload, issuer);
  const policyClaims = readPolicyClaims(payload, issuer.rules);
  return {
    format: format.name,
    issuer: issuer.issuer,
    ...readParties(claims, issuer, issuers),
    clientId: claims.client_id,
    soleSubject: readSoleSubject(payload, claims, issuer),
    scopes: readScopes(claims, issuer),
    authorizationDetails: claims.authorization_details,
    resources: [claims.aud].flat(),
    access: claims.access ?? 'online',
    purpose: readPurpose(claims, format),
    session: claims.sid,
    txn: claims.txn,
    transaction: format.name === 'transaction_token' ? claims.tctx : undefined,
    requester: format.name === 'transaction_token' ? claims.rctx : undefined,
    ...(policyClaims === undefined ? {} : { claims: policyClaims }),
    proof: readConfirmation(claims),
    expiresAt: claims.exp,
    notBefore: claims.nbf,
    issuedAt: claims.iat,
    authenticatedAt: claims.auth_time,
    jti: claims.jti,
  };
}

/**
 * Requires what a token's format needs. A token whose type says nothing is told from an ID token by its scope. Where an
 * issuer's tokens carry none and its scopes are assumed, an ID token is the one whose audience is its client; where the
 * provider's own claims say that it is an access token, nothing more is needed.
 * @throws TokenRejectedError
 */
function requireAccessToken(
  format: TokenFormat,
  claims: TokenClaims,
  payload: Readonly<Record<string, unknown>>,
  { rules }: Issuer,
): void {
  const isUntyped = format.name === 'jwt';
  if (isUntyped && tellPresetKind(payload, rules) === 'access') return;
  const isScopeAssumed = isUntyped && claims.scope === undefined && rules.assumedScopes !== undefined;
  const requires = format.requires.filter((name) => !(isScopeAssumed && name === 'scope'));
  requireFormatClaims({ ...format, requires }, claims);
  if (isScopeAssumed && claims.client_id !== undefined && [payload['aud']].flat().includes(claims.client_id))
    rejectToken('token_is_id_token');
}

/** Lists the granted scopes, mapped to the platform's where the issuer has a map; those assumed are the platform's. */
function readScopes({ scope }: TokenClaims, { scopes: scopeMap, rules }: Issuer): string[] {
  if (scope === undefined) return [...new Set(rules.assumedScopes)];
  const issuedScopes = splitWords(scope);
  return [
    ...new Set(
      scopeMap === undefined
        ? issuedScopes
        : issuedScopes.flatMap((s) => (Object.hasOwn(scopeMap, s) ? (scopeMap[s] ?? []) : [])),
    ),
  ];
}

function readPurpose({ purpose, tctx }: TokenClaims, format: TokenFormat): string | undefined {
  const transactionPurpose = format.name === 'transaction_token' ? tctx?.['purpose'] : undefined;
  if (
    transactionPurpose !== undefined &&
    (typeof transactionPurpose !== 'string' || transactionPurpose === '' || transactionPurpose.length > 1024)
  )
    return rejectToken('token_claims_invalid', 'The claim "tctx.purpose" is not a text of 1 to 1024 characters.');
  return purpose ?? transactionPurpose;
}

/** @throws TokenRejectedError for a confirmation that can't be checked: possession would go unproven */
function readConfirmation({ cnf }: TokenClaims): DelegationToken['proof'] {
  if (cnf === undefined) return undefined;
  const { jkt, 'x5t#S256': x5t } = cnf;
  if (jkt === undefined && x5t === undefined)
    return rejectToken(
      'proof_invalid',
      'The claim "cnf" has no thumbprint of a key (jkt) or a certificate (x5t#S256).',
    );
  return { jkt, x5t };
}
