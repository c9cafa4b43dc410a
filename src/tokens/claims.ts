/**
 * A token's text, read before anything is believed: strict base64url, strict JSON, claims of the right types.
 * jose checks signatures; that a claim is there, once, and what it should be, is held here.
 */
import { z } from 'zod';
import { idProblem } from '../model/ids.js';
import { JsonProblem, parseJson, pathText } from '../model/json.js';
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

const id = z.string().superRefine((value, ctx) => {
  const problem = idProblem(value);
  if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem });
});
const text = z.string().min(1).max(1024);
/** Seconds since the epoch: NumericDate, up to the year 9999. */
const seconds = z.number().min(0).max(253_402_300_799);

const header = z.object({
  alg: z.string().min(1).max(32),
  typ: z.string().max(64).optional(),
  kid: z.string().max(1024).optional(),
});

const strings = z.array(text).max(100);
const detail = z.looseObject({
  type: text,
  actions: strings.optional(),
  locations: strings.optional(),
  datatypes: strings.optional(),
  privileges: strings.optional(),
  identifier: text.optional(),
  resources: strings.optional(),
});

const claims = z.looseObject({
  iss: text,
  sub: id,
  aud: z.union([text, z.array(text).min(1).max(32)]),
  exp: seconds,
  nbf: seconds.optional(),
  iat: seconds.optional(),
  jti: text.optional(),
  client_id: text.optional(),
  scope: z.string().max(4096).optional(),
  authorization_details: z.array(detail).max(32).optional(),
  act: z.record(z.string(), z.unknown()).optional(),
});

export type Header = z.infer<typeof header>;
export type Claims = z.infer<typeof claims>;

export interface ReadToken {
  readonly header: Header;
  /** Unverified, and of no known shape yet: only `iss` may be looked at, to find the keys. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** The parts of a compact JWS. @throws TokenRefused `token_malformed` or `token_type_invalid` */
export function readToken(token: string): ReadToken {
  if (token.length > MAX_TOKEN_BYTES) refuse('token_malformed', `The token is longer than ${MAX_TOKEN_BYTES} bytes.`);
  const parts = token.split('.');
  if (parts.length !== 3) refuse('token_malformed', 'The token is not a compact JWS of three parts.');
  const [head, body] = parts.map((part) => {
    const bytes = Buffer.from(part, 'base64url');
    // Node skips what isn't base64url and ignores trailing bits: two texts must not be one token.
    if (part === '' || bytes.toString('base64url') !== part)
      refuse('token_malformed', 'The token is not base64url throughout.');
    return bytes;
  });
  const protectedHeader = object(head, 'header');
  for (const member of ['crit', 'b64', 'zip']) {
    if (Object.hasOwn(protectedHeader, member))
      refuse('token_malformed', `The header member "${member}" is not accepted.`);
  }
  const read = header.safeParse(protectedHeader);
  if (!read.success) refuse('token_malformed', `The header's ${issue(read.error)}.`);
  const typ = read.data.typ?.toLowerCase();
  if (typ !== 'at+jwt' && typ !== 'application/at+jwt') refuse('token_type_invalid');
  return { header: read.data, payload: object(body, 'payload') };
}

/** @throws TokenRefused `token_claims_invalid` naming the claim */
export function readClaims(payload: Readonly<Record<string, unknown>>): Claims {
  const read = claims.safeParse(payload);
  if (!read.success) refuse('token_claims_invalid', `The claim ${issue(read.error)}.`);
  return read.data;
}

function object(bytes: Buffer | undefined, what: string): Record<string, unknown> {
  try {
    const value = parseJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (error instanceof JsonProblem && error.at !== '') {
      refuse('token_malformed', `In the token's ${what}, "${error.at}" ${error.message}.`);
    }
  }
  refuse('token_malformed', `The token's ${what} is not a JSON object.`);
}

function issue(error: z.ZodError): string {
  const first = error.issues[0];
  return `"${pathText(first?.path ?? [])}" is not acceptable: ${first?.message ?? 'invalid'}`;
}
