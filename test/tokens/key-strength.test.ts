import { createPublicKey } from 'node:crypto';
import { importJWK, type CryptoKey, type JWK } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { findKeyWeakness } from '../../src/tokens/key-strength.js';
import { makeKey, type Key } from './keys.js';
import { EXPONENT, FACTORED, HEAVY, ROCA, SHORT, shortKey } from './weak.js';

let key: Key;
let rsa: JWK;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  rsa = (await makeKey('RS256', 'r1')).jwk;
});

describe('a key', () => {
  it.each<[string, () => JWK, string | undefined]>([
    ['of 2,048 bits is good', () => rsa, undefined],
    ['of 2,048 bits with the exponent 3 is good', () => ({ ...rsa, e: 'Aw' }), undefined],
    ['of 1,024 bits is too short', () => shortKey(1024), SHORT],
    ['of 2,040 bits is too short', () => shortKey(2040), SHORT],
    // Zeros in front make no key longer.
    ['of 1,024 bits written in 2,048 is too short', () => padded(shortKey(1024)), SHORT],
    ['with the exponent 1 signs nothing', () => ({ ...rsa, e: 'AQ' }), EXPONENT],
    ['with the exponent 0 signs nothing', () => ({ ...rsa, e: 'AA' }), EXPONENT],
    ['with the exponent 2 has no inverse', () => ({ ...rsa, e: 'Ag' }), EXPONENT],
    ['with the exponent 65536 has no inverse', () => ({ ...rsa, e: 'AQAA' }), EXPONENT],
    ['of 8,192 bits is good', () => ({ ...rsa, n: ones(8192) }), undefined],
    ['of 8,200 bits takes too long', () => ({ ...rsa, n: ones(8200) }), HEAVY],
    ['with an exponent of 64 bits is good', () => ({ ...rsa, e: ones(64) }), undefined],
    ['with an exponent of 65 bits takes too long', () => ({ ...rsa, e: 'AQAAAAAAAAAB' }), HEAVY],
    ['with an exponent of 2,040 bits takes too long', () => ({ ...rsa, e: ones(2040) }), HEAVY],
    ['of the flawed library can be factored', () => ({ kty: 'RSA', n: ROCA, e: 'AQAB' }), FACTORED],
    ['on a curve has the strength of the curve', () => key.jwk, undefined],
  ])('%s', async (_, jwk, why) => {
    for (const alg of jwk().kty === 'RSA' ? ['RS256', 'PS384'] : ['ES256']) {
      const imported = (await importJWK({ ...jwk(), alg }, alg)) as CryptoKey;
      expect(await findKeyWeakness(imported), alg).toBe(why);
      expect(await findKeyWeakness(imported), 'again').toBe(why);
    }
  });

  it('of the flawed library is a modulus of 2,048 bits like any other', () => {
    const modulus = BigInt(`0x${Buffer.from(ROCA, 'base64url').toString('hex')}`);
    expect(modulus.toString(2)).toHaveLength(2048);
    const key_ = createPublicKey({ key: { kty: 'RSA', n: ROCA, e: 'AQAB' }, format: 'jwk' });
    expect(key_.asymmetricKeyDetails?.modulusLength).toBe(2048);
  });

  /** So many bits, all of them set. */
  function ones(bits: number): string {
    return Buffer.alloc(bits / 8, 0xff).toString('base64url');
  }
  function padded(jwk: JWK): JWK {
    const n = Buffer.from(jwk.n ?? '', 'base64url');
    return { ...jwk, n: Buffer.concat([Buffer.alloc(256 - n.length), n]).toString('base64url') };
  }
});
