/** `remit token verify`: whether a JWS is signed by given keys, and whether the token would be accepted. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compactVerify, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { loadConfig, type Config } from '../config/config.js';
import { readTextFile } from '../config/files.js';
import { ConfigError, Fault, FAULTS } from '../model/faults.js';
import { StrictJsonError, parseStrictJson } from '../runtime/strict-json.js';
import { openDevelopmentIssuer } from '../issue/development-issuer.js';
import { SIGNATURE_ALGORITHMS, Issuers, type IssuerConfig } from '../tokens/issuers.js';
import { createLocalKeys } from '../tokens/keys.js';
import { parseJwsHeader, parseToken, TokenRejectedError } from '../tokens/jws.js';
import { verifySignature } from '../tokens/signature.js';
import { TokenVerifier } from '../tokens/verify.js';
import { escapeForTerminal, readOptions, readTokenArgument } from './command.js';

interface TokenVerdict {
  readonly signature: 'valid' | 'invalid';
  readonly valid: boolean;
  readonly reasons: readonly { readonly code: string; readonly message: string }[];
}

export async function runTokenVerify(args: readonly string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    jwks: { type: 'string' },
    issuer: { type: 'string' },
    audience: { type: 'string' },
    config: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  const text = await readTokenArgument(positionals, 'verify');
  const now = new Date();
  const verdict =
    values.jwks === undefined
      ? await verifyAgainstConfiguration(text, loadConfig(values.config), values.issuer, values.audience, now)
      : await verifyAgainstKeys(text, readJwks(values.jwks), values.issuer, values.audience, now);
  process.stdout.write(values.json ? `${JSON.stringify(verdict)}\n` : verdictText(verdict));
  return verdict.signature === 'valid' && verdict.valid ? 0 : 1;
}

/** Whoever issued it and whomever it is for, unless the command line says so. */
async function verifyAgainstKeys(
  text: string,
  jwks: JSONWebKeySet,
  issuer: string | undefined,
  audience: string | undefined,
  now: Date,
): Promise<TokenVerdict> {
  const signature = (await hasValidSignature(text, jwks)) ? 'valid' : 'invalid';
  const claims = unverifiedClaims(text);
  const iss = issuer ?? claims.iss;
  const issuers = new Issuers([
    {
      issuer: iss,
      jwks,
      audience: audience ?? claims.aud,
      primary: true,
      shapes: ['act', 'agent'],
      algorithms: SIGNATURE_ALGORITHMS,
    },
  ]);
  return verifyClaims(text, signature, issuers, audience ?? claims.aud, now);
}

async function verifyAgainstConfiguration(
  text: string,
  config: Config,
  issuer: string | undefined,
  audience: string | undefined,
  now: Date,
): Promise<TokenVerdict> {
  const configs: IssuerConfig[] = [...config.issuers];
  if (config.development && existsSync(join(config.data, 'dev-issuer.jwk')))
    configs.push((await openDevelopmentIssuer(config.data)).config);
  const issuers = new Issuers(configs.filter((c) => issuer === undefined || c.issuer === issuer));
  // A client with an audience of its own takes what the issuer's own name would refuse.
  const clients = config.clients.flatMap((c) => c.audience ?? []);
  const audiences = unverifiedAudiences(text);
  const signer = issuers.find(unverifiedClaims(text).iss);
  const signed = signer !== undefined && (await succeeds(() => verifySignature(text, signer)));
  return verifyClaims(
    text,
    signed ? 'valid' : 'invalid',
    issuers,
    audience ?? clients.find((c) => audiences.includes(c)),
    now,
  );
}

async function verifyClaims(
  text: string,
  signature: TokenVerdict['signature'],
  issuers: Issuers,
  audience: string | undefined,
  now: Date,
): Promise<TokenVerdict> {
  try {
    const verification = await new TokenVerifier(issuers).verify(text, audience, now);
    if (!verification.ok) return { signature, valid: false, reasons: [verification.reason] };
    if (verification.token.mode === 'unknown')
      return { signature, valid: false, reasons: [{ code: 'token_actor_invalid', message: 'It names no agent.' }] };
    return { signature, valid: true, reasons: [] };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { signature, valid: false, reasons: [{ code: error.code, message: FAULTS[error.code] }] };
  }
}

/**
 * The JWS alone, whatever its payload. A file of keys may hold shared secrets, which Remit never accepts from an
 * issuer: that such a signature holds is said here, and that the token isn't valid beside it.
 */
async function hasValidSignature(text: string, jwks: JSONWebKeySet): Promise<boolean> {
  return succeeds(async () => {
    const { alg, kid } = parseJwsHeader(text);
    if (!alg.startsWith('HS')) {
      await verifySignature(text, {
        issuer: 'the file',
        keys: createLocalKeys(jwks),
        algorithms: SIGNATURE_ALGORITHMS,
      });
      return;
    }
    const isUsable = (key: JWK): boolean =>
      key.kty === 'oct' &&
      (kid === undefined || key.kid === kid) &&
      (key.alg === undefined || key.alg === alg) &&
      (key.use === undefined || key.use === 'sig') &&
      (key.key_ops === undefined || (Array.isArray(key.key_ops) && key.key_ops.includes('verify')));
    for (const jwk of jwks.keys.filter(isUsable)) {
      const signed = await succeeds(async () => {
        const secret = await importJWK(jwk, alg);
        // RFC 7518 section 3.2: no shorter than the hash.
        if (!(secret instanceof Uint8Array) || secret.length < Number(alg.slice(2)) / 8)
          throw new TypeError('too short');
        await compactVerify(text, secret, { algorithms: [alg] });
      });
      if (signed) return;
    }
    throw new TokenRejectedError({ code: 'token_signature_invalid', step: 'token', message: '' });
  });
}

/** Whether it does what it says: what jose or a strict reader throws means that it doesn't. */
async function succeeds(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}

/** Unverified: to be found by what they say, as a service would. */
function unverifiedClaims(text: string): { iss: string; aud: string } {
  try {
    const { iss, aud } = parseToken(text).payload;
    const first: unknown = Array.isArray(aud) ? aud[0] : aud;
    return { iss: typeof iss === 'string' ? iss : '', aud: typeof first === 'string' ? first : '' };
  } catch {
    return { iss: '', aud: '' };
  }
}

function unverifiedAudiences(text: string): unknown[] {
  try {
    return [parseToken(text).payload['aud']].flat();
  } catch {
    return [];
  }
}

/** A JWKS, or one key. Keys that can't be used are passed over, private halves dropped. @throws ConfigError */
function readJwks(file: string): JSONWebKeySet {
  let value: unknown;
  try {
    value = parseStrictJson(readTextFile(file));
  } catch (error) {
    if (error instanceof StrictJsonError) throw new ConfigError(`${error.path} ${error.message}`.trim(), file);
    throw error;
  }
  const isKeyObject = (candidate: unknown): candidate is JWK & Record<string, unknown> =>
    typeof candidate === 'object' && candidate !== null && !Array.isArray(candidate);
  if (!isKeyObject(value)) throw new ConfigError('is not a JSON Web Key Set', file);
  const keys: unknown = value['keys'] ?? (value.kty === undefined ? undefined : [value]);
  if (!Array.isArray(keys)) throw new ConfigError('is not a JSON Web Key Set: it has no "keys"', file);
  return {
    keys: keys
      .filter(isKeyObject)
      .map(({ d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, oth: _oth, key_ops, ...open }) => ({
        ...(open as JWK),
        // What a private half may do says nothing of its public one.
        ...(d === undefined && key_ops !== undefined ? { key_ops } : {}),
      })),
  };
}

function verdictText({ signature, valid, reasons }: TokenVerdict): string {
  const why = reasons.map(({ code, message }) => `  ${code}: ${escapeForTerminal(message)}\n`).join('');
  // Without its issuer there is nobody to have signed it.
  const unchecked = signature === 'invalid' && reasons.some(({ code }) => code === 'token_issuer_unknown');
  const signatureText = unchecked ? 'The signature could not be checked.' : `The signature is ${signature}.`;
  return `${signatureText} The token is ${valid ? 'valid' : 'not valid'}.\n${why}`;
}
