/** Finds weak keys, with which signatures can be forged. Every key is checked before it is used for the first time. */
import { exportJWK, type CryptoKey } from 'jose';

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
