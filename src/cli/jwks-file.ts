/** Keys that an operator has in a file, and the signatures that they verify: `remit token verify --jwks` uses them. */
import { compactVerify, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { readTextFile } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { parseStrictJson, StrictJsonError } from '../runtime/strict-json.js';
import { SIGNATURE_ALGORITHMS } from '../tokens/algorithms.js';
import { parseJwsHeader } from '../tokens/jws.js';
import { createLocalKeys } from '../tokens/keys.js';
import { verifySignature } from '../tokens/signature.js';

/**
 * A JSON Web Key Set, or one key. Entries that are no objects are passed over, and private halves are dropped.
 * @throws ConfigError
 */
export function readJwksFile(file: string): JSONWebKeySet {
  const value = readJson(file);
  if (!isKeyObject(value)) throw new ConfigError('is not a JSON Web Key Set', file);
  const keys: unknown = value['keys'] ?? (value.kty === undefined ? undefined : [value]);
  if (!Array.isArray(keys)) throw new ConfigError('is not a JSON Web Key Set: it has no "keys"', file);
  return { keys: keys.filter(isKeyObject).map(publicHalf) };
}

/** @throws ConfigError */
function readJson(file: string): unknown {
  try {
    return parseStrictJson(readTextFile(file));
  } catch (error) {
    if (error instanceof StrictJsonError) throw new ConfigError(`${error.path} ${error.message}`.trim(), file);
    throw error;
  }
}

type KeyObject = JWK & Record<string, unknown>;

function isKeyObject(value: unknown): value is KeyObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function publicHalf({ d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, oth: _oth, key_ops, ...key }: KeyObject): JWK {
  // The operations of a private half don't apply to the public one.
  return { ...(key as JWK), ...(d === undefined && key_ops !== undefined ? { key_ops } : {}) };
}

/**
 * Whether a JWS is signed by one of the keys, whatever its payload. A file may hold shared secrets, which Remit never
 * accepts from an issuer: that such a signature is valid is said here, and beside it that the token isn't.
 */
export async function isSignedBy(text: string, jwks: JSONWebKeySet): Promise<boolean> {
  return succeeds(async () => {
    const { alg, kid } = parseJwsHeader(text);
    if (alg.startsWith('HS')) await verifyBySharedSecret(text, alg, kid, jwks);
    else
      await verifySignature(text, {
        issuer: 'the file',
        keys: createLocalKeys(jwks),
        algorithms: SIGNATURE_ALGORITHMS,
      });
  });
}

/** @throws TypeError where no secret of the set verifies it */
async function verifyBySharedSecret(
  text: string,
  alg: string,
  kid: string | undefined,
  jwks: JSONWebKeySet,
): Promise<void> {
  for (const jwk of jwks.keys.filter((key) => isUsableSecret(key, alg, kid))) {
    const signed = await succeeds(async () => {
      const secret = await importJWK(jwk, alg);
      // RFC 7518 section 3.2: no shorter than the hash.
      if (!(secret instanceof Uint8Array) || secret.length < Number(alg.slice(2)) / 8)
        throw new TypeError('the secret is too short');
      await compactVerify(text, secret, { algorithms: [alg] });
    });
    if (signed) return;
  }
  throw new TypeError('no secret of the set verifies the signature');
}

function isUsableSecret(key: JWK, alg: string, kid: string | undefined): boolean {
  return (
    key.kty === 'oct' &&
    (kid === undefined || key.kid === kid) &&
    (key.alg === undefined || key.alg === alg) &&
    (key.use === undefined || key.use === 'sig') &&
    (key.key_ops === undefined || (Array.isArray(key.key_ops) && key.key_ops.includes('verify')))
  );
}

/** Whether the work ends without an error: what jose or a strict parser throws means that the input is not valid. */
export async function succeeds(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}
