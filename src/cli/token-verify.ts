/** `remit token verify`: whether a JWS is signed by given keys, and whether the token would be accepted. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compactVerify, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { loadConfig, type Config } from '../config/config.js';
import { readText } from '../config/files.js';
import { ConfigError, Fault, FAULTS } from '../model/faults.js';
import { JsonProblem, parseJson } from '../runtime/strict-json.js';
import { openDevIssuer } from '../issue/development-issuer.js';
import { ALGORITHMS, Issuers, type IssuerConfig } from '../tokens/issuers.js';
import { localKeys } from '../tokens/keys.js';
import { readJws, readToken, TokenRefused } from '../tokens/jws.js';
import { verifySignature } from '../tokens/signature.js';
import { TokenVerifier } from '../tokens/verify.js';
import { printable, readOptions, tokenArgument } from './command.js';

interface Verdict {
  readonly signature: 'valid' | 'invalid';
  readonly valid: boolean;
  readonly reasons: readonly { readonly code: string; readonly message: string }[];
}

export async function verify(args: readonly string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    jwks: { type: 'string' },
    issuer: { type: 'string' },
    audience: { type: 'string' },
    config: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  const text = await tokenArgument(positionals, 'verify');
  const now = new Date();
  const verdict =
    values.jwks === undefined
      ? await againstConfiguration(text, loadConfig(values.config), values.issuer, values.audience, now)
      : await againstKeys(text, readKeys(values.jwks), values.issuer, values.audience, now);
  process.stdout.write(values.json ? `${JSON.stringify(verdict)}\n` : story(verdict));
  return verdict.signature === 'valid' && verdict.valid ? 0 : 1;
}

/** Whoever issued it and whomever it is for, unless the command line says so. */
async function againstKeys(
  text: string,
  jwks: JSONWebKeySet,
  issuer: string | undefined,
  audience: string | undefined,
  now: Date,
): Promise<Verdict> {
  const signature = (await isSigned(text, jwks)) ? 'valid' : 'invalid';
  const said = claimsOf(text);
  const iss = issuer ?? said.iss;
  const issuers = new Issuers([
    {
      issuer: iss,
      jwks,
      audience: audience ?? said.aud,
      primary: true,
      shapes: ['act', 'agent'],
      algorithms: ALGORITHMS,
    },
  ]);
  return conclude(text, signature, issuers, audience ?? said.aud, now);
}

async function againstConfiguration(
  text: string,
  config: Config,
  issuer: string | undefined,
  audience: string | undefined,
  now: Date,
): Promise<Verdict> {
  const configs: IssuerConfig[] = [...config.issuers];
  if (config.development && existsSync(join(config.data, 'dev-issuer.jwk')))
    configs.push((await openDevIssuer(config.data)).config);
  const issuers = new Issuers(configs.filter((c) => issuer === undefined || c.issuer === issuer));
  // A client with an audience of its own takes what the issuer's own name would refuse.
  const clients = config.clients.flatMap((c) => c.audience ?? []);
  const said = audiencesOf(text);
  const by = issuers.find(claimsOf(text).iss);
  const signed = by !== undefined && (await holds(() => verifySignature(text, by)));
  return conclude(text, signed ? 'valid' : 'invalid', issuers, audience ?? clients.find((c) => said.includes(c)), now);
}

async function conclude(
  text: string,
  signature: Verdict['signature'],
  issuers: Issuers,
  audience: string | undefined,
  now: Date,
): Promise<Verdict> {
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
async function isSigned(text: string, jwks: JSONWebKeySet): Promise<boolean> {
  return holds(async () => {
    const { alg, kid } = readJws(text);
    if (!alg.startsWith('HS')) {
      await verifySignature(text, { issuer: 'the file', keys: localKeys(jwks), algorithms: ALGORITHMS });
      return;
    }
    const fits = (key: JWK): boolean =>
      key.kty === 'oct' &&
      (kid === undefined || key.kid === kid) &&
      (key.alg === undefined || key.alg === alg) &&
      (key.use === undefined || key.use === 'sig') &&
      (key.key_ops === undefined || (Array.isArray(key.key_ops) && key.key_ops.includes('verify')));
    for (const jwk of jwks.keys.filter(fits)) {
      const signed = await holds(async () => {
        const secret = await importJWK(jwk, alg);
        // RFC 7518 section 3.2: no shorter than the hash.
        if (!(secret instanceof Uint8Array) || secret.length < Number(alg.slice(2)) / 8)
          throw new TypeError('too short');
        await compactVerify(text, secret, { algorithms: [alg] });
      });
      if (signed) return;
    }
    throw new TokenRefused({ code: 'token_signature_invalid', step: 'token', message: '' });
  });
}

/** Whether it does what it says: what jose or a strict reader throws means that it doesn't. */
async function holds(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}

/** Unverified: to be found by what they say, as a service would. */
function claimsOf(text: string): { iss: string; aud: string } {
  try {
    const { iss, aud } = readToken(text).payload;
    const first: unknown = Array.isArray(aud) ? aud[0] : aud;
    return { iss: typeof iss === 'string' ? iss : '', aud: typeof first === 'string' ? first : '' };
  } catch {
    return { iss: '', aud: '' };
  }
}

function audiencesOf(text: string): unknown[] {
  try {
    return [readToken(text).payload['aud']].flat();
  } catch {
    return [];
  }
}

/** A JWKS, or one key. Keys that can't be used are passed over, private halves dropped. @throws ConfigError */
function readKeys(file: string): JSONWebKeySet {
  let value: unknown;
  try {
    value = parseJson(readText(file));
  } catch (error) {
    if (error instanceof JsonProblem) throw new ConfigError(`${error.at} ${error.message}`.trim(), file);
    throw error;
  }
  const object = (one: unknown): one is JWK & Record<string, unknown> =>
    typeof one === 'object' && one !== null && !Array.isArray(one);
  if (!object(value)) throw new ConfigError('is not a JSON Web Key Set', file);
  const keys: unknown = value['keys'] ?? (value.kty === undefined ? undefined : [value]);
  if (!Array.isArray(keys)) throw new ConfigError('is not a JSON Web Key Set: it has no "keys"', file);
  return {
    keys: keys.filter(object).map(({ d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, oth: _oth, key_ops, ...open }) => ({
      ...(open as JWK),
      // What a private half may do says nothing of its public one.
      ...(d === undefined && key_ops !== undefined ? { key_ops } : {}),
    })),
  };
}

function story({ signature, valid, reasons }: Verdict): string {
  const why = reasons.map(({ code, message }) => `  ${code}: ${printable(message)}\n`).join('');
  // Without its issuer there is nobody to have signed it.
  const unchecked = signature === 'invalid' && reasons.some(({ code }) => code === 'token_issuer_unknown');
  const said = unchecked ? 'The signature could not be checked.' : `The signature is ${signature}.`;
  return `${said} The token is ${valid ? 'valid' : 'not valid'}.\n${why}`;
}
