/** Which keys verify a signature: every key by its own algorithm, and no key by any other kind's. */
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { findKindProblem } from '../../src/tokens/key-kinds.js';
import { SIGNATURE_ALGORITHMS } from '../../src/tokens/algorithms.js';

describe('a key', () => {
  it.each(SIGNATURE_ALGORITHMS)('of %s fits the algorithms that its kind is for, and no others', async (algorithm) => {
    const jwk = await exportJWK((await generateKeyPair(algorithm, { extractable: true })).publicKey);
    const fitting = SIGNATURE_ALGORITHMS.filter((other) => findKindProblem(jwk, [other]) === undefined);
    const family = [/^(RS|PS)/, /^Ed/, new RegExp(algorithm)].find((pattern) => pattern.test(algorithm)) ?? /$^/;
    expect(fitting).toEqual(SIGNATURE_ALGORITHMS.filter((other) => family.test(other)));
    expect(findKindProblem({ ...jwk, alg: algorithm, use: 'sig', key_ops: ['verify'] }, [algorithm])).toBeUndefined();
  });

  const p256: JWK = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' };
  it.each<[string, JWK, string]>([
    ['of another curve', { ...p256, crv: 'P-384' }, 'is of kind "EC P-384", which is for none of ES256'],
    ['of an unknown kind', { kty: 'AKP', alg: 'ML-DSA-44' }, 'is of kind "AKP", which is for none of ES256'],
    ['for encryption', { ...p256, use: 'enc' }, 'is for use "enc"'],
    ['for key agreement', { ...p256, key_ops: ['deriveKey'] }, 'is not for verifying'],
    ['for another algorithm', { ...p256, alg: 'ECDH-ES' }, 'is for the algorithm "ECDH-ES", which is none of ES256'],
  ])('%s fits none', (_what, jwk, problem) => {
    expect(findKindProblem(jwk, ['ES256'])).toBe(problem);
  });
});
