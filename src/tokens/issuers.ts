/** The issuers whose tokens are believed: their keys, the formats they sign, and how they name users and agents. */
import type { JSONWebKeySet, CompactVerifyGetKey } from 'jose';
import type { WatchCalls } from '../telemetry/calls.js';
import { DEFAULT_TYPES, type TokenType } from './formats.js';
import { localKeys, remoteKeys, type Network } from './keys.js';
import { PRESETS, type PresetName } from './presets.js';
import type { Shape } from './shapes.js';

/** Public-key signatures only: a shared secret would let every verifier mint. */
export const ALGORITHMS = [
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
export type Algorithm = (typeof ALGORITHMS)[number];

export interface IssuerConfig {
  readonly issuer: string;
  /** An identity provider whose claims differ from the standards. */
  readonly preset?: PresetName | undefined;
  readonly jwks_uri?: string | undefined;
  readonly jwks?: JSONWebKeySet | undefined;
  /** `private` lets the name in `jwks_uri` lead to a private address, and plain http; public by default. */
  readonly jwks_network?: Network | undefined;
  readonly audience: string;
  /** Its users and agents go by their bare ids; every other issuer's by `alias|sub`. */
  readonly primary: boolean;
  readonly alias?: string | undefined;
  readonly shapes: readonly Shape[];
  readonly user_claim?: string | undefined;
  readonly algorithms: readonly Algorithm[];
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
  readonly standard: (payload: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  /** The id by which the graph and the policies know this issuer's `sub`; undefined where it would pass for another's. */
  name(sub: string): string | undefined;
}

export class Issuers {
  private byName: ReadonlyMap<string, Issuer>;

  constructor(
    configs: readonly IssuerConfig[],
    private readonly watch?: WatchCalls,
  ) {
    this.byName = issuersBy(configs, new Map(), watch);
  }

  /** From now on only these. One whose keys are fetched from where they were keeps those that it has. */
  replace(configs: readonly IssuerConfig[]): void {
    this.byName = issuersBy(configs, this.byName, this.watch);
  }

  find(issuer: string): Issuer | undefined {
    return this.byName.get(issuer);
  }

  all(): Issuer[] {
    return [...this.byName.values()];
  }
}

function issuersBy(
  configs: readonly IssuerConfig[],
  before: ReadonlyMap<string, Issuer>,
  watch: WatchCalls | undefined,
): ReadonlyMap<string, Issuer> {
  const aliases = configs.flatMap((c) => (c.alias === undefined ? [] : [c.alias]));
  return new Map(
    configs.map((config) => {
      const preset = config.preset === undefined ? undefined : PRESETS[config.preset];
      const issuer: Issuer = {
        ...config,
        keys: keysOf(config, before.get(config.issuer), watch),
        types: config.token_types ?? preset?.types ?? DEFAULT_TYPES,
        standard: preset?.standard ?? ((payload) => payload),
        name: (sub) => {
          if (!config.primary) return `${config.alias ?? ''}|${sub}`;
          return aliases.some((alias) => sub.startsWith(`${alias}|`)) ? undefined : sub;
        },
      };
      return [config.issuer, issuer];
    }),
  );
}

function keysOf(
  { jwks, jwks_uri: uri = '', jwks_network: network }: IssuerConfig,
  before: Issuer | undefined,
  watch: WatchCalls | undefined,
): CompactVerifyGetKey {
  if (jwks !== undefined) return localKeys(jwks);
  if (before?.jwks === undefined && before?.jwks_uri === uri && before.jwks_network === network) return before.keys;
  return remoteKeys(uri, network, watch);
}
