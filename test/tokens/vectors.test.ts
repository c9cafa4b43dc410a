/** The examples that the RFCs publish: what they say is signed is, what was altered isn't, thumbprints are theirs. */
import { calculateJwkThumbprint } from 'jose';
import { describe, expect, it } from 'vitest';
import type { ReasonCode } from '../../src/model/reasons.js';
import { SIGNATURE_ALGORITHMS } from '../../src/tokens/algorithms.js';
import { parseJwsHeader } from '../../src/tokens/jws.js';
import { createLocalKeys } from '../../src/tokens/keys.js';
import { verifySignature } from '../../src/tokens/signature.js';
import { reasonOf, rejectionOf } from './refused.js';
import { VECTORS } from './vectors.js';

type Jws = (typeof VECTORS.jws)[number];

const verify = ({ keys, token }: Jws): Promise<void> =>
  verifySignature(token, {
    issuer: 'the RFC',
    keys: createLocalKeys({ keys: [...keys] }),
    algorithms: SIGNATURE_ALGORITHMS,
  });
const algorithm = ({ token }: Jws): unknown =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { alg?: unknown }).alg;
const symmetric = (jws: Jws): boolean => String(algorithm(jws)).startsWith('HS');

/** The text itself is rejected, before any key is looked up. */
const MALFORMED: Readonly<Record<string, RegExp>> = {
  none: /base64url/,
  'HS256 unencoded and detached': /"crit" is not accepted/,
  'HS256 unencoded, attached after all': /"crit"|"b64"/,
};
/** Refused for something else than that the signature does not hold. */
const OTHERWISE: Readonly<Record<string, ReasonCode>> = {
  none: 'token_algorithm_forbidden',
  'RS256 as HS256': 'token_algorithm_forbidden',
  'HS256 with kid as none': 'token_algorithm_forbidden',
  // The key is of another curve than the algorithm.
  'ES512 with kid as ES256': 'token_key_unknown',
};

describe('a JWS', () => {
  it.each(VECTORS.jws.filter((jws) => !symmetric(jws) && jws.signature === 'valid'))(
    'of $source holds: $name',
    async (jws) => {
      expect(parseJwsHeader(jws.token).alg).toBe(algorithm(jws));
      await expect(verify(jws)).resolves.toBeUndefined();
    },
  );

  it.each(VECTORS.jws.filter((jws) => !symmetric(jws) && jws.signature === 'invalid'))(
    '$source is refused: $name',
    async (jws) => {
      const malformed = MALFORMED[jws.name];
      if (malformed !== undefined) expect(reasonOf(() => parseJwsHeader(jws.token)).message).toMatch(malformed);
      expect((await rejectionOf(verify(jws))).code).toBe(OTHERWISE[jws.name] ?? 'token_signature_invalid');
    },
  );

  // A secret that a verifier shares is one that it could sign with: no issuer's tokens are believed by it, true or not.
  it.each(VECTORS.jws.filter(symmetric))('by a shared secret is refused, $signature or not: $name', async (jws) => {
    const malformed = MALFORMED[jws.name];
    if (malformed === undefined) expect(parseJwsHeader(jws.token).alg).toBe(algorithm(jws));
    else expect(reasonOf(() => parseJwsHeader(jws.token)).message).toMatch(malformed);
    const { code } = await rejectionOf(verify(jws));
    expect(code).toBe('token_algorithm_forbidden');
  });

  it('of every kind is among them', () => {
    const kinds = new Set(VECTORS.jws.filter((jws) => jws.signature === 'valid').map(algorithm));
    expect([...kinds].sort()).toEqual(['ES256', 'ES512', 'EdDSA', 'HS256', 'PS384', 'RS256']);
    const names = VECTORS.jws.map(({ name }) => name);
    for (const name of [...Object.keys(MALFORMED), ...Object.keys(OTHERWISE)]) expect(names).toContain(name);
  });
});

describe('a thumbprint', () => {
  // The function that a proof's key is held against a token with.
  it.each(VECTORS.thumbprints)('of $source: $name', async ({ jwk, sha256 }) => {
    expect(await calculateJwkThumbprint(jwk)).toBe(sha256);
    expect(await calculateJwkThumbprint({ ...jwk, kid: 'x', alg: 'x', use: 'sig' })).toBe(sha256);
  });
});
