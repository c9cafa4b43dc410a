/** The trusted issuers: their keys, the formats that they sign, and the names that they give to users and agents. */
import type { JSONWebKeySet } from 'jose';
import type { EngineCallListener } from '../telemetry/engine-calls.js';
import type { Network } from '../runtime/ip-address.js';
import type { SignatureAlgorithm } from './algorithms.js';
import { MAX_TOKEN_BYTES } from './jws.js';
import { createLocalKeys, createRemoteKeys, type IssuerKeys } from './keys.js';
import {
  CLOCK_SKEW_SECONDS,
  resolveReadingRules,
  type ConfiguredReading,
  type TokenReadingRules,
} from './reading-rules.js';
import type { TokenShape } from './shapes.js';
import { findTenant, TENANT_PLACEHOLDER } from './tenants.js';

export interface IssuerConfig extends ConfiguredReading {
  /** Its name in `iss`. With the placeholder of {@link findTenant} it stands for the issuers of `tenants`. */
  readonly issuer: string;
  readonly jwks_uri?: string | undefined;
  readonly jwks?: JSONWebKeySet | undefined;
  /** A sentence that says where a token comes from that its keys sign, for clients whose token has another key. */
  readonly key_cure?: string | undefined;
  /** `private` allows a `jwks_uri` whose name resolves to a private address, and plain http; `public` by default. */
  readonly jwks_network?: Network | undefined;
  /** The audiences of which its tokens must name one. */
  readonly audience: string | readonly string[];
  /** Whether its users and agents have their bare `sub` as id. Those of every other issuer have `alias|sub`. */
  readonly primary: boolean;
  readonly alias?: string | undefined;
  readonly shapes: readonly TokenShape[];
  readonly user_claim?: string | undefined;
  readonly algorithms: readonly SignatureAlgorithm[];
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
  readonly keys: IssuerKeys;
  readonly audiences: readonly string[];
  readonly rules: TokenReadingRules;
  /** The name that the configuration gives it, which has a placeholder where it is the issuer of one tenant. */
  readonly configuredName: string;
  /** The tenant, where it is the issuer of one. */
  readonly tenant: string | undefined;
  /** The id of this issuer's `sub` in the graph and in policies; undefined where it would pass for another issuer's. */
  entityId(sub: string): string | undefined;
}

export class Issuers {
  private byName: ReadonlyMap<string, Issuer>;
  private longestToken: number;

  constructor(
    configs: readonly IssuerConfig[],
    private readonly watch?: EngineCallListener,
  ) {
    this.byName = buildIssuers(configs, new Map(), watch);
    this.longestToken = measureLongestToken(this.list());
  }

  /** The longest token that is read: that of any of them, and no less than one of an issuer that is unknown. */
  get maxTokenBytes(): number {
    return this.longestToken;
  }

  /** The furthest that a token's `iat` may lie ahead, in seconds. */
  get clockLeeway(): number {
    return Math.max(CLOCK_SKEW_SECONDS, ...this.list().map(({ rules }) => rules.leeway.ahead));
  }

  /** Replaces all issuers. One whose `jwks_uri` and network stay the same keeps the keys that it has fetched. */
  replace(configs: readonly IssuerConfig[]): void {
    this.byName = buildIssuers(configs, this.byName, this.watch);
    this.longestToken = measureLongestToken(this.list());
  }

  /** Finds the issuer that a token names. */
  find(name: string): Issuer | undefined {
    const issuer = this.byName.get(name);
    return issuer !== undefined && issuer.tenants === undefined ? issuer : findIssuer(this.list(), name);
  }

  /** The names that tokens have in `iss`, as far as the configuration lists them: of any tenants there is no list. */
  listNames(): string[] {
    return this.list().flatMap(({ issuer, tenants }) => {
      if (tenants === undefined) return [issuer];
      return tenants === 'any' ? [] : tenants.map((tenant) => issuer.replace(TENANT_PLACEHOLDER, tenant));
    });
  }

  list(): Issuer[] {
    return [...this.byName.values()];
  }
}

/** Finds the issuer of that very name, or that of many tenants of which it is the name of one. */
export function findIssuer(issuers: readonly Issuer[], name: string): Issuer | undefined {
  // The name with the placeholder is that of no issuer.
  const named = issuers.find(({ issuer, tenants }) => issuer === name && tenants === undefined);
  if (named !== undefined) return named;
  const matches = issuers.flatMap((candidate) => bindTenant(candidate, name) ?? []);
  // A name that two could mean is neither's.
  return matches.length === 1 ? matches[0] : undefined;
}

/** The issuer of the one tenant that the name states; undefined where it states none of this issuer. */
function bindTenant(issuer: Issuer, name: string): Issuer | undefined {
  const { tenants, configuredName, rules } = issuer;
  const tenant = tenants === undefined ? undefined : findTenant(name, configuredName, tenants);
  if (tenant === undefined) return undefined;
  const prefix = rules.preset.hasGlobalIds === true ? '' : `${tenant}|`;
  return { ...issuer, issuer: name, tenants: undefined, tenant, entityId: (sub) => issuer.entityId(`${prefix}${sub}`) };
}

/** A sentence that names the algorithms of the issuer, where the token's is none of them; undefined where it is one. */
export function findAlgorithmProblem(alg: string, { algorithms }: Pick<Issuer, 'algorithms'>): string | undefined {
  if (algorithms.some((algorithm) => algorithm === alg)) return undefined;
  const shownName = alg.length > 32 ? 'of the header' : JSON.stringify(alg);
  return `The algorithm ${shownName} is not one that the issuer is configured to use: ${algorithms.join(', ')}.`;
}

function measureLongestToken(issuers: readonly Issuer[]): number {
  return Math.max(MAX_TOKEN_BYTES, ...issuers.map(({ rules }) => rules.maxTokenBytes));
}

function buildIssuers(
  configs: readonly IssuerConfig[],
  previous: ReadonlyMap<string, Issuer>,
  watch: EngineCallListener | undefined,
): ReadonlyMap<string, Issuer> {
  const aliases = configs.flatMap((c) => (c.alias === undefined ? [] : [c.alias]));
  return new Map(
    configs.map((config) => {
      const issuer: Issuer = {
        ...config,
        keys: resolveKeys(config, previous.get(config.issuer), watch),
        audiences: [config.audience].flat(),
        rules: resolveReadingRules(config),
        configuredName: config.issuer,
        tenant: undefined,
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
): IssuerKeys {
  if (jwks !== undefined) return createLocalKeys(jwks);
  if (previous?.jwks === undefined && previous?.jwks_uri === uri && previous.jwks_network === network)
    return previous.keys;
  return createRemoteKeys(uri, network, watch);
}
