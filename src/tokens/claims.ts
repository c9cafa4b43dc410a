/** The claims of a token in their standard form (RFC 9068, 8693, 9396, 7800), parsed once, with a type and a bound each. */
import { z } from 'zod';
import { findIdProblem } from '../model/ids.js';
import { describeSchemaError, rejectToken } from './jws.js';
import { DEFAULT_MAX_AUDIENCES, MAX_CONFIGURED_AUDIENCES } from './reading-rules.js';

const idSchema = z.string().superRefine((value, ctx) => {
  const problem = findIdProblem(value);
  if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem });
});
/** A text that a revocation can name too: no control characters. */
const textSchema = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters');
/** NumericDate: seconds since the epoch, up to the year 9999. */
const numericDateSchema = z.number().min(0).max(253_402_300_799);
const recordSchema = z.record(z.string(), z.unknown());
/** SHA-256 in base64url. */
const thumbprintSchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be a SHA-256 thumbprint in base64url');

const textListSchema = z.array(textSchema).max(100);
/** Other members make it one that isn't understood. */
const heldResourcesSchema = z.looseObject({ type: textSchema, permission: textSchema });
const resourcesSchema = z.union(
  [heldResourcesSchema, z.array(z.union([textSchema, heldResourcesSchema])).max(100)],
  'must be a list of resources, each a text such as "document:plan" or {"type", "permission"}',
);
export const detailSchema = z.looseObject({
  type: textSchema,
  actions: textListSchema.optional(),
  locations: textListSchema.optional(),
  datatypes: textListSchema.optional(),
  privileges: textListSchema.optional(),
  identifier: textSchema.optional(),
  resources: resourcesSchema.optional(),
  constraints: recordSchema.optional(),
  purpose: textSchema.optional(),
  access: z.enum(['online', 'background']).optional(),
});

const claimsSchema = z.looseObject({
  iss: textSchema,
  sub: idSchema,
  aud: z.union([textSchema, z.array(textSchema).min(1).max(MAX_CONFIGURED_AUDIENCES)], {
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
  /** The kind of party that `sub` is (OAuth entity profiles). */
  sub_profile: textSchema.optional(),
  /** The kind of party that the client is. */
  client_profile: textSchema.optional(),
  sid: textSchema.optional(),
  /** The time at which the user signed in (OpenID Connect, RFC 9470). */
  auth_time: numericDateSchema.optional(),
  txn: textSchema.optional(),
  /** The context of a transaction token: `tctx` describes the transaction, `rctx` the requester. */
  tctx: recordSchema.optional(),
  rctx: recordSchema.optional(),
  purpose: textSchema.optional(),
  /** Remit's own claim: whether the user is present, or has let the agent work in the background. */
  access: z.enum(['online', 'background']).optional(),
  cnf: z.looseObject({ jkt: thumbprintSchema.optional(), 'x5t#S256': thumbprintSchema.optional() }).optional(),
});

export type TokenClaims = z.infer<typeof claimsSchema>;

/** @throws TokenRejectedError `token_claims_invalid`, naming the claim */
export function parseClaims(
  payload: Readonly<Record<string, unknown>>,
  maxAudiences = DEFAULT_MAX_AUDIENCES,
): TokenClaims {
  const parsed = claimsSchema.safeParse(payload);
  if (!parsed.success) return rejectToken('token_claims_invalid', `The claim ${describeSchemaError(parsed.error)}.`);
  const { aud } = parsed.data;
  if (Array.isArray(aud) && aud.length > maxAudiences)
    rejectToken('token_claims_invalid', `The claim "aud" is not acceptable: must have ${maxAudiences} items or fewer.`);
  return parsed.data;
}
