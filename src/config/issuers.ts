/** `issuers` of the configuration: whose tokens are believed. */
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import { SCOPE } from '../policy/schema/declarations.js';
import { PERSONS } from '../tokens/actors.js';
import { DEV_ISSUER } from '../issue/development-issuer.js';
import { TOKEN_TYPES } from '../tokens/formats.js';
import { ALGORITHMS, type IssuerConfig } from '../tokens/issuers.js';
import { SHAPES } from '../tokens/shapes.js';
import { keysUriProblem, PRIVATE_MEMBERS } from '../tokens/keys.js';
import { PRESET_NAMES, PRESETS } from '../tokens/presets.js';
import { shown } from './files.js';

const jwk = z
  .looseObject({ kty: z.enum(['EC', 'RSA', 'OKP']) })
  .refine((key) => !PRIVATE_MEMBERS.some((member) => member in key), 'must be a public key');

const words = z.array(z.string().min(1)).min(1);
const profile = z
  .string()
  .regex(/^\S+$/, 'must be one word')
  .refine((word) => !PERSONS.includes(word), 'is a person’s: agents act for them');
const scope = z.string().regex(SCOPE, 'must be one scope');

export const issuer = z.strictObject({
  issuer: z.string().min(1),
  preset: z.enum(PRESET_NAMES).optional(),
  jwks_uri: z.url({ protocol: /^https?$/ }).optional(),
  jwks_network: z.enum(['public', 'private']).optional(),
  jwks: z.strictObject({ keys: z.array(jwk).min(1) }).optional(),
  audience: z.string().min(1),
  primary: z.boolean().default(false),
  alias: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be letters, digits, _ and -')
    .optional(),
  shape: z
    .union([z.enum(SHAPES), z.array(z.enum(SHAPES)).min(1)], `must be one of ${SHAPES.join(', ')}, or a list of them`)
    .optional(),
  user_claim: z
    .string()
    .min(1)
    .refine(
      (claim) => !['iss', 'sub', 'aud', 'exp', 'act', 'client_id'].includes(claim),
      'names a claim of another meaning',
    )
    .optional(),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).optional(),
  token_types: z.array(z.enum(TOKEN_TYPES)).min(1).optional(),
  actor_profiles: z.array(profile).min(1).optional(),
  actors_from: words.optional(),
  authorization_details_types: words.optional(),
  scopes: z.record(z.string(), z.union([scope, z.array(scope).min(1)])).optional(),
});

/** What holds between them. @throws ConfigError */
export function issuersOf(read: z.infer<typeof issuer>[], path: string): IssuerConfig[] {
  for (const key of ['issuer', 'alias'] as const) {
    const values = read.flatMap((i) => i[key] ?? []);
    const twice = values.find((v, i) => values.indexOf(v) !== i);
    if (twice !== undefined) throw new ConfigError(`issuers: two have the ${key} "${twice}"`, shown(path));
  }
  if (read.filter((i) => i.primary).length > 1)
    throw new ConfigError('issuers: only one can be "primary"', shown(path));
  return read.map(({ shape, jwks, scopes, algorithms, ...rest }, i) => {
    const preset = rest.preset === undefined ? undefined : PRESETS[rest.preset];
    const shapes = [shape ?? preset?.shapes ?? 'act'].flat();
    if (rest.jwks_uri === undefined && jwks === undefined)
      throw new ConfigError(`issuers[${i}]: needs "jwks_uri" or "jwks"`, shown(path));
    if (!rest.primary && rest.alias === undefined) {
      throw new ConfigError(`issuers[${i}]: needs "primary: true", or an "alias" that its ids go by`, shown(path));
    }
    if (shapes.includes('user_claim') !== (rest.user_claim !== undefined)) {
      throw new ConfigError(`issuers[${i}]: the shape "user_claim" and the key "user_claim" go together`, shown(path));
    }
    if (rest.issuer === DEV_ISSUER)
      throw new ConfigError(`issuers[${i}].issuer: is the development issuer's`, shown(path));
    if (jwks !== undefined && (rest.jwks_uri !== undefined || rest.jwks_network !== undefined))
      throw new ConfigError(
        `issuers[${i}]: "jwks" and "jwks_uri" (with "jwks_network") exclude each other`,
        shown(path),
      );
    if (rest.actors_from !== undefined && !shapes.includes('act'))
      throw new ConfigError(`issuers[${i}].actors_from: needs the shape "act"`, shown(path));
    const why = rest.jwks_uri === undefined ? undefined : keysUriProblem(rest.jwks_uri, rest.jwks_network);
    if (why !== undefined) throw new ConfigError(`issuers[${i}].jwks_uri: ${why}`, shown(path));
    const stranger = rest.actors_from?.find((name) => !read.some((other) => other.issuer === name));
    if (stranger !== undefined)
      throw new ConfigError(`issuers[${i}].actors_from: "${stranger}" is not configured`, shown(path));
    return {
      ...rest,
      shapes,
      jwks,
      algorithms: algorithms ?? preset?.algorithms ?? ['ES256'],
      scopes:
        scopes === undefined
          ? undefined
          : Object.fromEntries(Object.entries(scopes).map(([theirs, ours]) => [theirs, [ours].flat()])),
    };
  });
}
