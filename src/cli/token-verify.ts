/** `remit token verify`: whether a JWS is signed by given keys, and whether the token would be accepted. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { JSONWebKeySet } from 'jose';
import { loadConfig, type Config } from '../config/config.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { Fault, FAULTS } from '../model/faults.js';
import { openDevelopmentIssuer } from '../issue/development-issuer.js';
import { SIGNATURE_ALGORITHMS } from '../tokens/algorithms.js';
import { Issuers, type IssuerConfig } from '../tokens/issuers.js';
import { parseToken } from '../tokens/jws.js';
import { MAX_CONFIGURED_TOKEN_BYTES } from '../tokens/reading-rules.js';
import { verifySignature } from '../tokens/signature.js';
import { TokenVerifier } from '../tokens/verify.js';
import { defineCommand } from './command/define-command.js';
import { isSignedBy, readJwksFile, succeeds } from './jwks-file.js';
import { CONFIG_OPTION, readTokenOrStdin } from './command/option-values.js';
import { escapeForTerminal, printJsonLine } from './print/terminal.js';

/** The object of `--json`. */
interface TokenVerdict {
  readonly signature: 'valid' | 'invalid';
  readonly valid: boolean;
  readonly reasons: readonly { readonly code: string; readonly message: string }[];
}

/** The claims that the token must have, by the command line; undefined where any is accepted. */
interface ExpectedClaims {
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
}

export const tokenVerifyCommand = defineCommand({
  name: 'token verify',
  description: `
    Prints whether the signature is valid and whether the token would be accepted: by the configured issuers, or, with
    --jwks, by the keys of a file. The keys of a file verify a token of any issuer and for any audience, unless --issuer
    and --audience say otherwise.

    Not verified is what only the running service knows: revocations, proofs of possession, and whether the client is an
    agent.`,
  positionals: [{ name: 'TOKEN', description: 'one token; "-" reads it from standard input', allowsEmpty: true }],
  options: {
    jwks: { value: 'FILE', description: 'a JSON Web Key Set, or one key' },
    issuer: { value: 'NAME', description: 'the issuer that the token must name (iss)' },
    audience: { value: 'NAME', description: 'the audience that the token must name (aud)' },
    config: CONFIG_OPTION,
    json: {
      description:
        'prints {"signature": "valid" or "invalid", "valid", "reasons": […]}, where "signature" is about the JWS alone, whatever its payload',
    },
  },
  exitCodes: { 0: 'the signature and the token are valid', 1: 'one of them is not' },
  examples: ['remit token verify -- "$TOKEN"', 'remit token verify --jwks keys.json --audience hr-api -- "$TOKEN"'],
  run: async ({ positionals: [argument], options }) => {
    const text = await readTokenOrStdin(argument);
    const now = new Date();
    const verdict =
      options.jwks === undefined
        ? await verifyAgainstConfiguration(text, loadConfig(options.config), options, now)
        : await verifyAgainstKeys(text, readJwksFile(options.jwks), options, now);
    if (options.json) printJsonLine(verdict);
    else process.stdout.write(verdictText(verdict));
    return verdict.signature === 'valid' && verdict.valid ? 0 : 1;
  },
});

/** Verifies by the keys alone: the token's own issuer and audience count where none are expected. */
async function verifyAgainstKeys(
  text: string,
  jwks: JSONWebKeySet,
  expected: ExpectedClaims,
  now: Date,
): Promise<TokenVerdict> {
  const claims = unverifiedClaims(text);
  const [firstAudience] = claims.audiences;
  const audience = expected.audience ?? (typeof firstAudience === 'string' ? firstAudience : '');
  const issuer: IssuerConfig = {
    issuer: expected.issuer ?? claims.issuer,
    jwks,
    audience,
    primary: true,
    shapes: ['act', 'agent'],
    algorithms: SIGNATURE_ALGORITHMS,
  };
  return verifyClaims(text, await isSignedBy(text, jwks), new Issuers([issuer]), audience, now);
}

async function verifyAgainstConfiguration(
  text: string,
  config: Config,
  expected: ExpectedClaims,
  now: Date,
): Promise<TokenVerdict> {
  const configured: IssuerConfig[] = [...config.issuers];
  if (config.development && existsSync(join(config.data, 'dev-issuer.jwk')))
    configured.push((await openDevelopmentIssuer(config.data)).config);
  const issuers = new Issuers(configured.flatMap((config) => limitToIssuer(config, expected.issuer)));
  const claims = unverifiedClaims(text);
  const signer = issuers.find(claims.issuer);
  const signed = signer !== undefined && (await succeeds(() => verifySignature(text, signer)));
  // A client with an audience of its own accepts what the issuer's audience alone would refuse.
  const clientAudiences = config.clients.flatMap((client) => client.audience ?? []);
  const audience = expected.audience ?? clientAudiences.find((name) => claims.audiences.includes(name));
  return verifyClaims(text, signed, issuers, audience, now);
}

/** The configuration as far as it is of the issuer that is expected: one of many tenants is left with that one. */
function limitToIssuer(config: IssuerConfig, expected: string | undefined): IssuerConfig[] {
  if (expected === undefined) return [config];
  const issuer = new Issuers([config]).find(expected);
  if (issuer === undefined) return [];
  return [issuer.tenant === undefined ? config : { ...config, tenants: [issuer.tenant] }];
}

async function verifyClaims(
  text: string,
  signed: boolean,
  issuers: Issuers,
  audience: string | undefined,
  now: Date,
): Promise<TokenVerdict> {
  const signature = signed ? 'valid' : 'invalid';
  try {
    const verification = await new TokenVerifier(issuers).verify(text, audience, now);
    if (!verification.ok) return { signature, valid: false, reasons: [verification.reason] };
    if (verification.token.mode === 'unknown')
      return {
        signature,
        valid: false,
        reasons: [{ code: 'token_actor_invalid', message: describeMissingAgent(verification.token) }],
      };
    return { signature, valid: true, reasons: [] };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { signature, valid: false, reasons: [{ code: error.code, message: FAULTS[error.code] }] };
  }
}

/** A token that no question can be asked by may be one that a client logs in with. */
function describeMissingAgent({ clientId, soleSubject }: DelegationToken): string {
  if (clientId === undefined || soleSubject === undefined) return 'It names no agent.';
  return `It names no agent, so nothing can be asked by it. It is of client "${clientId}" alone (sub "${soleSubject}"): that one may log in with it where clients[].token says so.`;
}

/** The token's own issuer and audiences, by which its keys are found; empty where it can't be read. */
function unverifiedClaims(text: string): { issuer: string; audiences: readonly unknown[] } {
  try {
    const { iss, aud } = parseToken(text, MAX_CONFIGURED_TOKEN_BYTES).payload;
    return { issuer: typeof iss === 'string' ? iss : '', audiences: Array.isArray(aud) ? (aud as unknown[]) : [aud] };
  } catch {
    return { issuer: '', audiences: [] };
  }
}

function verdictText({ signature, valid, reasons }: TokenVerdict): string {
  const reasonLines = reasons.map(({ code, message }) => `  ${code}: ${escapeForTerminal(message)}\n`).join('');
  // The keys of an unknown issuer are unknown as well.
  const unchecked = signature === 'invalid' && reasons.some(({ code }) => code === 'token_issuer_unknown');
  const signatureText = unchecked ? 'The signature could not be checked.' : `The signature is ${signature}.`;
  return `${signatureText} The token is ${valid ? 'valid' : 'not valid'}.\n${reasonLines}`;
}
