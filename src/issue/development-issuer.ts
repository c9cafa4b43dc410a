/**
 * The development issuer: mints delegation tokens for trying things out, with a key pair in the data directory.
 * It exists only with embedded engines on loopback.
 */
import { join } from 'node:path';
import { exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose';
import { v4 as uuid } from 'uuid';
import { ConfigError } from '../model/faults.js';
import { ensureSecretFile } from '../runtime/secret-file.js';
import { parseStrictJson } from '../runtime/strict-json.js';
import type { IssuerConfig } from '../tokens/issuers.js';

export const DEV_ISSUER = 'urn:remit:development';
export const DEV_AUDIENCE = 'remit';
/** The client of a user's own token: that of `remit token` without an agent. */
const DEV_USER_CLIENT = 'remit-cli';
/** The claim whose members policies read: the names are those of the policies, so that they need no configuration. */
const POLICY_CLAIMS = 'claims';

/** Its configuration without its key, by which its tokens are read. */
export const DEV_ISSUER_CONFIG = {
  issuer: DEV_ISSUER,
  audience: DEV_AUDIENCE,
  // Its ids are bare, even beside a configured primary issuer: its tokens are for acting as the sample's users.
  primary: true,
  shapes: ['act', 'agent'],
  user_clients: [DEV_USER_CLIENT],
  claims_object: [POLICY_CLAIMS],
  algorithms: ['ES256'],
} as const satisfies IssuerConfig;

export interface MintOptions {
  readonly user?: string | undefined;
  /** Undefined for a user's own token. */
  readonly agent?: string | undefined;
  /** Earlier agents, newest first. */
  readonly chain?: readonly string[] | undefined;
  readonly scope?: string | undefined;
  readonly details?: readonly Readonly<Record<string, unknown>>[] | undefined;
  readonly audience?: string | undefined;
  /** Whether the agent may act while the user is absent. */
  readonly background?: boolean | undefined;
  readonly purpose?: string | undefined;
  readonly session?: string | undefined;
  /** The claims that policies read, by their names in `context.claims`. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** The thumbprint of the DPoP key that the token is bound to. */
  readonly jkt?: string | undefined;
  readonly ttlSeconds: number;
  readonly now: Date;
}

export interface DevelopmentIssuer {
  readonly config: IssuerConfig;
  mint(options: MintOptions): Promise<string>;
}

/**
 * Opens the issuer of a data directory.
 * @param directory exists; the key is made there at first use (mode 0600)
 * @throws ConfigError where the key's file has no private key
 */
export async function openDevelopmentIssuer(directory: string): Promise<DevelopmentIssuer> {
  const file = join(directory, 'dev-issuer.jwk');
  const text = await ensureSecretFile(file, async () => JSON.stringify(await generatePrivateJwk()));
  const jwk = parsePrivateJwk(text, file);
  const key = await importJWK(jwk, 'ES256').catch(() => {
    throw unreadableKeyError(file);
  });
  return buildDevelopmentIssuer(jwk, key);
}

/** Creates an issuer whose key is never stored: its tokens are of use within this process only. */
export async function createEphemeralIssuer(): Promise<DevelopmentIssuer> {
  const jwk = await generatePrivateJwk();
  return buildDevelopmentIssuer(jwk, await importJWK(jwk, 'ES256'));
}

async function generatePrivateJwk(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: uuid(), alg: 'ES256', use: 'sig' };
}

function buildDevelopmentIssuer(jwk: JWK, key: Awaited<ReturnType<typeof importJWK>>): DevelopmentIssuer {
  const { d: _secret, ...publicJwk } = jwk;
  return {
    config: {
      ...DEV_ISSUER_CONFIG,
      jwks: { keys: [publicJwk] },
      key_cure:
        'The development issuer signs with the key of its data directory: mint the token with that of this service (`remit token`, with the same --config and REMIT_DATA).',
    },
    mint: ({ user, agent, chain = [], scope, details, audience, ttlSeconds, now, ...options }) => {
      const issuedAt = Math.floor(now.getTime() / 1000);
      const act = [...(agent === undefined ? [] : [agent]), ...chain].reduceRight<object | undefined>(
        (inner, sub) => (inner === undefined ? { sub } : { sub, act: inner }),
        undefined,
      );
      return new SignJWT({
        client_id: agent ?? DEV_USER_CLIENT,
        // The user of the command line signs in with it.
        ...(agent === undefined ? { auth_time: issuedAt } : {}),
        ...(user === undefined || act === undefined ? {} : { act }),
        ...(scope === undefined ? {} : { scope }),
        ...(details === undefined ? {} : { authorization_details: details }),
        ...(options.background === true ? { access: 'background' } : {}),
        ...(options.purpose === undefined ? {} : { purpose: options.purpose }),
        ...(options.session === undefined ? {} : { sid: options.session }),
        ...(options.claims === undefined ? {} : { [POLICY_CLAIMS]: options.claims }),
        ...(options.jkt === undefined ? {} : { cnf: { jkt: options.jkt } }),
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
        .setIssuer(DEV_ISSUER)
        .setSubject(user ?? agent ?? '')
        .setAudience(audience ?? DEV_AUDIENCE)
        .setJti(uuid())
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + ttlSeconds)
        .sign(key);
    },
  };
}

function parsePrivateJwk(text: string, file: string): JWK & { kty: string } {
  try {
    const jwk = parseStrictJson(text) as Partial<JWK> | null;
    if (jwk?.kty === 'EC' && typeof jwk.d === 'string') return { ...jwk, kty: jwk.kty };
  } catch {
    // Thrown below.
  }
  throw unreadableKeyError(file);
}

function unreadableKeyError(file: string): ConfigError {
  return new ConfigError('the file is not a private JSON Web Key; remove it to have a new one made', file);
}
