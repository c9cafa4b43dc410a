/**
 * Signs what callers carry from one request to the next: the state of an approval, and the token that binds an access
 * request to the denial that it is for. Neither is trusted alone: the database says what they stand for.
 */
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  jwtVerify,
  SignJWT,
  type JWK,
} from 'jose';
import { v4 as uuid } from 'uuid';
import type { PresentedApproval } from '../../model/approvals.js';

const ALGORITHM = 'ES256';
/** Apart, so that none passes for the other, nor for a token of an agent. */
const STATE_TYPE = 'remit-approval+jwt';
const BINDING_TYPE = 'remit-denial+jwt';
/** Longer than any that is signed here. */
const MAX_SIGNED_BYTES = 4096;

/** A private key, as a JSON Web Key. */
export type SigningKey = JWK & { readonly kty: string };

export interface DenialReference {
  /** The id of the decision. */
  readonly evaluation_id: string;
  /** The instant until which access can be requested for it, RFC 3339. */
  readonly expires_at: string;
}

export async function generateSigningKey(): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  return (await exportJWK(privateKey)) as SigningKey;
}

export class ApprovalSigning {
  private constructor(
    private readonly key: Awaited<ReturnType<typeof importJWK>>,
    private readonly kid: string,
    /** The public keys, as `jwks_uri` has them. */
    readonly jwks: { readonly keys: readonly JWK[] },
    private readonly deployment: string,
  ) {}

  /**
   * @param keys the first signs; what any of them signed is genuine
   * @param deployment names what the signed is for: another deployment with the same key is another
   * @throws Error where one is no P-256 key
   */
  static async open(keys: readonly [SigningKey, ...SigningKey[]], deployment: string): Promise<ApprovalSigning> {
    const published = await Promise.all(keys.map(publishKey));
    return new ApprovalSigning(
      await importJWK(keys[0], ALGORITHM),
      published[0]?.kid ?? '',
      { keys: published },
      deployment,
    );
  }

  /** @param issuer the URL of this service */
  signApprovalState(
    { id, approvedUntil }: { readonly id: string; readonly approvedUntil: string },
    issuer: string,
    now: Date,
  ): Promise<string> {
    return this.sign(STATE_TYPE, { approval: { id, approved_until: approvedUntil } }, issuer, now).sign(this.key);
  }

  /** Whether the state is one that was signed here for this approval. Its end isn't looked at: the database knows it. */
  async verifyApprovalState({ id, state }: PresentedApproval & { readonly state: string }): Promise<boolean> {
    const payload = await this.verify(STATE_TYPE, state);
    return (payload?.['approval'] as { readonly id?: unknown } | undefined)?.id === id;
  }

  /** @param contextMembers the members of the request's context that count */
  signBindingToken(
    { evaluation_id, expires_at }: DenialReference,
    contextMembers: readonly string[],
    issuer: string,
    now: Date,
  ): Promise<string> {
    const claims = { evaluation_id, denial_expires_at: expires_at, binding_context_members: contextMembers };
    return this.sign(BINDING_TYPE, claims, issuer, now)
      .setExpirationTime(Math.floor(Date.parse(expires_at) / 1000))
      .setJti(uuid())
      .sign(this.key);
  }

  /** @returns the denial that the token is of, also one that is past its end; undefined where the token isn't genuine */
  async verifyBindingToken(token: string): Promise<DenialReference | undefined> {
    const payload = await this.verify(BINDING_TYPE, token);
    const { evaluation_id: id, denial_expires_at: end } = payload ?? {};
    return typeof id === 'string' && typeof end === 'string' ? { evaluation_id: id, expires_at: end } : undefined;
  }

  private sign(typ: string, claims: Readonly<Record<string, unknown>>, issuer: string, now: Date): SignJWT {
    return new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, typ, kid: this.kid })
      .setIssuer(issuer)
      .setAudience(this.deployment)
      .setIssuedAt(now);
  }

  private async verify(typ: string, text: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    if (text.length > MAX_SIGNED_BYTES) return undefined;
    try {
      const { payload } = await jwtVerify(text, createLocalJWKSet({ keys: [...this.jwks.keys] }), {
        algorithms: [ALGORITHM],
        typ,
        audience: this.deployment,
        // What is past its end is told from what was never genuine, and by the caller.
        currentDate: new Date(0),
      });
      return payload;
    } catch {
      return undefined;
    }
  }
}

async function publishKey({ kty, crv, x, y }: SigningKey): Promise<JWK> {
  if (kty !== 'EC' || crv !== 'P-256') throw new TypeError('the signing key is no P-256 key');
  const key = { kty, crv, ...(x === undefined ? {} : { x }), ...(y === undefined ? {} : { y }) };
  return { ...key, kid: await calculateJwkThumbprint(key), use: 'sig', alg: ALGORITHM };
}
