/** The members of `issuers[]` that say how an issuer's tokens are read, where they differ from the standards. */
import { z } from 'zod';
import { SCOPE_TOKEN } from '../policy/schema/check-action.js';
import { parseClaimPath } from '../tokens/claim-path.js';
import { TOKEN_TYPES } from '../tokens/formats.js';
import type { IssuerConfig } from '../tokens/issuers.js';
import { PRESET_NAMES } from '../tokens/presets.js';
import {
  AUDIENCE_SOURCES,
  MAX_CLOCK_TOLERANCE,
  MAX_CONFIGURED_AUDIENCES,
  MAX_CONFIGURED_TOKEN_BYTES,
  namesActor,
  REMIT_CLAIMS,
} from '../tokens/reading-rules.js';
import type { TokenShape } from '../tokens/shapes.js';
import { TENANT_ID, TENANT_PLACEHOLDER } from '../tokens/tenants.js';

export const scopeFormat = z.string().regex(SCOPE_TOKEN, 'must be one scope');

const claimName = z.string().min(1).max(256);
const claimPathFormat = z
  .union([claimName, z.array(claimName).min(1).max(8)], 'must be a path such as act.client_id, or a list of names')
  .transform(parseClaimPath)
  .refine((path) => path.every((name) => name !== ''), 'has an empty name in its path');
/** Claims that name no party. */
const PARTYLESS_CLAIMS = ['iss', 'exp', 'nbf', 'iat', 'jti'];
const partyClaimFormat = claimPathFormat.refine(
  (path) => !PARTYLESS_CLAIMS.includes(path.join('.')),
  'names a claim of another meaning',
);

/** The members, for the format of an issuer. */
export const readingMembers = {
  preset: z.enum(PRESET_NAMES).optional(),
  token_types: z.array(z.enum(TOKEN_TYPES)).min(1).optional(),
  tenants: z
    .union([z.literal('any'), z.array(z.string().regex(TENANT_ID, 'must be a tenant’s id')).min(1)], {
      error: 'must be a list of tenants, or any',
    })
    .optional()
    .describe('The tenants that the {tenantid} of the issuer may stand for'),
  client_claim: partyClaimFormat.optional().describe('The claim that names the client'),
  agent_claim: partyClaimFormat
    .optional()
    .describe('The claim that names the agent; within act, the member of each that names its actor'),
  audience_from: z
    .enum(AUDIENCE_SOURCES)
    .optional()
    .describe('What names the audience of tokens without aud, which are refused otherwise'),
  clock_tolerance_s: z.number().min(0).max(MAX_CLOCK_TOLERANCE).optional(),
  max_token_bytes: z.int().min(256).max(MAX_CONFIGURED_TOKEN_BYTES).optional(),
  max_audiences: z.int().min(1).max(MAX_CONFIGURED_AUDIENCES).optional(),
  assumed_scopes: z.array(scopeFormat).min(1).optional().describe('The platform’s scopes of tokens that carry none'),
  scope_lists: z.boolean().optional().describe('Whether the claim scope may be a list'),
  foreign_claims: z
    .array(z.enum(REMIT_CLAIMS))
    .optional()
    .describe('Claims that have a name of Remit’s and another meaning'),
  claims: z
    .record(z.string().regex(/^[A-Za-z_]\w{0,63}$/, 'must be a name of a policy’s'), claimPathFormat)
    .optional()
    .describe('The claims that policies read in context.claims, by their names there'),
};

/** Finds what doesn't fit among the members, with the key that it is of. */
export function findReadingProblem(
  {
    issuer,
    jwks_uri: uri = '',
    tenants,
    agent_claim: agent,
  }: Pick<IssuerConfig, 'issuer' | 'jwks_uri' | 'tenants' | 'agent_claim'>,
  shapes: readonly TokenShape[],
): { readonly message: string; readonly key: 'issuer' | 'jwks_uri' | 'agent_claim' | 'tenants' | 'shape' } | undefined {
  const placeholders = issuer.split(TENANT_PLACEHOLDER).length - 1;
  if (tenants !== undefined && placeholders !== 1)
    return { message: `goes with an "issuer" that has ${TENANT_PLACEHOLDER} once`, key: 'tenants' };
  if (tenants === undefined && placeholders > 0)
    return { message: `has ${TENANT_PLACEHOLDER}, which needs "tenants"`, key: 'issuer' };
  if (/[{}]/.test(uri)) return { message: 'must be one address, that of the keys of all tenants', key: 'jwks_uri' };
  if (agent === undefined)
    return shapes.includes('agent_claim')
      ? { message: 'the shape "agent_claim" needs the key "agent_claim"', key: 'shape' }
      : undefined;
  const shape = namesActor(agent) ? 'act' : 'agent_claim';
  return shapes.includes(shape) ? undefined : { message: `needs the shape "${shape}"`, key: 'agent_claim' };
}
