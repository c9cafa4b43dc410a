/** The claims of a token in their standard form (RFC 9068, 8693, 9396, 7800), typed and bounded. */
import { z } from 'zod';
import { findIdProblem } from '../model/ids.js';
import { describeSchemaError, rejectToken } from './jws.js';

const idSchema = z.string().superRefine((value, ctx) => {
  const problem = findIdProblem(value);
  if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem });
});
/** Whatever is named in a token must be possible to name in a revocation. */
const textSchema = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters');
/** Seconds since the epoch: NumericDate, up to the year 9999. */
const numericDateSchema = z.number().min(0).max(253_402_300_799);
const recordSchema = z.record(z.string(), z.unknown());
/** SHA-256 in base64url. */
const thumbprintSchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be a SHA-256 thumbprint in base64url');

const textListSchema = z.array(textSchema).max(100);
const detailSchema = z.looseObject({
  type: textSchema,
  actions: textListSchema.optional(),
  locations: textListSchema.optional(),
  datatypes: textListSchema.optional(),
  privileges: textListSchema.optional(),
  identifier: textSchema.optional(),
  resources: textListSchema.optional(),
  constraints: recordSchema.optional(),
  purpose: textSchema.optional(),
  access: z.enum(['online', 'background']).optional(),
});

const claimsSchema = z.looseObject({
  iss: textSchema,
  sub: idSchema,
  aud: z.union([textSchema, z.array(textSchema).min(1).max(32)], {
    error: ({ input }) => (input === undefined ? 'is required' : 'must be a text, or a list of texts'),
  }),
  exp: numericDateSchema,
  nbf: numericDateSchema.optional(),
  iat: numericDateSchema.optional(),
  jti: textSchema.optional(),
  client_id: textSchema.optional(),
  scope: z.string().max(4096).optional(),
  authorization_details: z.array(detailSchema).max(32).optional(),
  act: recordSchema.optional(),
  /** What kind of party `sub` is (OAuth entity profiles). */
  sub_profile: textSchema.optional(),
  /** And of what kind the client is. */
  client_profile: textSchema.optional(),
  sid: textSchema.optional(),
  txn: textSchema.optional(),
  /** Of a transaction token: what the transaction is about, and who asked for it from where. */
  tctx: recordSchema.optional(),
  rctx: recordSchema.optional(),
  purpose: textSchema.optional(),
  /** Ours: whether the user is there, or has let the agent work on its own. */
  access: z.enum(['online', 'background']).optional(),
  cnf: z.looseObject({ jkt: thumbprintSchema.optional(), 'x5t#S256': thumbprintSchema.optional() }).optional(),
});

export type TokenClaims = z.infer<typeof claimsSchema>;

/** @throws TokenRefused `token_claims_invalid` naming the claim */
export function parseClaims(payload: Readonly<Record<string, unknown>>): TokenClaims {
  const parsed = claimsSchema.safeParse(payload);
  if (!parsed.success) return rejectToken('token_claims_invalid', `The claim ${describeSchemaError(parsed.error)}.`);
  return parsed.data;
}
