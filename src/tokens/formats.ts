/**
 * The formats of tokens: one entry each says by which header `typ` it is known, which claims it must have, and whether
 * it can say who acts for whom. Everything else that an identity provider signs is refused by its own name, so that
 * one kind of token never passes for another (RFC 8725 §3.11).
 */
import type { FormatName } from '../model/delegation-token.js';
import type { ReasonCode } from '../model/reasons.js';
import { refuse, type ReadToken } from './jws.js';

export const TOKEN_TYPES = ['at+jwt', 'txntoken+jwt', 'JWT'] as const;
/** What an issuer's tokens may say as their `typ`. `JWT`, which a header may also leave out, says nothing. */
export type TokenType = (typeof TOKEN_TYPES)[number];
/** An issuer that is configured no further signs what RFC 9068 or the transaction token draft say, plainly marked. */
export const DEFAULT_TYPES: readonly TokenType[] = ['at+jwt', 'txntoken+jwt'];

export interface Format {
  readonly name: FormatName;
  readonly type: TokenType;
  /** Claims that it must have beyond those that every token must. */
  readonly requires: readonly string[];
  /** Whether an agent may present it to Remit as its own credential. */
  readonly credential: boolean;
}

const FORMATS: readonly Format[] = [
  { name: 'access_token', type: 'at+jwt', requires: [], credential: true },
  // Without a type of its own it must look like an access token: an ID token has no scope.
  { name: 'jwt', type: 'JWT', requires: ['client_id', 'scope'], credential: true },
  // It travels inside a trust domain, between services; nobody outside holds one.
  { name: 'transaction_token', type: 'txntoken+jwt', requires: ['txn', 'scope'], credential: false },
];

/** What is no token to act on, by `typ`. */
const REFUSED: ReadonlyMap<string, ReasonCode> = new Map<string, ReasonCode>(
  Object.entries({
    'oauth-id-jag+jwt': 'token_is_id_jag',
    'logout+jwt': 'token_is_logout_token',
    'secevent+jwt': 'token_is_security_event',
    'dpop+jwt': 'token_is_dpop_proof',
    'oauth-client-attestation+jwt': 'token_is_client_attestation',
    'oauth-client-attestation-pop+jwt': 'token_is_client_attestation',
  }),
);

/** Keycloak's words for an access token. */
const BEARERS: readonly unknown[] = ['Bearer', 'DPoP'];
const ID_CLAIMS = ['nonce', 'at_hash', 'c_hash', 's_hash'];

/**
 * The same, where the `typ` says nothing: by the claims that only they have.
 * `typ` (Keycloak) and `token_use` (Cognito) are claims, too.
 */
const DISGUISED: readonly (readonly [(p: ReadToken['payload']) => boolean, ReasonCode])[] = [
  [(p) => isEvents(p['events'], 'http://schemas.openid.net/event/backchannel-logout'), 'token_is_logout_token'],
  [(p) => p['typ'] === 'Logout', 'token_is_logout_token'],
  [(p) => p['events'] !== undefined, 'token_is_security_event'],
  [(p) => p['htm'] !== undefined && p['htu'] !== undefined, 'token_is_dpop_proof'],
  [(p) => p['typ'] === 'ID' || p['token_use'] === 'id', 'token_is_id_token'],
  [(p) => p['typ'] !== undefined && !BEARERS.includes(p['typ']), 'token_type_invalid'],
  // Some versions of Keycloak copy the nonce into access tokens, which say that they are.
  [(p) => p['typ'] === undefined && ID_CLAIMS.some((c) => p[c] !== undefined), 'token_is_id_token'],
];

/**
 * The format of a token from an issuer that signs `accepted`.
 * @throws TokenRefused by its own reason for what is no token to act on
 */
export function formatOf({ header, payload }: ReadToken, accepted: readonly TokenType[]): Format {
  const typ = header.typ?.toLowerCase().replace(/^application\//, '') ?? 'jwt';
  const named = REFUSED.get(typ);
  if (named !== undefined) return refuse(named);
  if (typ === 'jwt') {
    const disguised = DISGUISED.find(([is]) => is(payload))?.[1];
    if (disguised !== undefined) return refuse(disguised);
  }
  const format = FORMATS.find((f) => f.type.toLowerCase() === typ);
  if (format === undefined || !accepted.includes(format.type)) return refuse('token_type_invalid');
  return format;
}

/** Whether an agent may present a token of this format to Remit as its own. */
export function isCredential(name: FormatName): boolean {
  return FORMATS.some((format) => format.name === name && format.credential);
}

/** @throws TokenRefused `token_claims_invalid` */
export function requireClaims(format: Format, claims: Readonly<Record<string, unknown>>): void {
  const missing = format.requires.find((claim) => claims[claim] === undefined);
  if (missing !== undefined) refuse('token_claims_invalid', `The claim "${missing}" is required of a ${format.type}.`);
}

function isEvents(events: unknown, name: string): boolean {
  return typeof events === 'object' && events !== null && Object.hasOwn(events, name);
}
