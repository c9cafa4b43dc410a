/** The keys of issuers, inline or fetched. Fetching is limited in time, size and network; weak keys are refused. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { lookup as resolve } from 'node:dns';
import type { LookupFunction } from 'node:net';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  exportJWK,
  importJWK,
  type CompactVerifyGetKey,
  type CryptoKey,
  type FetchImplementation,
  type JSONWebKeySet,
  type JWK,
} from 'jose';
import { ConfigError } from '../model/faults.js';
import { isLoopback, isPublicAddress } from '../runtime/ip-address.js';
import { observeCall, type EngineCallListener } from '../telemetry/engine-calls.js';
import { currentSpan } from '../telemetry/active-span.js';

export type JwksNetwork = 'public' | 'private';

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

export function createLocalKeys(jwks: JSONWebKeySet): CompactVerifyGetKey {
  return createLocalJWKSet(jwks);
}

export function createRemoteKeys(
  uri: string,
  network: JwksNetwork = 'public',
  watch?: EngineCallListener,
): CompactVerifyGetKey {
  const fetch = withNegativeCache(createJwksFetch(network), watch);
  let fetchedAt = -Infinity;
  const keys = createRemoteJWKSet(new URL(uri), {
    timeoutDuration: KEYS_TIMEOUT_MS,
    cacheMaxAge: KEYS_MAX_AGE_MS,
    [customFetch]: async (url, options) => {
      const response = await fetch(url, options);
      fetchedAt = performance.now();
      return response;
    },
  });
  return async (header, token) => {
    // jose measures by the host's clock. Were that set back, a withdrawn key would count for longer.
    if (keys.fresh && performance.now() - fetchedAt >= KEYS_MAX_AGE_MS) await keys.reload();
    return keys(header, token);
  };
}

/**
 * Finds the reason why keys can't be fetched from `uri`; undefined if they can. An address that the operator wrote is
 * accepted as it is. A name may resolve to anything, so it is limited to public addresses when it is looked up.
 */
export function keysUriProblem(uri: string, network: JwksNetwork = 'public'): string | undefined {
  const { protocol, hostname, username, password } = new URL(uri);
  if (username + password !== '') return 'must not carry a password';
  if (protocol === 'https:' || network === 'private' || isLoopback(hostname)) return undefined;
  return 'must be https, or say jwks_network: private';
}

/** Looks a name up, and fails where any of its addresses is private. The connection goes to one of these addresses. */
const lookupPublicAddress: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    const first = error === null ? addresses[0] : undefined;
    if (error !== null) callback(error, '', 0);
    else if (first === undefined || addresses.some(({ address }) => !isPublicAddress(address)))
      callback(new Error(`"${hostname}" resolves to a private address`), '', 0);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

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
        createLocalJWKSet((await response.clone().json()) as JSONWebKeySet);
        return response;
      });
    } catch (cause) {
      failedAt = performance.now();
      throw new Error(`the JWKS could not be fetched: ${String(cause)}`, { cause });
    }
  };
}

/** Makes a fetch that follows no redirect, reads at most {@link MAX_KEYS_BYTES} and always ends with its signal. */
function createJwksFetch(network: JwksNetwork): FetchImplementation {
  return async (url, { headers, signal }) => {
    const { protocol, hostname } = new URL(url);
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      headers: { ...Object.fromEntries(headers.entries()), ...currentSpan()?.headers },
      signal,
      ...(network === 'private' || isLoopback(hostname) ? {} : { lookup: lookupPublicAddress }),
    });
    // A request may end without a response and without an error, and may fail after its response has begun.
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', reject);
      request.on('close', () => {
        reject(new Error('the key server closed the connection'));
      });
    });
    request.end();
    return new Response(await readLimitedBody(await response));
  };
}

async function readLimitedBody(response: IncomingMessage): Promise<string> {
  if (response.statusCode !== 200) {
    response.destroy();
    throw new Error(`the key server answered with status ${response.statusCode ?? 0}`);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_KEYS_BYTES) throw new Error(`the JWKS is longer than ${MAX_KEYS_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
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

const knownWeaknesses = new WeakMap<CryptoKey, string | undefined>();

/** Finds the reason why a key must not be relied on; undefined if there is none. */
export async function findKeyWeakness(key: CryptoKey): Promise<string | undefined> {
  const { name } = key.algorithm;
  const findWeakness = name === 'Ed25519' ? findEd25519Weakness : name.startsWith('RSA') ? findRsaWeakness : undefined;
  if (findWeakness !== undefined && !knownWeaknesses.has(key)) knownWeaknesses.set(key, await findWeakness(key));
  return knownWeaknesses.get(key);
}

/** Points of small order, without their sign: with such a key, some forged signatures verify. */
const SMALL_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

async function findEd25519Weakness(key: CryptoKey): Promise<string | undefined> {
  const point = Buffer.from((await exportJWK(key)).x ?? '', 'base64url');
  point.writeUInt8(point.readUInt8(31) & 0x7f, 31);
  return SMALL_ORDER.has(point.toString('hex'))
    ? 'is an Ed25519 key of small order, for which signatures can be forged'
    : undefined;
}

async function findRsaWeakness(key: CryptoKey): Promise<string | undefined> {
  const { n = '', e = '' } = await exportJWK(key);
  const modulus = decodeInteger(n);
  const exponent = decodeInteger(e);
  const bits = modulus.toString(2).length;
  if (bits < 2048) return 'is an RSA key of less than 2,048 bits';
  // A DPoP proof brings its key along: its sender must not choose how long verifying takes.
  if (bits > 8192 || exponent.toString(2).length > 64) return 'is an RSA key that takes too long to verify with';
  // With an exponent of 1 the signature is the message; an even one has no inverse.
  if (exponent < 3n || exponent % 2n === 0n) return 'is an RSA key with an unsafe exponent (1, or even)';
  return isRocaModulus(modulus) ? 'is an RSA key that can be factored (ROCA, CVE-2017-15361)' : undefined;
}

/**
 * Small primes that fingerprint ROCA keys (Nemec et al., 2017). The flawed library's primes are powers of 65537 modulo
 * each of these, and so is their product; of other moduli this is true of one in 10^27.
 */
const ROCA_PRIMES = [
  3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n, 53n, 59n, 61n, 67n, 71n, 73n, 79n, 83n, 89n, 97n,
  101n, 103n, 107n, 109n, 113n, 127n, 131n, 137n, 139n, 149n, 151n, 157n, 163n, 167n,
]; // prettier-ignore

function isRocaModulus(modulus: bigint): boolean {
  return ROCA_PRIMES.every((prime) => {
    const remainder = modulus % prime;
    let power = 1n;
    do {
      if (power === remainder) return true;
      power = (power * 65537n) % prime;
    } while (power !== 1n);
    return false;
  });
}

function decodeInteger(base64url: string): bigint {
  return BigInt(`0x${Buffer.from(base64url, 'base64url').toString('hex') || '0'}`);
}
