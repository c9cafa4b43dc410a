/** The keys of issuers, inline or fetched. Fetching is limited in time, size and network; weak keys are refused. */
import type { IncomingMessage } from 'node:http';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  importJWK,
  type CompactVerifyGetKey,
  type CryptoKey,
  type FetchImplementation,
  type JSONWebKeySet,
  type JWK,
} from 'jose';
import { ConfigError } from '../model/faults.js';
import { parseStrictJson } from '../runtime/strict-json.js';
import { isLoopback, type Network } from '../runtime/ip-address.js';
import { openOutbound, readOutboundBody } from '../runtime/outbound.js';
import { KeyRefetcher } from './key-refetch.js';
import { findKeyWeakness } from './key-strength.js';
import { findTenant, TENANT_PLACEHOLDER } from './tenants.js';
import { observeCall, type EngineCallListener } from '../telemetry/engine-calls.js';
import { currentSpan } from '../telemetry/active-span.js';

/** The longest that fetched keys are used: a withdrawn key must stop counting soon. */
const KEYS_MAX_AGE_MS = 60_000;
/** The time for one fetch: a slow key server must not hold a decision beyond its deadline. */
const KEYS_TIMEOUT_MS = 800;
/** The pause after a failed fetch: tokens with unknown keys must not cause a request each to a server in trouble. */
const KEYS_RETRY_AFTER_MS = 1000;
/** The longest JWKS that is read: room for hundreds of keys. More is a mistake or an attack. */
export const MAX_KEYS_BYTES = 256 * 1024;

/** Members that only a private or symmetric JSON Web Key has. */
export const PRIVATE_KEY_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

/** Finds the key that a token is signed with. `list` has the keys among which it was last searched. */
export type IssuerKeys = CompactVerifyGetKey & { readonly list: () => JSONWebKeySet | undefined };

export function createLocalKeys(jwks: JSONWebKeySet): IssuerKeys {
  return Object.assign(createLocalJWKSet(jwks), { list: () => jwks });
}

/**
 * Limits keys to those of one issuer, where several sign with keys of one set: a key that states its `issuer` is of that one,
 * or with `{tenantid}` in it of that of each tenant. A key that states none is of all.
 */
export function limitKeys(keys: IssuerKeys, issuer: string): CompactVerifyGetKey {
  return async (header, token) => {
    try {
      await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    }
    const ownKeys = (keys.list()?.keys ?? []).filter((key) => isKeyOf(key, issuer));
    return createLocalJWKSet({ keys: ownKeys })(header, token);
  };
}

function isKeyOf({ issuer: stated }: JWK & { readonly issuer?: unknown }, issuer: string): boolean {
  if (stated === undefined || stated === issuer) return true;
  if (typeof stated !== 'string' || !stated.includes(TENANT_PLACEHOLDER)) return false;
  return findTenant(issuer, stated, 'any') !== undefined;
}

export function createRemoteKeys(uri: string, network: Network = 'public', watch?: EngineCallListener): IssuerKeys {
  const fetch = withNegativeCache(createJwksFetch(network), watch);
  let fetchedAt = -Infinity;
  const refetcher: KeyRefetcher = new KeyRefetcher(() => keys.reload());
  const keys = createRemoteJWKSet(new URL(uri), {
    timeoutDuration: KEYS_TIMEOUT_MS,
    cacheMaxAge: KEYS_MAX_AGE_MS,
    // Unknown keys are the refetcher's: jose waits for half a minute, in which tokens by a new key are denied.
    cooldownDuration: Infinity,
    [customFetch]: async (url, options) => {
      const response = await fetch(url, options);
      fetchedAt = performance.now();
      refetcher.noteFetch();
      return response;
    },
  });
  const findKey: CompactVerifyGetKey = async (header, token) => {
    // jose measures by the host's clock. Were that set back, a withdrawn key would count for longer.
    if (keys.fresh && performance.now() - fetchedAt >= KEYS_MAX_AGE_MS) await keys.reload();
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !(await refetcher.refetch())) throw error;
      return keys(header, token);
    }
  };
  return Object.assign(findKey, { list: () => keys.jwks() });
}

/**
 * Finds the reason why keys can't be fetched from `uri`; undefined if they can. An address that the operator wrote is
 * accepted as it is. A name may resolve to anything, so it is limited to public addresses when it is looked up.
 */
export function keysUriProblem(uri: string, network: Network = 'public'): string | undefined {
  const { protocol, hostname, username, password } = new URL(uri);
  if (username + password !== '') return 'must not carry a password';
  if (protocol === 'https:' || network === 'private' || isLoopback(hostname)) return undefined;
  return 'must be https, or say jwks_network: private';
}

/** Fails at once for a moment after a failed fetch: jose itself pauses only after a success. */
function withNegativeCache(fetch: FetchImplementation, watch: EngineCallListener | undefined): FetchImplementation {
  const observation = { engine: 'keys', watch, faultOf: () => 'keys_unavailable' as const } as const;
  let failedAt = -Infinity;
  return async (url, options) => {
    if (performance.now() - failedAt < KEYS_RETRY_AFTER_MS)
      throw new Error('the JWKS could not be fetched a moment ago');
    try {
      return await observeCall(observation, 'fetch', async () => {
        const response = await fetch(url, options);
        // jose reads the text once more, by JSON.parse: a text that passes here means the same to both.
        createLocalJWKSet(parseStrictJson(await response.clone().text()) as JSONWebKeySet);
        return response;
      });
    } catch (cause) {
      failedAt = performance.now();
      throw new Error(`the JWKS could not be fetched: ${String(cause)}`, { cause });
    }
  };
}

/** Makes a fetch that follows no redirect, reads at most {@link MAX_KEYS_BYTES} and always ends with its signal. */
function createJwksFetch(network: Network): FetchImplementation {
  return async (url, { headers, signal }) => {
    const response = await openOutbound(url, {
      headers: { ...Object.fromEntries(headers.entries()), ...currentSpan()?.headers },
      signal,
      network,
      literals: 'accepted',
    });
    return new Response(await readLimitedBody(response));
  };
}

async function readLimitedBody(response: IncomingMessage): Promise<string> {
  if (response.statusCode !== 200) {
    response.destroy();
    throw new Error(`the key server answered with status ${response.statusCode ?? 0}`);
  }
  const body = await readOutboundBody(response, MAX_KEYS_BYTES);
  if (body === undefined) throw new Error(`the JWKS is longer than ${MAX_KEYS_BYTES} bytes`);
  return body.toString('utf8');
}

/** @throws ConfigError for an inline key that is not a public key, or too weak */
export async function checkInlineKeys(
  configs: readonly { issuer: string; jwks?: JSONWebKeySet | undefined; algorithms: readonly string[] }[],
): Promise<void> {
  for (const { issuer, jwks, algorithms } of configs) {
    for (const [i, jwk] of (jwks?.keys ?? []).entries()) {
      const key = await importForAny(jwk, jwk.alg === undefined ? algorithms : [jwk.alg]);
      const isPublic = key !== undefined && !(key instanceof Uint8Array) && key.type === 'public';
      const problem = isPublic ? await findKeyWeakness(key) : 'is not a public key';
      if (problem !== undefined) throw new ConfigError(`jwks.keys[${i}] of "${issuer}" ${problem}`, 'issuers');
    }
  }
}

/** Imports the key for the first algorithm that it fits; undefined where it fits none. */
async function importForAny(jwk: JWK, algorithms: readonly string[]): Promise<CryptoKey | Uint8Array | undefined> {
  for (const algorithm of algorithms) {
    const key = await importJWK(jwk, algorithm).catch(() => undefined);
    if (key !== undefined) return key;
  }
  return undefined;
}
