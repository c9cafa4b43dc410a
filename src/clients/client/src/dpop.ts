/** DPoP (RFC 9449): each request is signed with a key of the caller's, so that a token alone is of no use to a thief. */
import { createHash, randomUUID, type webcrypto } from 'node:crypto';
import type { Credential, CredentialFunction, ProofMaker } from './credential.js';
import { RemitSetupError } from './errors.js';

/** A pair of keys on the curve P-256, as `crypto.subtle.generateKey` makes it. */
export interface DpopKeys {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
}

/** A credential whose token is bound to a key. @param token the token, or a function that returns it */
export function dpopCredential(token: string | CredentialFunction, keys: DpopKeys): Credential {
  return { get: typeof token === 'string' ? () => token : token, proof: new DpopProofs(keys) };
}

/** A proof that a client passes on beside an agent's token. */
export interface QuestionProof {
  readonly jwt: string;
  readonly method: string;
  readonly url: string;
}

/**
 * Makes the proofs of a process that is the agent itself, and so has its key: each question needs one of its own, since a proof counts
 * once.
 * @param url the address of that process, which the proofs are for
 * @throws RemitSetupError
 */
export function dpopProof(keys: DpopKeys, url: string): (token: string) => Promise<QuestionProof> {
  const proofs = new DpopProofs(keys);
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (address === undefined || !/^https?:$/.test(address.protocol))
    throw new RemitSetupError('options', { detail: 'the address that proofs are for must be an http or https URL' });
  const target = { method: 'POST', url: address.origin + address.pathname };
  return async (token) => ({ jwt: await proofs.prove({ method: 'POST', url: address, token }), ...target });
}

export class DpopProofs implements ProofMaker {
  private readonly nonces = new Map<string, string>();
  private jwk: Promise<webcrypto.JsonWebKey> | undefined;

  /** @throws RemitSetupError */
  constructor(private readonly keys: DpopKeys) {
    const { name, namedCurve } = keys.privateKey.algorithm as { readonly name: string; readonly namedCurve?: string };
    if (name !== 'ECDSA' || namedCurve !== 'P-256')
      throw new RemitSetupError('options', { detail: 'the DPoP key must be ECDSA on the curve P-256' });
  }

  async prove({ method, url, token }: { method: string; url: URL; token?: string }): Promise<string> {
    this.jwk ??= crypto.subtle.exportKey('jwk', this.keys.publicKey);
    const { kty, crv, x, y } = await this.jwk;
    const nonce = this.nonces.get(url.origin);
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } };
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: url.origin + url.pathname,
      iat: Math.floor(Date.now() / 1000),
      ...(token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') }),
      ...(nonce === undefined ? {} : { nonce }),
    };
    const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
    const signature = await crypto.subtle.sign(algorithm, this.keys.privateKey, Buffer.from(signed));
    return `${signed}.${Buffer.from(signature).toString('base64url')}`;
  }

  learnNonce(url: URL, headers: Headers): boolean {
    const nonce = headers.get('dpop-nonce');
    if (nonce === null || nonce === this.nonces.get(url.origin)) return false;
    this.nonces.set(url.origin, nonce);
    return true;
  }
}
