/**
 * Tells which keys of a JWKS can verify a signature of an algorithm: providers publish keys of other kinds beside them.
 */
import type { JWK } from 'jose';
import type { SignatureAlgorithm } from './algorithms.js';

interface KeyKind {
  readonly kty: string;
  readonly crv?: string;
}

const RSA: KeyKind = { kty: 'RSA' };
const ED25519: KeyKind = { kty: 'OKP', crv: 'Ed25519' };
const KINDS: Readonly<Record<SignatureAlgorithm, KeyKind>> = {
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  PS256: RSA,
  PS384: RSA,
  PS512: RSA,
  RS256: RSA,
  RS384: RSA,
  RS512: RSA,
  EdDSA: ED25519,
  Ed25519: ED25519,
};

/** Finds the reason that the key verifies no signature of the algorithms, as a predicate; undefined where it may. */
export function findKindProblem(jwk: JWK, algorithms: readonly SignatureAlgorithm[]): string | undefined {
  if (jwk.use !== undefined && jwk.use !== 'sig') return `is for use "${jwk.use}"`;
  if (Array.isArray(jwk.key_ops) && !jwk.key_ops.includes('verify')) return 'is not for verifying';
  const fitting = algorithms.filter((algorithm) => {
    const { kty, crv } = KINDS[algorithm];
    return jwk.kty === kty && (crv === undefined || jwk.crv === crv);
  });
  const kind = [jwk.kty, jwk.crv].filter((word) => word !== undefined).join(' ');
  if (fitting.length === 0) return `is of kind "${kind}", which is for none of ${algorithms.join(', ')}`;
  if (jwk.alg !== undefined && !fitting.some((algorithm) => algorithm === jwk.alg))
    return `is for the algorithm "${jwk.alg}", which is none of ${algorithms.join(', ')}`;
  return undefined;
}
