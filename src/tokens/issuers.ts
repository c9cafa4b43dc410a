/** The issuers whose tokens are believed: their keys, their algorithms, and how they name users and agents. */
import { createLocalJWKSet, createRemoteJWKSet, importJWK, type JSONWebKeySet, type CompactVerifyGetKey } from 'jose';
import { ConfigError } from '../model/faults.js';

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

/**
 * How a token says who acts for whom:
 * `act` the user in `sub`, the agent in `act.sub` (RFC 8693);
 * `user_claim` the agent in `sub`, the user in the claim that the issuer's `user_claim` names;
 * `agent` the agent alone in `sub` (client credentials).
 */
export const SHAPES = ['act', 'user_claim', 'agent'] as const;
export type Shape = (typeof SHAPES)[number];

export interface IssuerConfig {
  readonly issuer: string;
  readonly jwks_uri?: string | undefined;
  readonly jwks?: JSONWebKeySet | undefined;
  readonly audience: string;
  /** Its users and agents go by their bare ids; every other issuer's by `alias|sub`. */
  readonly primary: boolean;
  readonly alias?: string | undefined;
  readonly shapes: readonly Shape[];
  readonly user_claim?: string | undefined;
  readonly algorithms: readonly Algorithm[];
}

export interface Issuer extends IssuerConfig {
  readonly keys: CompactVerifyGetKey;
  /** The id by which the graph and the policies know this issuer's `sub`; undefined where it would pass for another's. */
  name(sub: string): string | undefined;
}

/** A key that is withdrawn must stop counting soon. */
const KEYS_KEPT_MS = 60_000;
/** A slow key server must not hold a decision beyond its deadline. */
const KEYS_TIMEOUT_MS = 800;

/** @throws ConfigError for an inline key that is none */
export async function checkKeys(configs: readonly IssuerConfig[]): Promise<void> {
  for (const { issuer, jwks, algorithms } of configs) {
    for (const [i, key] of (jwks?.keys ?? []).entries()) {
      await importJWK(key, key.alg ?? algorithms[0]).catch(() => {
        throw new ConfigError(`jwks.keys[${i}] of "${issuer}" is not a public key`, 'issuers');
      });
    }
  }
}

export class Issuers {
  private readonly byName = new Map<string, Issuer>();

  constructor(configs: readonly IssuerConfig[]) {
    const aliases = configs.flatMap((c) => (c.alias === undefined ? [] : [c.alias]));
    for (const config of configs) {
      this.byName.set(config.issuer, {
        ...config,
        keys: keysOf(config),
        name: (sub) => {
          if (!config.primary) return `${config.alias ?? ''}|${sub}`;
          return aliases.some((alias) => sub.startsWith(`${alias}|`)) ? undefined : sub;
        },
      });
    }
  }

  find(issuer: string): Issuer | undefined {
    return this.byName.get(issuer);
  }

  all(): Issuer[] {
    return [...this.byName.values()];
  }
}

function keysOf(config: IssuerConfig): CompactVerifyGetKey {
  if (config.jwks !== undefined) return createLocalJWKSet(config.jwks);
  return createRemoteJWKSet(new URL(config.jwks_uri ?? ''), {
    timeoutDuration: KEYS_TIMEOUT_MS,
    cacheMaxAge: KEYS_KEPT_MS,
  });
}
