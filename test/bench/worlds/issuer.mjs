/** The issuer of the benchmark's delegation tokens: a key pair, and what Remit's configuration says of it. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { randomUUID } from 'node:crypto';
import { SCOPES } from './actions.mjs';

/** Ten in the morning of today, UTC: the sample's policies let agents change nothing at night. */
export const TEN = new Date().setUTCHours(10, 0, 0, 0);
const HOURS = 6;
const ISSUER = 'https://issuer.bench.example';
const AUDIENCE = 'remit';
const [ALGORITHM, KEY_ID] = ['ES256', 'bench'];

export async function makeIssuer() {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: KEY_ID, alg: ALGORITHM, use: 'sig' }] };
  return {
    /** For `issuers` of a configuration. */
    configured: { issuer: ISSUER, jwks, audience: AUDIENCE, primary: true },
    /** A token with every scope. */
    mint: (user, agent) => {
      const issuedAt = TEN / 1000;
      return new SignJWT({ client_id: agent, act: { sub: agent }, scope: SCOPES })
        .setProtectedHeader({ alg: ALGORITHM, typ: 'at+jwt', kid: KEY_ID })
        .setIssuer(ISSUER)
        .setSubject(user)
        .setAudience(AUDIENCE)
        .setJti(randomUUID())
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + 3600 * HOURS)
        .sign(privateKey);
    },
  };
}
