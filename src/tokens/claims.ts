/** The claims of a token in their standard form (RFC 9068, 8693, 9396, 7800), typed and bounded. */
import { z } from 'zod';
import { idProblem } from '../model/ids.js';
import { placed, refuse } from './jws.js';

const id = z.string().superRefine((value, ctx) => {
  const problem = idProblem(value);
  if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem });
});
/** Whatever is named in a token must be possible to name in a revocation. */
const text = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters');
/** Seconds since the epoch: NumericDate, up to the year 9999. */
const seconds = z.number().min(0).max(253_402_300_799);
const record = z.record(z.string(), z.unknown());
/** SHA-256 in base64url. */
const thumbprint = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be a SHA-256 thumbprint in base64url');

const strings = z.array(text).max(100);
const detail = z.looseObject({
  type: text,
  actions: strings.optional(),
  locations: strings.optional(),
  datatypes: strings.optional(),
  privileges: strings.optional(),
  identifier: text.optional(),
  resources: strings.optional(),
  constraints: record.optional(),
  purpose: text.optional(),
  access: z.enum(['online', 'background']).optional(),
});

const claims = z.looseObject({
  iss: text,
  sub: id,
  aud: z.union([text, z.array(text).min(1).max(32)], {
    error: ({ input }) => (input === undefined ? 'is required' : 'must be a text, or a list of texts'),
  }),
  exp: seconds,
  nbf: seconds.optional(),
  iat: seconds.optional(),
  jti: text.optional(),
  client_id: text.optional(),
  scope: z.string().max(4096).optional(),
  authorization_details: z.array(detail).max(32).optional(),
  act: record.optional(),
  /** What kind of party `sub` is (OAuth entity profiles). */
  sub_profile: text.optional(),
  /** And of what kind the client is. */
  client_profile: text.optional(),
  sid: text.optional(),
  txn: text.optional(),
  /** Of a transaction token: what the transaction is about, and who asked for it from where. */
  tctx: record.optional(),
  rctx: record.optional(),
  purpose: text.optional(),
  /** Ours: whether the user is there, or has let the agent work on its own. */
  access: z.enum(['online', 'background']).optional(),
  cnf: z.looseObject({ jkt: thumbprint.optional(), 'x5t#S256': thumbprint.optional() }).optional(),
});

export type Claims = z.infer<typeof claims>;

/** @throws TokenRefused `token_claims_invalid` naming the claim */
export function readClaims(payload: Readonly<Record<string, unknown>>): Claims {
  const read = claims.safeParse(payload);
  if (!read.success) return refuse('token_claims_invalid', `The claim ${placed(read.error)}.`);
  return read.data;
}
