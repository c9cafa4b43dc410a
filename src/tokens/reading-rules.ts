/**
 * The rules by which tokens of one issuer are read: its configuration counts before its preset, and that before the standards.
 * Whatever accepts more than the standards do is a member that the configuration names, or a claim that a preset's provider
 * is known to sign.
 */
import type { ClaimPath } from './claim-path.js';
import { DEFAULT_TYPES, type ProviderTokenKind, type TokenType } from './formats.js';
import { MAX_TOKEN_BYTES } from './jws.js';
import { ISSUER_PRESETS, type ClaimsPayload, type IssuerPreset, type PresetName } from './presets.js';
import type { AcceptedTenants } from './tenants.js';

/** The claims that can stand for a token's audience where it has none. */
export const AUDIENCE_SOURCES = ['resource', 'client_id'] as const;
export type AudienceSource = (typeof AUDIENCE_SOURCES)[number];

/** The claims that Remit defines itself, whose names other issuers may use for something else. */
export const REMIT_CLAIMS = ['access', 'purpose'] as const;
export type RemitClaim = (typeof REMIT_CLAIMS)[number];

/** The longest token that an issuer can be configured to sign. */
export const MAX_CONFIGURED_TOKEN_BYTES = 32 * 1024;
/** The longest leeway that an issuer's clock can be given, in seconds. */
export const MAX_CLOCK_TOLERANCE = 60;
/** Some providers name every API of a tenant; the token's length bounds them as well. */
export const DEFAULT_MAX_AUDIENCES = 256;
export const MAX_CONFIGURED_AUDIENCES = 1000;
/** The leeway for clocks of other hosts that are ahead, in `iat` and `nbf`. `exp` gets none unless an issuer is given it. */
export const CLOCK_SKEW_SECONDS = 5;

/** The members of an issuer's configuration that say how its tokens are read. */
export interface ConfiguredReading {
  /** The identity provider, where its claims differ from the standards. */
  readonly preset?: PresetName | undefined;
  /** The header `typ` values that it signs; `at+jwt` and `txntoken+jwt` by default. */
  readonly token_types?: readonly TokenType[] | undefined;
  /** The tenants of an issuer whose name has the placeholder `{tenantid}`. */
  readonly tenants?: AcceptedTenants | undefined;
  /** The claim that names the client; the preset's or `client_id` by default. */
  readonly client_claim?: ClaimPath | undefined;
  /** The claim that names the agent. Within `act` it is the member of each that names its actor, by default `sub`. */
  readonly agent_claim?: ClaimPath | undefined;
  /** The claim that names the audience of tokens without `aud`; by default they are refused. */
  readonly audience_from?: AudienceSource | undefined;
  /** The scopes of the platform that a token has which carries none, not even an empty one; none by default. */
  readonly assumed_scopes?: readonly string[] | undefined;
  /** Whether `scope` may be a list. By default it may in the tokens that RFC 9068 doesn't define: of a preset, or of type `JWT`. */
  readonly scope_lists?: boolean | undefined;
  /** Claims that have a name of Remit's and another meaning. */
  readonly foreign_claims?: readonly RemitClaim[] | undefined;
  /** The claims that policies may read, by the names that they have in `context.claims`. */
  readonly claims?: Readonly<Record<string, ClaimPath>> | undefined;
  /** A claim whose members policies may all read. Only issuers of Remit's own have one: no configuration can name it. */
  readonly claims_object?: ClaimPath | undefined;
  /** Seconds of leeway for `iat`, `nbf` and `exp`. */
  readonly clock_tolerance_s?: number | undefined;
  readonly max_token_bytes?: number | undefined;
  readonly max_audiences?: number | undefined;
}

export interface TokenReadingRules {
  readonly types: readonly TokenType[];
  readonly maxTokenBytes: number;
  readonly maxAudiences: number;
  /** Seconds that `iat` and `nbf` may lie ahead, and that `exp` may have passed. */
  readonly leeway: { readonly ahead: number; readonly expired: number };
  /** The claims that name the client, of which the first that there is counts. */
  readonly clientClaims: readonly ClaimPath[];
  /** The claim outside of `act` that names the agent. */
  readonly agentClaim: ClaimPath | undefined;
  /** The members of an `act` that name its actor, of which the first that there is counts. */
  readonly actorClaims: readonly ClaimPath[];
  readonly audienceFrom: AudienceSource | undefined;
  readonly assumedScopes: readonly string[] | undefined;
  /** Whether `scope` may be a list, where the standards have a text. */
  readonly hasScopeLists: boolean;
  readonly foreignClaims: readonly RemitClaim[];
  readonly policyClaims: readonly (readonly [name: string, path: ClaimPath])[];
  readonly policyClaimsObject: ClaimPath | undefined;
  readonly preset: Omit<IssuerPreset, 'types' | 'shapes' | 'algorithms'>;
}

const ACT = 'act';
const NO_PRESET: TokenReadingRules['preset'] = {};

/** Resolves the rules of an issuer. */
export function resolveReadingRules(config: ConfiguredReading): TokenReadingRules {
  const preset: IssuerPreset | undefined = config.preset === undefined ? undefined : ISSUER_PRESETS[config.preset];
  const tolerance = config.clock_tolerance_s;
  const { agent_claim: agentClaim, client_claim: clientClaim } = config;
  const isWithinAct = agentClaim !== undefined && namesActor(agentClaim);
  const types = config.token_types ?? preset?.types ?? DEFAULT_TYPES;
  return {
    types,
    maxTokenBytes: config.max_token_bytes ?? MAX_TOKEN_BYTES,
    maxAudiences: config.max_audiences ?? DEFAULT_MAX_AUDIENCES,
    leeway: { ahead: tolerance ?? CLOCK_SKEW_SECONDS, expired: tolerance ?? 0 },
    clientClaims: clientClaim === undefined ? (preset?.clientClaims ?? [['client_id']]) : [clientClaim],
    agentClaim: isWithinAct ? undefined : agentClaim,
    actorClaims: isWithinAct ? [agentClaim.slice(1)] : (preset?.actorClaims ?? [['sub']]),
    audienceFrom: config.audience_from,
    assumedScopes: config.assumed_scopes,
    hasScopeLists: config.scope_lists ?? (preset !== undefined || types.includes('JWT')),
    // Providers know nothing of Remit's claims: one of the same name is their own, or their customer's.
    foreignClaims: config.foreign_claims ?? (preset === undefined ? [] : REMIT_CLAIMS),
    policyClaims: Object.entries(config.claims ?? {}),
    policyClaimsObject: config.claims_object,
    preset: preset ?? NO_PRESET,
  };
}

/** Whether the claim is a member of `act`, so that it names the actor of each in the chain. */
export function namesActor(path: ClaimPath): boolean {
  return path.length > 1 && path[0] === ACT;
}

/** Tells by the provider's own claims what kind of token it is; undefined where only the header and common claims tell. */
export function tellPresetKind(payload: ClaimsPayload, { preset }: TokenReadingRules): ProviderTokenKind | undefined {
  return preset.tellKind?.(payload);
}
