/**
 * A token's text, read before anything is believed: one spelling (strict base64url), one reading (strict JSON).
 * jose checks signatures; that there is only one thing that a text can mean is held here.
 */
import { z } from 'zod';
import { issueText, JsonProblem, parseJson, pathText } from '../runtime/strict-json.js';
import { reason, type Reason } from '../model/reasons.js';

export const MAX_TOKEN_BYTES = 8 * 1024;

/** Refuses a token; carries the reason that the token step gives. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
  constructor(readonly reason: Reason) {
    super(reason.message);
  }
}

export function refuse(code: Parameters<typeof reason>[0], detail?: string): never {
  throw new TokenRefused(reason(code, detail));
}

const header = z.looseObject({
  alg: z.string().min(1).max(32),
  typ: z.string().max(64).optional(),
  kid: z.string().max(1024).optional(),
});

/** Only `alg`, `typ` and `kid` are ever looked at: `jku`, `jwk`, `x5u` and `x5c` would let a token bring its own key. */
export type Header = z.infer<typeof header>;

export interface ReadToken {
  readonly header: Header;
  /** Unverified, and of no known shape yet. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** The parts of a compact JWS. @throws TokenRefused `token_malformed` */
export function readToken(token: string): ReadToken {
  const [head, body] = readParts(token);
  return { header: readHeader(head), payload: object(body, 'payload') };
}

/** The header of a compact JWS whose payload may be anything, nothing included. @throws TokenRefused `token_malformed` */
export function readJws(token: string): Header {
  return readHeader(readParts(token, { longest: 1024 * 1024, empty: true })[0]);
}

function readParts(token: string, { longest = MAX_TOKEN_BYTES, empty = false } = {}): [Buffer, Buffer] {
  if (token.length > longest) refuse('token_malformed', `The token is longer than ${longest} bytes.`);
  if (/^(Bearer|DPoP) /i.test(token))
    refuse('token_malformed', 'The token begins with its scheme; the token alone is wanted.');
  if (token.startsWith('{')) refuse('token_malformed', 'The JSON serialization is not accepted, only the compact one.');
  const parts = token.split('.');
  if (parts.length === 5) refuse('token_malformed', 'The token is encrypted (JWE); a signed one (JWS) is needed.');
  if (parts.length !== 3) refuse('token_malformed', 'The token is not a compact JWS of three parts.');
  const [head, body] = parts.map((part, i) => {
    const bytes = Buffer.from(part, 'base64url');
    // Node skips what isn't base64url and ignores trailing bits: two texts must not be one token.
    if ((part === '' && !(empty && i === 1)) || bytes.toString('base64url') !== part)
      refuse('token_malformed', 'The token is not base64url throughout.');
    return bytes;
  });
  return [head as Buffer, body as Buffer];
}

function readHeader(bytes: Buffer): Header {
  const members = object(bytes, 'header');
  for (const member of ['crit', 'b64', 'zip']) {
    if (Object.hasOwn(members, member)) refuse('token_malformed', `The header member "${member}" is not accepted.`);
  }
  const read = header.safeParse(members);
  if (!read.success) return refuse('token_malformed', `The header's ${placed(read.error)}.`);
  return read.data;
}

function object(bytes: Buffer, what: string): Record<string, unknown> {
  try {
    const value = parseJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (error instanceof JsonProblem && error.at !== '') {
      refuse('token_malformed', `In the token's ${what}, "${error.at}" ${error.message}.`);
    }
  }
  return refuse('token_malformed', `The token's ${what} is not a JSON object.`);
}

/** `"act.sub" is not acceptable: is required`: the first thing that doesn't fit, with its place. */
export function placed(error: z.ZodError): string {
  const first = error.issues[0];
  return `"${pathText(first?.path ?? [])}" is not acceptable: ${first === undefined ? 'invalid' : issueText(first)}`;
}
