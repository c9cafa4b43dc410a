/** Real keys, and tokens signed with them whatever their header and payload say. */
import { exportJWK, generateKeyPair, type JWK } from 'jose';

/** The clock of these tests, and the same in seconds. */
export const NOW = new Date('2030-03-04T10:00:00Z');
export const T = NOW.getTime() / 1000;

export type Part = string | Uint8Array | Readonly<Record<string, unknown>>;

export interface Key {
  readonly kid: string;
  readonly alg: 'ES256' | 'RS256' | 'Ed25519';
  /** The public half, as a JWKS has it. */
  readonly jwk: JWK;
  /** A compact JWS. Header and payload may be no JSON at all. */
  sign(header: Part, payload: Part): Promise<string>;
}

const WEB_CRYPTO = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
  Ed25519: { name: 'Ed25519' },
};

export async function makeKey(alg: Key['alg'], kid: string): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    kid,
    alg,
    jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' },
    sign: async (header, payload) => {
      const signed = `${encoded(header)}.${encoded(payload)}`;
      const signature = await crypto.subtle.sign(WEB_CRYPTO[alg], privateKey, Buffer.from(signed));
      return `${signed}.${Buffer.from(signature).toString('base64url')}`;
    },
  };
}

/** Base64url of bytes, of a text, or of an object's JSON. */
export function encoded(part: Part): string {
  if (typeof part === 'string' || part instanceof Uint8Array) return Buffer.from(part).toString('base64url');
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
