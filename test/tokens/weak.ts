/** Weak keys, and the reasons for which they are refused. */
import { generateKeyPairSync } from 'node:crypto';
import type { JWK } from 'jose';

/**
 * The modulus of an RSA key as Infineon's library made them until 2017 (ROCA, CVE-2017-15361), 2,048 bits long. Both its
 * primes are k * M + (65537^a mod M) with M the product of the first 126 primes; they have been thrown away.
 */
export const ROCA = [
  '955JzXxNLJ3j2406lAnC9v0Ny5CF1ATadqgEFrFz9vtrMBRYJSWZc1yUw6yQTC8FAVl1CT_82GrsNBvZe0gxHYXffauUZP56A_YC',
  'TDSLyeGf1Wayp9WnExby81xLJgJ_XVdeul-Qz5vtMuz-mOEyZ710RK1rzRIBUUTCAh69VkOFxvYusWmKwxihkdMRnhWZJpWXPFa3',
  'aoxRypAdotxKUnoMEsfOU8fBTPkEV-A7qJ-0p4paXWhQnF07ITO9ytpvyCA0RLduO-v24Wq07v6JU527bfQT5-HKak09BJ48nnq5',
  'BkGy2jVI_FQuVJIyftIndoqVoKSzlmqvgO0X6a10gQ',
].join('');

export const SHORT = 'is an RSA key of less than 2,048 bits';
export const EXPONENT = 'is an RSA key with an unsafe exponent (1, or even)';
export const HEAVY = 'is an RSA key that takes too long to verify with';
export const FACTORED = 'is an RSA key that can be factored (ROCA, CVE-2017-15361)';
export const shortKey = (bits: number): JWK =>
  generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
