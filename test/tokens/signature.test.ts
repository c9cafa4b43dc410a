/** Signatures: by one of the issuer's keys, with an algorithm that it uses, and never by a key that proves nothing. */
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../src/model/faults.js';
import type { ReasonCode } from '../../src/model/reasons.js';
import { SIGNATURE_ALGORITHMS } from '../../src/tokens/algorithms.js';
import { createLocalKeys } from '../../src/tokens/keys.js';
import { verifySignature } from '../../src/tokens/signature.js';
import { encoded, makeKey, type Key } from './keys.js';
import { rejectionOf, refusal } from './refused.js';
import { ROCA } from './weak.js';

const keys = {} as Record<'good' | 'second' | 'rsa' | 'ed' | 'stranger', Key>;
beforeAll(async () => {
  keys.good = await makeKey('ES256', 'k1');
  keys.second = await makeKey('ES256', 'k2');
  keys.rsa = await makeKey('RS256', 'r1');
  keys.ed = await makeKey('Ed25519', 'e1');
  keys.stranger = await makeKey('ES256', 'k1');
});

const verify = (
  token: string,
  jwks: readonly JWK[],
  algorithms: readonly string[] = SIGNATURE_ALGORITHMS,
): Promise<void> =>
  verifySignature(token, { issuer: 'https://i', keys: createLocalKeys({ keys: [...jwks] }), algorithms });
const signed = (key: Key, header: object = {}): Promise<string> =>
  key.sign({ alg: key.alg, kid: key.kid, ...header }, { sub: 'alice' });
/** Signed by any key, for tokens that are rejected before their signature is compared. */
const unsigned = (header: object): string =>
  `${encoded({ ...header })}.${encoded({ sub: 'alice' })}.${'A'.repeat(342)}`;
/** The same key without `kid`, and without an algorithm of its own. */
const nameless = ({ kid: _kid, alg: _alg, ...jwk }: JWK): JWK => jwk;

describe('a signature holds', () => {
  it.each(SIGNATURE_ALGORITHMS)('by %s', async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const token = await new SignJWT({}).setProtectedHeader({ alg }).sign(privateKey);
    const jwk = await exportJWK(publicKey);
    await expect(verify(token, [jwk])).resolves.toBeUndefined();
    await expect(verify(token, [{ ...jwk, alg, use: 'sig', key_ops: ['verify'] }], [alg])).resolves.toBeUndefined();
    const others = SIGNATURE_ALGORITHMS.filter((a) => a !== alg);
    expect(await rejectionOf(verify(token, [jwk], others))).toEqual(refusal('token_algorithm_forbidden'));
  });

  it.each<[string, (k: typeof keys) => readonly JWK[]]>([
    ['by the only key', ({ good }) => [nameless(good.jwk)]],
    ['by the first of two', ({ good, second }) => [good.jwk, second.jwk].map(nameless)],
    ['by the second of two', ({ good, second }) => [second.jwk, good.jwk].map(nameless)],
    ['beside a weak key', ({ good, rsa }) => [nameless({ ...rsa.jwk, e: 'AQ' }), nameless(good.jwk)]],
    ['behind a key that is none', ({ good }) => [{ ...nameless(good.jwk), x: 'AAAA' }, nameless(good.jwk)]],
    ['behind a private key', ({ good }) => [privateJwk(), nameless(good.jwk)]],
  ])('%s, where the token does not say by which', async (_, jwks) => {
    await expect(verify(await signed(keys.good, { kid: undefined }), jwks(keys))).resolves.toBeUndefined();
  });

  it('by an RSA key behind weak ones, where the token does not say by which', async () => {
    const weak = [short().jwk, { ...keys.rsa.jwk, e: 'AQ' }, { kty: 'RSA', n: ROCA, e: 'AQAB' }].map(nameless);
    const token = await signed(keys.rsa, { kid: undefined });
    await expect(verify(token, [...weak, nameless(keys.rsa.jwk)])).resolves.toBeUndefined();
  });
});

/** A key of 1,024 bits, and what it really signed. */
function short(): { jwk: JWK; token: string } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const text = `${encoded({ alg: 'RS256' })}.${encoded({ sub: 'alice' })}`;
  const signature = createSign('sha256').update(text).sign(privateKey).toString('base64url');
  return { jwk: publicKey.export({ format: 'jwk' }), token: `${text}.${signature}` };
}
const privateJwk = (): JWK => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

/** What, the keys, the token, the code, the message. */
type Refused = [string, () => readonly JWK[], () => string | Promise<string>, ReasonCode, string?];
const SHORT = 'The key is an RSA key of less than 2,048 bits.';
const EXPONENT = 'The key is an RSA key with an unsafe exponent (1, or even).';
const FACTORED = 'The key is an RSA key that can be factored (ROCA, CVE-2017-15361).';
const es = { alg: 'ES256', kid: 'k1' };
const rs = { alg: 'RS256', kid: 'r1' };
// prettier-ignore
const REFUSED: Refused[] = [
  // Keys that prove nothing
  ['an exponent of 1', () => [{ ...keys.rsa.jwk, e: 'AQ' }], () => unsigned(rs), 'token_key_unusable', EXPONENT],
  ['an even exponent', () => [{ ...keys.rsa.jwk, e: 'AQAA' }], () => unsigned(rs), 'token_key_unusable', EXPONENT],
  ['a key of the flawed library', () => [{ kty: 'RSA', n: ROCA, e: 'AQAB', kid: 'r1' }], () => unsigned(rs), 'token_key_unusable', FACTORED],
  ['the same for PS256', () => [{ kty: 'RSA', n: ROCA, e: 'AQAB', kid: 'r1' }], () => unsigned({ ...rs, alg: 'PS256' }), 'token_key_unusable', FACTORED],
  ['two weak keys, not saying by which', () => [nameless({ ...keys.rsa.jwk, e: 'AQ' }), { kty: 'RSA', n: ROCA, e: 'AQAB' }], () => unsigned({ alg: 'RS256' }), 'token_key_unusable', EXPONENT],
  ['a weak key beside one that did not sign', () => [{ kty: 'RSA', n: ROCA, e: 'AQAB' }, nameless(keys.rsa.jwk)], () => unsigned({ alg: 'RS256' }), 'token_key_unusable', FACTORED],
  // Keys that are none
  ['a point beside the curve', () => [{ ...keys.good.jwk, y: keys.good.jwk.x ?? '' }], () => signed(keys.good), 'token_key_unusable'],
  ['a point of another length', () => [{ ...keys.good.jwk, x: 'AAAA' }], () => signed(keys.good), 'token_key_unusable'],
  ['half a point', () => [{ ...keys.good.jwk, y: undefined } as unknown as JWK], () => signed(keys.good), 'token_key_unusable'],
  ['an RSA key without a modulus', () => [{ kty: 'RSA', e: 'AQAB', kid: 'r1' }], () => unsigned(rs), 'token_key_unusable'],
  ['a private key', () => [{ ...privateJwk(), kid: 'k1' }], () => signed(keys.good), 'token_key_unusable'],
  ['keys that are none, not saying by which', () => [1, 2].map(() => ({ ...nameless(keys.good.jwk), x: 'AAAA' })), () => signed(keys.good, { kid: undefined }), 'token_signature_invalid'],
  // Keys for something else
  ['a key for encryption', () => [{ ...keys.good.jwk, use: 'enc' }], () => signed(keys.good), 'token_key_unknown'],
  ['a key for signing', () => [{ ...keys.good.jwk, key_ops: ['sign'] }], () => signed(keys.good), 'token_key_unknown'],
  ['a key for deriving', () => [{ ...keys.good.jwk, key_ops: ['deriveBits'] }], () => signed(keys.good), 'token_key_unknown'],
  ['a key for nothing', () => [{ ...keys.good.jwk, key_ops: [] }], () => signed(keys.good), 'token_key_unknown'],
  ['a key for the same thing twice', () => [{ ...keys.good.jwk, key_ops: ['verify', 'verify'] }], () => signed(keys.good), 'token_key_unknown'],
  ['a key for another algorithm', () => [{ ...keys.rsa.jwk, alg: 'PS256' }], () => signed(keys.rsa), 'token_key_unknown'],
  ['a key of another type', () => [keys.good.jwk], () => unsigned({ ...rs, kid: 'k1' }), 'token_key_unknown'],
  ['a key of another curve', () => [keys.good.jwk], () => unsigned({ ...es, alg: 'ES384' }), 'token_key_unknown'],
  ['a shared secret', () => [{ kty: 'oct', k: 'AAAA', kid: 'k1' }], () => signed(keys.good), 'token_key_unknown'],
  ['a key by another name', () => [keys.good.jwk], () => signed(keys.good, { kid: 'K1' }), 'token_key_unknown'],
  ['a key without a name where one is asked for', () => [nameless(keys.good.jwk)], () => signed(keys.good), 'token_key_unknown'],
  ['no key at all', () => [], () => signed(keys.good), 'token_key_unknown'],
  // Signatures
  ["a stranger's signature", () => [keys.good.jwk], () => signed(keys.stranger), 'token_signature_invalid'],
  ["a stranger's signature with its key enclosed", () => [keys.good.jwk], () => signed(keys.stranger, { jwk: keys.stranger.jwk }), 'token_signature_invalid'],
  ["a stranger's signature, not saying by which", () => [keys.good.jwk, keys.second.jwk], () => signed(keys.stranger, { kid: undefined }), 'token_signature_invalid'],
  ['the signature of the other key', () => [keys.good.jwk, keys.second.jwk], () => signed(keys.second, { kid: 'k1' }), 'token_signature_invalid'],
  ['an RSA signature of zeros', () => [keys.rsa.jwk], () => unsigned(rs), 'token_signature_invalid'],
  ['an EC signature of zeros', () => [keys.good.jwk], async () => `${(await signed(keys.good)).split('.').slice(0, 2).join('.')}.${'A'.repeat(86)}`, 'token_signature_invalid'],
  ['an Ed25519 signature of zeros', () => [keys.ed.jwk], async () => `${(await signed(keys.ed)).split('.').slice(0, 2).join('.')}.${'A'.repeat(86)}`, 'token_signature_invalid'],
  // Algorithms
  ['none', () => [keys.good.jwk], () => unsigned({ alg: 'none' }), 'token_algorithm_forbidden'],
  ['the public key as a shared secret', () => [keys.good.jwk], () => hmac(JSON.stringify(keys.good.jwk)), 'token_algorithm_forbidden'],
  ['a shared secret that is really shared', () => [{ kty: 'oct', k: 'c2VjcmV0', alg: 'HS256' }], () => hmac('secret'), 'token_algorithm_forbidden'],
  ['an algorithm in other letters', () => [keys.good.jwk], () => signed(keys.good, { alg: 'es256' }), 'token_algorithm_forbidden'],
  ['an algorithm by the name of a method', () => [keys.good.jwk], () => signed(keys.good, { alg: 'constructor' }), 'token_algorithm_forbidden'],
  // Rejected by parseToken already, and by jose as well
  ['an unknown critical extension', () => [keys.good.jwk], () => signed(keys.good, { crit: ['x'], x: 1 }), 'token_malformed'],
  ['no JWS', () => [keys.good.jwk], () => 'a.b', 'token_malformed'],
];

function hmac(secret: string): string {
  const text = `${encoded({ alg: 'HS256' })}.${encoded({ sub: 'alice' })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

describe('a signature is refused for', () => {
  it.each<Refused>(REFUSED)('%s', async (_, jwks, token, code, message) => {
    expect(await rejectionOf(verify(await token(), jwks()))).toEqual(refusal(code, message));
  });

  it('a key that is too short, though it did sign', async () => {
    const { jwk, token } = short();
    expect(await rejectionOf(verify(token, [jwk]))).toEqual(refusal('token_key_unusable', SHORT));
    expect(await rejectionOf(verify(token, [jwk, jwk]))).toEqual(refusal('token_key_unusable', SHORT));
  });
});

it('a failure of the keys themselves is a fault and names the issuer', async () => {
  const keys_ = (): Promise<never> => Promise.reject(new Error('the network is down'));
  const failed = verifySignature(await signed(keys.good), {
    issuer: 'https://i',
    keys: keys_,
    algorithms: SIGNATURE_ALGORITHMS,
  });
  await expect(failed).rejects.toMatchObject({
    code: 'keys_unavailable',
    detail: 'https://i: Error: the network is down',
  });
  await expect(failed).rejects.toBeInstanceOf(Fault);
});

it('the twin (r, n − s) of a signature on P-256 says the same, and nothing else does', async () => {
  // Both are signatures of one text: the holder of one token can write the other. Nothing counts a token by its text.
  const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const token = await signed(keys.good);
  const [head = '', body = '', signature = ''] = token.split('.');
  const hex = Buffer.from(signature, 'base64url').toString('hex');
  const s = BigInt(`0x${hex.slice(64)}`);
  const written = (x: bigint): string =>
    `${head}.${body}.${Buffer.from(hex.slice(0, 64) + x.toString(16).padStart(64, '0'), 'hex').toString('base64url')}`;
  await expect(verify(written(N - s), [keys.good.jwk])).resolves.toBeUndefined();
  for (const x of [s + 1n, s - 1n, N - s + 1n, 0n, N, 1n])
    expect(await rejectionOf(verify(written(x), [keys.good.jwk]))).toEqual(refusal('token_signature_invalid'));
});

describe('a key that the issuer does not have', () => {
  const refusedBy = async (kid: string | undefined, ids: readonly string[], cure?: string): Promise<string> => {
    const jwks = { keys: ids.map((id) => ({ ...keys.second.jwk, kid: id })) };
    const token = await signed(keys.good, { kid });
    const verified = verifySignature(token, {
      issuer: 'https://i',
      keys: createLocalKeys(jwks),
      jwks,
      key_cure: cure,
      algorithms: SIGNATURE_ALGORITHMS,
    });
    return (await rejectionOf(verified)).message;
  };

  it('is named with those that it has, and with the cure', async () => {
    expect(await refusedBy('k9', ['k2'])).toBe('The issuer has no key "k9" that fits the header; it has "k2".');
    expect(await refusedBy('k9', ['k2'], 'Mint it here.')).toMatch(/it has "k2"\. Mint it here\.$/);
  });

  it('is named within limits, whatever the token states', async () => {
    const message = await refusedBy(
      'x'.repeat(3000),
      Array.from({ length: 50 }, (_, i) => `${'y'.repeat(500)}${i}`),
    );
    expect(message).toContain('and 46 more');
    expect(message.length).toBeLessThan(600);
  });
});
