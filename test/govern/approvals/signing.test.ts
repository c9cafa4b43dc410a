/** What Remit signs: genuine is only what this deployment signed, for what it was signed for. */
import { exportJWK, generateKeyPair, importJWK, SignJWT, type JWTPayload } from 'jose';
import { expect, it } from 'vitest';
import { ApprovalSigning, generateSigningKey, type SigningKey } from '../../../src/govern/approvals/signing.js';

const NOW = new Date('2030-03-04T10:00:00Z');
const URL = 'http://127.0.0.1:7480';
const HERE = 'urn:uuid:here';
const UNTIL = '2030-03-04T10:15:00.000Z';
const approval = { id: 'a1', approvedUntil: UNTIL };
const denial = { evaluation_id: 'd1', expires_at: UNTIL };
const key = await generateSigningKey();
const signing = await ApprovalSigning.open([key], HERE);

async function forge(typ: string, payload: JWTPayload, by: SigningKey = key, alg = 'ES256'): Promise<string> {
  const signed = new SignJWT(payload).setProtectedHeader({ alg, typ });
  return signed.sign(alg === 'HS256' ? Buffer.from(JSON.stringify(by)) : await importJWK(by, alg));
}

it('publishes its public keys alone', async () => {
  expect(signing.jwks.keys).toHaveLength(1);
  expect(Object.keys(signing.jwks.keys[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  const { privateKey } = await generateKeyPair('ES384', { extractable: true });
  const other = (await exportJWK(privateKey)) as SigningKey;
  await expect(ApprovalSigning.open([other], HERE)).rejects.toThrow('the signing key is no P-256 key');
});

it('knows the state of an approval, past its end as well', async () => {
  const state = await signing.signApprovalState(approval, URL, new Date(0));
  expect(await signing.verifyApprovalState({ id: 'a1', state })).toBe(true);
  expect(await signing.verifyApprovalState({ id: 'a2', state })).toBe(false);
});

it('knows a binding token, past its end as well', async () => {
  const token = await signing.signBindingToken(denial, ['branch'], URL, NOW);
  expect(await signing.verifyBindingToken(token)).toEqual(denial);
  const [, payload = ''] = token.split('.');
  expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
    iss: URL, aud: HERE, iat: NOW.getTime() / 1000, exp: Date.parse(UNTIL) / 1000, evaluation_id: 'd1',
    denial_expires_at: UNTIL, binding_context_members: ['branch'],
  }); // prettier-ignore
});

it('keeps what an earlier key signed', async () => {
  const state = await signing.signApprovalState(approval, URL, NOW);
  const rotated = await ApprovalSigning.open([await generateSigningKey(), key], HERE);
  expect(await rotated.verifyApprovalState({ id: 'a1', state })).toBe(true);
  const newer = await rotated.signApprovalState(approval, URL, NOW);
  expect(await signing.verifyApprovalState({ id: 'a1', state: newer })).toBe(false);
});

it('takes nothing else for its own', async () => {
  const state = await signing.signApprovalState(approval, URL, NOW);
  const token = await signing.signBindingToken(denial, [], URL, NOW);
  const claims = { aud: HERE, iss: URL, approval: { id: 'a1' } };
  const elsewhere = await ApprovalSigning.open([key], 'urn:uuid:elsewhere');
  for (const forged of [
    token,
    '',
    'x.y.z',
    `${state}x`,
    state.slice(0, -4),
    `${state.split('.').slice(0, 2).join('.')}.`,
    'x'.repeat(100_000),
    await forge('JWT', claims),
    await forge('remit-approval+jwt', { ...claims, aud: 'urn:uuid:elsewhere' }),
    await forge('remit-approval+jwt', claims, await generateSigningKey()),
    await forge('remit-approval+jwt', claims, signing.jwks.keys[0] as SigningKey, 'HS256'),
    await forge('remit-approval+jwt', { ...claims, approval: 'a1' }),
    await elsewhere.signApprovalState(approval, URL, NOW),
  ])
    // prettier-ignore
    expect(await signing.verifyApprovalState({ id: 'a1', state: forged }), forged).toBe(false);
  expect(await signing.verifyApprovalState({ id: 'a1', state: await forge('remit-approval+jwt', claims) })).toBe(true);
  for (const forged of [state, '', await forge('remit-denial+jwt', { aud: HERE, evaluation_id: 7 })])
    expect(await signing.verifyBindingToken(forged)).toBeUndefined();
});
