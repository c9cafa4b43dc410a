/** The trusted issuers: their keys, the formats that they sign, and the names that they give to users and agents. */
import type { JSONWebKeySet, CompactVerifyGetKey } from 'jose';
import type { EngineCallListener } from '../telemetry/engine-calls.js';
import { DEFAULT_TYPES, type TokenType } from './formats.js';
import type { Network } from '../runtime/ip-address.js';
import { createLocalKeys, createRemoteKeys } from './keys.js';
import { ISSUER_PRESETS, type PresetName } from './presets.js';
import type { TokenShape } from './shapes.js';

/** Public-key signatures only: with a shared secret every verifier could issue tokens. */
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
  /** The identity provider, where its claims differ from the standards. */
  readonly preset?: PresetName | undefined;
  readonly jwks_uri?: string | undefined;
  readonly jwks?: JSONWebKeySet | undefined;
  /** A sentence that says where a token comes from that its keys sign, for clients whose token has another key. */
  readonly key_cure?: string | undefined;
  /** `private` allows a `jwks_uri` whose name resolves to a private address, and plain http; `public` by default. */
  readonly jwks_network?: Network | undefined;
  readonly audience: string;
  /** Whether its users and agents have their bare `sub` as id. Those of every other issuer have `alias|sub`. */
  readonly primary: boolean;
  readonly alias?: string | undefined;
  readonly shapes: readonly TokenShape[];
  readonly user_claim?: string | undefined;
  readonly algorithms: readonly SignatureAlgorithm[];
  /** The header `typ` values that it signs; `at+jwt` and `txntoken+jwt` by default. */
  readonly token_types?: readonly TokenType[] | undefined;
  /** The profiles of which an acting agent's `sub_profile` must have one; by default any but a person's, or none. */
  readonly actor_profiles?: readonly string[] | undefined;
  /** Other issuers whose agents it may name as the acting one (`act.iss`); none by default. */
  readonly actors_from?: readonly string[] | undefined;
  /** The applications that people use: only a token that was issued to one of these is a person's own; none by default. */
  readonly user_clients?: readonly string[] | undefined;
  /** Types of authorization details, beside Remit's own, whose common members are read as RFC 9396 defines them. */
  readonly authorization_details_types?: readonly string[] | undefined;
  /** Its scopes, and the platform's scopes that each stands for. Where this is given, other scopes are dropped. */
  readonly scopes?: Readonly<Record<string, readonly string[]>> | undefined;
}

export interface Issuer extends IssuerConfig {
  readonly keys: CompactVerifyGetKey;
  readonly types: readonly TokenType[];
  /** Rewrites its claims into their standard form. @throws TokenRejectedError */
  readonly normalizeClaims: (payload: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  /** The id of this issuer's `sub` in the graph and in policies; undefined where it would pass for another issuer's. */
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

  /** Replaces all issuers. One whose `jwks_uri` and network stay the same keeps the keys that it has fetched. */
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

/** A sentence that names the algorithms of the issuer, where the token's is none of them; undefined where it is one. */
export function findAlgorithmProblem(alg: string, { algorithms }: Pick<Issuer, 'algorithms'>): string | undefined {
  if (algorithms.some((algorithm) => algorithm === alg)) return undefined;
  const shownName = alg.length > 32 ? 'of the header' : JSON.stringify(alg);
  return `The algorithm ${shownName} is not one that the issuer is configured to use: ${algorithms.join(', ')}.`;
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
