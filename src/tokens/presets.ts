/**
 * Identity providers whose access tokens differ from the standards, one entry each: the types that they sign, the claims
 * that name client and agent, and what has to be rewritten. A preset says only what its provider's tokens can't be read
 * without. What it gives up of a check, such as the audience of a token without `aud`, the configuration has to name.
 */
import type { SignatureAlgorithm } from './algorithms.js';
import type { ClaimPath } from './claim-path.js';
import type { ProviderTokenKind, TokenType } from './formats.js';
import { rewriteAuth0, rewriteEntra, rewriteKeycloak, rewriteSupabase, type ClaimsPayload } from './preset-claims.js';
import type { TokenShape } from './shapes.js';

export type { ClaimsPayload } from './preset-claims.js';

export interface IssuerPreset {
  readonly types: readonly TokenType[];
  readonly shapes: readonly TokenShape[];
  readonly algorithms: readonly SignatureAlgorithm[];
  /** The claims that name the client, of which the first that there is counts; by default `client_id`. */
  readonly clientClaims?: readonly ClaimPath[];
  /** The members of an `act` that name its actor, of which the first that there is counts; by default `sub`. */
  readonly actorClaims?: readonly ClaimPath[];
  /** Claims that its tokens have for people and never for a client that acts alone; by default those of a sign-in. */
  readonly personClaims?: readonly string[];
  /** Whether a client that acts alone has no `sub`. */
  readonly leavesOutSubject?: boolean;
  /** Whether its ids differ in all its tenants, which no tenant can choose: then they need no tenant before them. */
  readonly hasGlobalIds?: boolean;
  /** Whether one set has the keys of several issuers, each of which may state its own. */
  readonly hasKeyIssuers?: boolean;
  /** Whether its scopes begin with the resource that they are of: `https://hr.example/read`. */
  readonly hasResourceScopes?: boolean;
  /** Tells its access tokens from the others that it signs, where claims of its own do. */
  readonly tellKind?: (payload: ClaimsPayload) => ProviderTokenKind | undefined;
  /**
   * Rewrites what is left of its own claims into the standard ones.
   * @param client what its claims name as the client
   * @throws TokenRejectedError where the provider's own claims contradict each other
   */
  readonly rewriteClaims?: (payload: ClaimsPayload, client: unknown) => ClaimsPayload;
}

/** Claims of a sign-in, which only a person has. */
export const SIGN_IN_CLAIMS: readonly string[] = ['auth_time', 'amr', 'nonce', 'at_hash', 'c_hash'];

const UNTYPED: readonly TokenType[] = ['JWT'];
const TYPED_OR_NOT: readonly TokenType[] = ['JWT', 'at+jwt'];
const BY_CLIENT: readonly TokenShape[] = ['client_id', 'agent'];
const BY_ACT_OR_CLIENT: readonly TokenShape[] = ['act', 'client_id', 'agent'];
const RSA_SHA256: readonly SignatureAlgorithm[] = ['RS256'];

const OWN_OR_AZP: readonly ClaimPath[] = [['client_id'], ['azp']];
const ACT_BY_CLIENT: readonly ClaimPath[] = [['client_id'], ['sub']];

export const PRESET_NAMES = [
  'auth0', 'okta', 'entra', 'keycloak', 'cognito', 'ping', 'zitadel', 'workos', 'supabase', 'duende', 'spring', 'curity',
  'hydra', 'authentik',
] as const; // prettier-ignore
export type PresetName = (typeof PRESET_NAMES)[number];

export const ISSUER_PRESETS: Readonly<Record<PresetName, IssuerPreset>> = {
  auth0: {
    types: TYPED_OR_NOT,
    shapes: BY_ACT_OR_CLIENT,
    algorithms: RSA_SHA256,
    clientClaims: OWN_OR_AZP,
    rewriteClaims: rewriteAuth0,
  },
  okta: {
    types: TYPED_OR_NOT,
    shapes: BY_ACT_OR_CLIENT,
    algorithms: RSA_SHA256,
    clientClaims: [['cid'], ['client_id']],
    personClaims: [...SIGN_IN_CLAIMS, 'uid'],
  },
  entra: {
    types: UNTYPED,
    shapes: BY_CLIENT,
    algorithms: RSA_SHA256,
    clientClaims: [['azp'], ['appid']],
    // Delegated permissions; an application's are in `roles`.
    personClaims: [...SIGN_IN_CLAIMS, 'scp'],
    // Microsoft assigns object and application ids; no tenant can set these claims.
    hasGlobalIds: true,
    hasKeyIssuers: true,
    rewriteClaims: rewriteEntra,
  },
  keycloak: {
    types: TYPED_OR_NOT,
    shapes: BY_ACT_OR_CLIENT,
    algorithms: RSA_SHA256,
    clientClaims: [['azp'], ['client_id'], ['clientId']],
    // The `sub` of a service account is a user that stands for the client; it goes by its client id.
    actorClaims: ACT_BY_CLIENT,
    rewriteClaims: rewriteKeycloak,
  },
  cognito: {
    types: UNTYPED,
    shapes: BY_CLIENT,
    algorithms: RSA_SHA256,
    hasResourceScopes: true,
    // It states an `auth_time` for a client alone too.
    personClaims: ['username'],
    tellKind: ({ token_use: use }) => (use === 'access' || use === 'id' ? use : 'other'),
  },
  ping: { types: TYPED_OR_NOT, shapes: BY_ACT_OR_CLIENT, algorithms: RSA_SHA256, leavesOutSubject: true },
  zitadel: {
    types: TYPED_OR_NOT,
    shapes: BY_ACT_OR_CLIENT,
    algorithms: RSA_SHA256,
    clientClaims: OWN_OR_AZP,
    // Its access tokens may state no client and no scope; its ID tokens have no `jti`.
    tellKind: ({ jti, nonce, at_hash: hash }) =>
      typeof jti === 'string' && nonce === undefined && hash === undefined ? 'access' : undefined,
  },
  // Its `act` names a person who impersonates the user, never an agent.
  workos: { types: TYPED_OR_NOT, shapes: BY_CLIENT, algorithms: RSA_SHA256 },
  supabase: {
    types: UNTYPED,
    shapes: ['client_id'],
    algorithms: ['ES256', 'RS256'],
    rewriteClaims: rewriteSupabase,
  },
  duende: {
    types: TYPED_OR_NOT,
    shapes: BY_ACT_OR_CLIENT,
    algorithms: RSA_SHA256,
    actorClaims: ACT_BY_CLIENT,
    leavesOutSubject: true,
  },
  spring: {
    types: TYPED_OR_NOT,
    shapes: BY_ACT_OR_CLIENT,
    algorithms: RSA_SHA256,
    // By default its only statement of the client is the audience.
    clientClaims: [...OWN_OR_AZP, ['aud']],
  },
  curity: {
    types: TYPED_OR_NOT,
    shapes: BY_ACT_OR_CLIENT,
    algorithms: RSA_SHA256,
    clientClaims: OWN_OR_AZP,
    tellKind: ({ purpose }) => {
      if (purpose === 'access_token') return 'access';
      return purpose === undefined ? undefined : purpose === 'id' ? 'id' : 'other';
    },
  },
  hydra: { types: TYPED_OR_NOT, shapes: BY_ACT_OR_CLIENT, algorithms: RSA_SHA256 },
  authentik: {
    types: TYPED_OR_NOT,
    shapes: BY_CLIENT,
    algorithms: RSA_SHA256,
    clientClaims: [['azp'], ['client_id']],
    // Its access tokens are its ID tokens with `azp` and `uid`, nonce and all.
    tellKind: ({ azp, uid, at_hash: hash }) =>
      typeof azp === 'string' && typeof uid === 'string' && hash === undefined ? 'access' : undefined,
  },
};
