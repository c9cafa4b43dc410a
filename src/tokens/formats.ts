/**
 * The token formats: one entry each states its header `typ`, the claims that it requires, and whether an agent may
 * present it as a credential. Everything else that an identity provider signs is rejected with a reason of its own, so
 * that one kind of token never passes for another (RFC 8725 §3.11).
 */
import type { TokenFormatName } from '../model/delegation-token.js';
import type { ReasonCodeOf } from '../model/reasons.js';
import { rejectToken, type UnverifiedToken } from './jws.js';

export const TOKEN_TYPES = ['at+jwt', 'txntoken+jwt', 'JWT'] as const;
/** The `typ` of an issuer's tokens. `JWT`, which a header may also leave out, doesn't tell the formats apart. */
export type TokenType = (typeof TOKEN_TYPES)[number];
/** The types that an issuer signs by default: those that RFC 9068 and the transaction token draft define. */
export const DEFAULT_TYPES: readonly TokenType[] = ['at+jwt', 'txntoken+jwt'];

export interface TokenFormat {
  readonly name: TokenFormatName;
  readonly type: TokenType;
  /** Claims that it requires beyond those that every token requires. */
  readonly requires: readonly string[];
  /** Whether an agent may present it to Remit as its credential. */
  readonly credential: boolean;
}

const TOKEN_FORMATS: readonly TokenFormat[] = [
  { name: 'access_token', type: 'at+jwt', requires: [], credential: true },
  // A token without a type of its own must look like an access token: an ID token has no scope.
  { name: 'jwt', type: 'JWT', requires: ['client_id', 'scope'], credential: true },
  // A transaction token travels between the services of a trust domain: no agent holds one.
  { name: 'transaction_token', type: 'txntoken+jwt', requires: ['txn', 'scope'], credential: false },
];

/** The kind of token that a provider's own claims say it is. */
export type ProviderTokenKind = 'access' | 'id' | 'other';

/** The tokens that are not for acting, by `typ`. */
const REFUSED_TYPES: ReadonlyMap<string, ReasonCodeOf<'token'>> = new Map<string, ReasonCodeOf<'token'>>(
  Object.entries({
    'oauth-id-jag+jwt': 'token_is_id_jag',
    'logout+jwt': 'token_is_logout_token',
    'secevent+jwt': 'token_is_security_event',
    'dpop+jwt': 'token_is_dpop_proof',
    'oauth-client-attestation+jwt': 'token_is_client_attestation',
    'oauth-client-attestation-pop+jwt': 'token_is_client_attestation',
  }),
);

/** Values of Keycloak's claim `typ` in an access token. */
const ACCESS_TOKEN_TYPES: readonly unknown[] = ['Bearer', 'DPoP'];
const ID_TOKEN_CLAIMS = ['nonce', 'at_hash', 'c_hash', 's_hash'];

/**
 * The same tokens where the header's `typ` doesn't tell: known by claims that only they have.
 * The claims `typ` and `token_use` are Keycloak's and Cognito's.
 */
const REFUSED_BY_CLAIMS: readonly (readonly [(p: UnverifiedToken['payload']) => boolean, ReasonCodeOf<'token'>])[] = [
  [(p) => hasEvent(p['events'], 'http://schemas.openid.net/event/backchannel-logout'), 'token_is_logout_token'],
  [(p) => p['typ'] === 'Logout', 'token_is_logout_token'],
  [(p) => p['events'] !== undefined, 'token_is_security_event'],
  [(p) => p['htm'] !== undefined && p['htu'] !== undefined, 'token_is_dpop_proof'],
  [(p) => p['typ'] === 'ID' || p['token_use'] === 'id', 'token_is_id_token'],
  [(p) => p['typ'] !== undefined && !ACCESS_TOKEN_TYPES.includes(p['typ']), 'token_type_invalid'],
  // Some versions of Keycloak copy the nonce into access tokens; the claim `typ` tells those apart.
  [(p) => p['typ'] === undefined && ID_TOKEN_CLAIMS.some((c) => p[c] !== undefined), 'token_is_id_token'],
];

/**
 * Detects the format of a token.
 * @param acceptedTypes the types that its issuer signs
 * @param kind the kind of token that its provider's own claims say it is, where they do
 * @throws TokenRejectedError with a reason of its own for a token that is not for acting
 */
export function detectFormat(
  { header, payload }: UnverifiedToken,
  acceptedTypes: readonly TokenType[],
  kind?: ProviderTokenKind,
): TokenFormat {
  const typ = header.typ?.toLowerCase().replace(/^application\//, '') ?? 'jwt';
  const reasonByType = REFUSED_TYPES.get(typ);
  if (reasonByType !== undefined) return rejectToken(reasonByType);
  if (typ === 'jwt') {
    const reasonByClaims = REFUSED_BY_CLAIMS.find(([matches]) => matches(payload))?.[1];
    // A provider that copies the nonce into its access tokens has claims of its own that tell them apart.
    if (reasonByClaims !== undefined && !(reasonByClaims === 'token_is_id_token' && kind === 'access'))
      return rejectToken(reasonByClaims);
  }
  if (kind === 'id') return rejectToken('token_is_id_token');
  if (kind === 'other') return rejectToken('token_type_invalid');
  const format = TOKEN_FORMATS.find((f) => f.type.toLowerCase() === typ);
  if (format === undefined || !acceptedTypes.includes(format.type)) return rejectToken('token_type_invalid');
  return format;
}

/** Whether an agent may present a token of this format to Remit as its credential. */
export function isCredentialFormat(name: TokenFormatName): boolean {
  return TOKEN_FORMATS.some((format) => format.name === name && format.credential);
}

/** @throws TokenRejectedError `token_claims_invalid` */
export function requireFormatClaims(format: TokenFormat, claims: Readonly<Record<string, unknown>>): void {
  const missing = format.requires.find((claim) => claims[claim] === undefined);
  if (missing !== undefined)
    rejectToken('token_claims_invalid', `The claim "${missing}" is required of a ${format.type}.`);
}

function hasEvent(events: unknown, name: string): boolean {
  return typeof events === 'object' && events !== null && Object.hasOwn(events, name);
}
