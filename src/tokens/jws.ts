/**
 * Parses a token's text before anything in it is trusted. It allows one spelling (strict base64url) and one reading
 * (strict JSON), so that no two readers take a token for different things. jose checks signatures.
 */
import { z } from 'zod';
import { rephraseIssue, StrictJsonError, parseStrictJson, formatJsonPath } from '../runtime/strict-json.js';
import { reason, type Reason, type ReasonCodeOf } from '../model/reasons.js';

/** The longest token that is accepted, unless its issuer is configured to sign longer ones. */
export const MAX_TOKEN_BYTES = 8 * 1024;

/** A token is rejected. It carries the reason that the token step answers. */
export class TokenRejectedError extends Error {
  override readonly name = 'TokenRejectedError';
  constructor(readonly reason: Reason) {
    super(reason.message);
  }
}

/** @throws TokenRejectedError with the reason of that code */
export function rejectToken(code: ReasonCodeOf<'token'>, detail?: string, notBefore?: string): never {
  throw new TokenRejectedError({
    ...reason('token', code, detail),
    ...(notBefore === undefined ? {} : { not_before: notBefore }),
  });
}

const headerSchema = z.looseObject({
  alg: z.string().min(1).max(32),
  typ: z.string().max(64).optional(),
  kid: z.string().max(1024).optional(),
});

/** The header. Only `alg`, `typ` and `kid` are used: `jku`, `jwk`, `x5u` and `x5c` would let a token bring its own key. */
export type JwsHeader = z.infer<typeof headerSchema>;

export interface UnverifiedToken {
  readonly header: JwsHeader;
  /** The payload, neither verified nor checked for its claims. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Parses a compact JWS whose payload is a JSON object. @throws TokenRejectedError `token_malformed` */
export function parseToken(token: string, maxBytes = MAX_TOKEN_BYTES): UnverifiedToken {
  const [head, body] = splitCompactJws(token, { longest: maxBytes });
  return { header: parseHeader(head), payload: decodeJsonObject(body, 'payload') };
}

/** Parses the header of a compact JWS with any payload, or none. @throws TokenRejectedError `token_malformed` */
export function parseJwsHeader(token: string): JwsHeader {
  return parseHeader(splitCompactJws(token, { longest: 1024 * 1024, empty: true })[0]);
}

/** @throws TokenRejectedError `token_malformed` */
export function requireTokenLength(token: string, maxBytes: number): void {
  if (token.length > maxBytes) rejectToken('token_malformed', `The token is longer than ${maxBytes} bytes.`);
}

function splitCompactJws(
  token: string,
  { longest: maxBytes = MAX_TOKEN_BYTES, empty: allowEmptyPayload = false } = {},
): [Buffer, Buffer] {
  requireTokenLength(token, maxBytes);
  if (/^(Bearer|DPoP) /i.test(token))
    rejectToken('token_malformed', 'The token begins with its scheme (Bearer or DPoP); send the token alone.');
  if (token.startsWith('{'))
    rejectToken('token_malformed', 'The JSON serialization is not accepted, only the compact one.');
  const parts = token.split('.');
  if (parts.length === 5) rejectToken('token_malformed', 'The token is encrypted (JWE); a signed one (JWS) is needed.');
  if (parts.length !== 3) rejectToken('token_malformed', 'The token is not a compact JWS of three parts.');
  const [head, body] = parts.map((part, i) => {
    const bytes = Buffer.from(part, 'base64url');
    // Node skips characters that aren't base64url and ignores trailing bits: two texts must not be one token.
    if ((part === '' && !(allowEmptyPayload && i === 1)) || bytes.toString('base64url') !== part)
      rejectToken('token_malformed', 'The token is not base64url throughout.');
    return bytes;
  });
  return [head as Buffer, body as Buffer];
}

function parseHeader(bytes: Buffer): JwsHeader {
  const members = decodeJsonObject(bytes, 'header');
  for (const member of ['crit', 'b64', 'zip']) {
    if (Object.hasOwn(members, member))
      rejectToken('token_malformed', `The header member "${member}" is not accepted.`);
  }
  const parsed = headerSchema.safeParse(members);
  if (!parsed.success) return rejectToken('token_malformed', `The header's ${describeSchemaError(parsed.error)}.`);
  return parsed.data;
}

function decodeJsonObject(bytes: Buffer, partName: string): Record<string, unknown> {
  try {
    const value = parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (error instanceof StrictJsonError && error.path !== '') {
      rejectToken('token_malformed', `In the token's ${partName}, "${error.path}" ${error.message}.`);
    }
  }
  return rejectToken('token_malformed', `The token's ${partName} is not a JSON object.`);
}

/** Describes the first problem with its place: `"act.sub" is not acceptable: is required`. */
export function describeSchemaError(error: z.ZodError): string {
  const issue = error.issues[0];
  return `"${formatJsonPath(issue?.path ?? [])}" is not acceptable: ${issue === undefined ? 'it does not fit' : rephraseIssue(issue)}`;
}
