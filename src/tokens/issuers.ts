/** The issuers whose tokens are believed: their keys, the formats they sign, and how they name users and agents. */
import type { JSONWebKeySet, CompactVerifyGetKey } from 'jose';
import type { EngineCallListener } from '../telemetry/engine-calls.js';
import { DEFAULT_TYPES, type TokenType } from './formats.js';
import { createLocalKeys, createRemoteKeys, type JwksNetwork } from './keys.js';
import { ISSUER_PRESETS, type PresetName } from './presets.js';
import type { TokenShape } from './shapes.js';

/** Public-key signatures only: a shared secret would let every verifier mint. */
export const SIGNATURE_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
  'EdDSA',
  'Ed25519',
] as const;
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

export interface IssuerConfig {
  readonly issuer: string;
  /** An identity provider whose claims differ from the standards. */
  readonly preset?: PresetName | undefined;
  readonly jwks_uri?: string | undefined;
  readonly jwks?: JSONWebKeySet | undefined;
  /** `private` lets the name in `jwks_uri` lead to a private address, and plain http; public by default. */
  readonly jwks_network?: JwksNetwork | undefined;
  readonly audience: string;
  /** Its users and agents go by their bare ids; every other issuer's by `alias|sub`. */
  readonly primary: boolean;
  readonly alias?: string | undefined;
  readonly shapes: readonly TokenShape[];
  readonly user_claim?: string | undefined;
  readonly algorithms: readonly SignatureAlgorithm[];
  /** The header `typ` values that it signs; `at+jwt` and `txntoken+jwt` by default. */
  readonly token_types?: readonly TokenType[] | undefined;
  /** What an acting agent's `sub_profile` must be one of; without this any but a person's will do, or none. */
  readonly actor_profiles?: readonly string[] | undefined;
  /** Other issuers whose agents it may name as the one that acts (`act.iss`); none by default. */
  readonly actors_from?: readonly string[] | undefined;
  /** Types of authorization details, beside Remit's own, whose common members are read as RFC 9396 has them. */
  readonly authorization_details_types?: readonly string[] | undefined;
  /** Its scopes and the platform's own that each stands for; where this is given, nothing else counts. */
  readonly scopes?: Readonly<Record<string, readonly string[]>> | undefined;
}

export interface Issuer extends IssuerConfig {
  readonly keys: CompactVerifyGetKey;
  readonly types: readonly TokenType[];
  /** Its claims in their standard form. @throws TokenRefused */
  readonly normalizeClaims: (payload: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  /** The id by which the graph and the policies know this issuer's `sub`; undefined where it would pass for another's. */
  entityId(sub: string): string | undefined;
}

export class Issuers {
  private byIssuer: ReadonlyMap<string, Issuer>;

  constructor(
    configs: readonly IssuerConfig[],
    private readonly watch?: EngineCallListener,
  ) {
    this.byIssuer = buildIssuers(configs, new Map(), watch);
  }

  /** From now on only these. One whose keys are fetched from where they were keeps those that it has. */
  replace(configs: readonly IssuerConfig[]): void {
    this.byIssuer = buildIssuers(configs, this.byIssuer, this.watch);
  }

  find(issuer: string): Issuer | undefined {
    return this.byIssuer.get(issuer);
  }

  list(): Issuer[] {
    return [...this.byIssuer.values()];
  }
}

function buildIssuers(
  configs: readonly IssuerConfig[],
  previous: ReadonlyMap<string, Issuer>,
  watch: EngineCallListener | undefined,
): ReadonlyMap<string, Issuer> {
  const aliases = configs.flatMap((c) => (c.alias === undefined ? [] : [c.alias]));
  return new Map(
    configs.map((config) => {
      const preset = config.preset === undefined ? undefined : ISSUER_PRESETS[config.preset];
      const issuer: Issuer = {
        ...config,
        keys: resolveKeys(config, previous.get(config.issuer), watch),
        types: config.token_types ?? preset?.types ?? DEFAULT_TYPES,
        normalizeClaims: preset?.normalizeClaims ?? ((payload) => payload),
        entityId: (sub) => {
          if (!config.primary) return `${config.alias ?? ''}|${sub}`;
          return aliases.some((alias) => sub.startsWith(`${alias}|`)) ? undefined : sub;
        },
      };
      return [config.issuer, issuer];
    }),
  );
}

function resolveKeys(
  { jwks, jwks_uri: uri = '', jwks_network: network }: IssuerConfig,
  previous: Issuer | undefined,
  watch: EngineCallListener | undefined,
): CompactVerifyGetKey {
  if (jwks !== undefined) return createLocalKeys(jwks);
  if (previous?.jwks === undefined && previous?.jwks_uri === uri && previous.jwks_network === network)
    return previous.keys;
  return createRemoteKeys(uri, network, watch);
}
