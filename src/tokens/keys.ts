/** Issuers' keys: inline or fetched, and never weak. Fetching is held to a time, a size and a place. */
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

/** A key that is withdrawn must stop counting soon. */
const KEYS_MAX_AGE_MS = 60_000;
/** A slow key server must not hold a decision beyond its deadline. */
const KEYS_TIMEOUT_MS = 800;
/** Whoever sends junk must not have a server in trouble asked once for each. */
const KEYS_RETRY_AFTER_MS = 1000;
/** Hundreds of keys; more is a mistake or an attack. */
export const MAX_KEYS_BYTES = 256 * 1024;

/** Of a JSON Web Key that is not, or not only, public. */
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
    // jose counts by the host's clock, which may have been set back since: then a withdrawn key would go on counting.
    if (keys.fresh && performance.now() - fetchedAt >= KEYS_MAX_AGE_MS) await keys.reload();
    return keys(header, token);
  };
}

/**
 * Why keys can't be fetched from `uri`; undefined if they can. An address that the operator wrote is taken as meant;
 * a name may lead anywhere, so it is held to public addresses when it is looked up.
 */
export function keysUriProblem(uri: string, network: JwksNetwork = 'public'): string | undefined {
  const { protocol, hostname, username, password } = new URL(uri);
  if (username + password !== '') return 'must not carry a password';
  if (protocol === 'https:' || network === 'private' || isLoopback(hostname)) return undefined;
  return 'must be https, or say jwks_network: private';
}

/** Looks a name up and refuses it where any of its addresses is private: the one connected to is one of these. */
const lookupPublicAddress: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    const first = error === null ? addresses[0] : undefined;
    if (error !== null) callback(error, '', 0);
    else if (first === undefined || addresses.some(({ address }) => !isPublicAddress(address)))
      callback(new Error(`"${hostname}" leads to a private address`), '', 0);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

/** After a failure nothing is asked for a moment: jose waits only after a success. */
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

/** A GET that follows no redirect, reads no more than a JWKS can be long, and ends with its signal whatever happens. */
function createJwksFetch(network: JwksNetwork): FetchImplementation {
  return async (url, { headers, signal }) => {
    const { protocol, hostname } = new URL(url);
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      headers: { ...Object.fromEntries(headers.entries()), ...currentSpan()?.headers },
      signal,
      ...(network === 'private' || isLoopback(hostname) ? {} : { lookup: lookupPublicAddress }),
    });
    // It may end without an answer and without an error, and err after its answer has begun.
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', reject);
      request.on('close', () => {
        reject(new Error('the key server has hung up'));
      });
    });
    request.end();
    return new Response(await readLimitedBody(await response));
  };
}

async function readLimitedBody(response: IncomingMessage): Promise<string> {
  if (response.statusCode !== 200) {
    response.destroy();
    throw new Error(`the JWKS was answered ${response.statusCode ?? 0}`);
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

/** @throws ConfigError for an inline key that is none, or too weak */
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

/** Undefined where it is a key for none of the algorithms. */
async function importForAny(jwk: JWK, algorithms: readonly string[]): Promise<CryptoKey | Uint8Array | undefined> {
  for (const algorithm of algorithms) {
    const key = await importJWK(jwk, algorithm).catch(() => undefined);
    if (key !== undefined) return key;
  }
  return undefined;
}

const knownWeaknesses = new WeakMap<CryptoKey, string | undefined>();

/** Why nobody should rely on this key; undefined if there is no reason. */
export async function findKeyWeakness(key: CryptoKey): Promise<string | undefined> {
  const { name } = key.algorithm;
  const findWeakness = name === 'Ed25519' ? findEd25519Weakness : name.startsWith('RSA') ? findRsaWeakness : undefined;
  if (findWeakness !== undefined && !knownWeaknesses.has(key)) knownWeaknesses.set(key, await findWeakness(key));
  return knownWeaknesses.get(key);
}

/** Points of small order, without their sign: with such a key, anybody's signature holds for some messages. */
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
  return SMALL_ORDER.has(point.toString('hex')) ? 'is an Ed25519 key that anybody can sign with' : undefined;
}

async function findRsaWeakness(key: CryptoKey): Promise<string | undefined> {
  const { n = '', e = '' } = await exportJWK(key);
  const modulus = decodeInteger(n);
  const exponent = decodeInteger(e);
  const bits = modulus.toString(2).length;
  if (bits < 2048) return 'is an RSA key of less than 2,048 bits';
  // A proof brings its key along: what takes long to verify must not be anybody's to choose.
  if (bits > 8192 || exponent.toString(2).length > 64) return 'is an RSA key that takes too long to verify with';
  // With an exponent of 1 the signature is the message; an even one has no inverse.
  if (exponent < 3n || exponent % 2n === 0n) return 'is an RSA key with an exponent that anybody can undo';
  return isRocaModulus(modulus) ? 'is an RSA key that can be factored (ROCA, CVE-2017-15361)' : undefined;
}

/**
 * Primes of the flawed library are 65537^a modulo each of these, and so is their product; of other moduli one in 10^27.
 * The fingerprint is that of the finders (Nemec et al., 2017).
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
