/** `issuers` of the configuration: the token issuers that are trusted, with their keys and claims. */
import type { JWK } from 'jose';
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import { PERSON_PROFILES } from '../tokens/actors.js';
import { DEV_ISSUER } from '../issue/development-issuer.js';
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '../tokens/algorithms.js';
import type { IssuerConfig } from '../tokens/issuers.js';
import { TOKEN_SHAPES, type TokenShape } from '../tokens/shapes.js';
import { findKindProblem } from '../tokens/key-kinds.js';
import { keysUriProblem, PRIVATE_KEY_MEMBERS } from '../tokens/keys.js';
import { ISSUER_PRESETS, type IssuerPreset } from '../tokens/presets.js';
import { namesActor } from '../tokens/reading-rules.js';
import { displayPath } from './files.js';
import { findReadingProblem, readingMembers, scopeFormat } from './token-reading.js';

/** Keys of other kinds than Remit's are passed over, but a private or symmetric one is a secret in the wrong place. */
const jwkFormat = z
  .looseObject({ kty: z.string().min(1) })
  .refine((key) => !PRIVATE_KEY_MEMBERS.some((member) => member in key), 'must be a public key');

const nonEmptyStrings = z.array(z.string().min(1)).min(1);
const actorProfileFormat = z
  .string()
  .regex(/^\S+$/, 'must be one word')
  .refine((word) => !PERSON_PROFILES.includes(word), 'is a person’s: agents act for them');
export const issuerFormat = z.strictObject({
  issuer: z.string().min(1),
  jwks_uri: z.url({ protocol: /^https?$/ }).optional(),
  jwks_network: z.enum(['public', 'private']).optional(),
  jwks: z.strictObject({ keys: z.array(jwkFormat).min(1) }).optional(),
  audience: z.union([z.string().min(1), nonEmptyStrings], 'must be a text, or a list of texts'),
  ...readingMembers,
  primary: z.boolean().default(false),
  alias: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be letters, digits, _ and -')
    .optional(),
  shape: z
    .union(
      [z.enum(TOKEN_SHAPES), z.array(z.enum(TOKEN_SHAPES)).min(1)],
      `must be one of ${TOKEN_SHAPES.join(', ')}, or a list of them`,
    )
    .optional(),
  user_claim: z
    .string()
    .min(1)
    .refine(
      (claim) => !['iss', 'sub', 'aud', 'exp', 'act', 'client_id'].includes(claim),
      'names a claim of another meaning',
    )
    .optional(),
  algorithms: z.array(z.enum(SIGNATURE_ALGORITHMS)).min(1).optional(),
  actor_profiles: z.array(actorProfileFormat).min(1).optional(),
  actors_from: nonEmptyStrings.optional(),
  user_clients: nonEmptyStrings.optional(),
  authorization_details_types: nonEmptyStrings.optional(),
  scopes: z.record(z.string(), z.union([scopeFormat, z.array(scopeFormat).min(1)])).optional(),
});

type IssuerSettings = z.infer<typeof issuerFormat>;

/**
 * Checks what holds between issuers and between their options, and resolves their defaults.
 * @param notices gets a sentence for each inline key that is passed over
 * @throws ConfigError
 */
export function resolveIssuers(issuers: IssuerSettings[], path: string, notices: string[]): IssuerConfig[] {
  assertIssuersDiffer(issuers, path);
  return issuers.map((settings, i) => {
    const { shape: _shape, jwks, scopes, algorithms, ...rest } = settings;
    const preset = rest.preset === undefined ? undefined : ISSUER_PRESETS[rest.preset];
    const shapes = resolveShapes(settings, preset);
    const algorithmsOf = algorithms ?? preset?.algorithms ?? ['ES256'];
    const problem = findIssuerProblem(settings, shapes, issuers);
    if (problem !== undefined) {
      const key = `issuers[${i}]${problem.key === undefined ? '' : `.${problem.key}`}`;
      throw new ConfigError(problem.message, { file: displayPath(path), key });
    }
    return {
      ...rest,
      shapes,
      jwks: jwks === undefined ? undefined : { keys: takeFittingKeys(jwks.keys, algorithmsOf, i, path, notices) },
      algorithms: algorithmsOf,
      scopes:
        scopes === undefined
          ? undefined
          : Object.fromEntries(Object.entries(scopes).map(([theirs, ours]) => [theirs, [ours].flat()])),
    };
  });
}

/** The shapes that are configured; otherwise the preset's, with that of a claim that names the agent before them. */
function resolveShapes({ shape, agent_claim: claim }: IssuerSettings, preset: IssuerPreset | undefined): TokenShape[] {
  if (shape !== undefined) return [shape].flat();
  if (claim === undefined) return [...(preset?.shapes ?? (['act'] as const))];
  return [...new Set([namesActor(claim) ? 'act' : 'agent_claim', ...(preset?.shapes ?? [])] as const)];
}

/** @throws ConfigError where two issuers can't be told apart */
function assertIssuersDiffer(issuers: readonly IssuerSettings[], path: string): void {
  const place = { file: displayPath(path), key: 'issuers' };
  for (const key of ['issuer', 'alias'] as const) {
    const values = issuers.flatMap((issuer) => issuer[key] ?? []);
    const repeated = values.find((value, i) => values.indexOf(value) !== i);
    if (repeated !== undefined) throw new ConfigError(`two issuers have the ${key} "${repeated}"`, place);
  }
  if (issuers.filter(({ primary }) => primary).length > 1) throw new ConfigError('only one can be "primary"', place);
}

/** Finds what doesn't fit among an issuer's options, with the option's key where it is of one. */
function findIssuerProblem(
  issuer: IssuerSettings,
  shapes: readonly TokenShape[],
  issuers: readonly IssuerSettings[],
): { readonly message: string; readonly key?: keyof IssuerSettings } | undefined {
  const { jwks, jwks_uri: uri, jwks_network: network, actors_from: actorsFrom } = issuer;
  if (uri === undefined && jwks === undefined) return { message: 'needs "jwks_uri" or "jwks"' };
  if (!issuer.primary && issuer.alias === undefined)
    return { message: 'needs "primary: true", or an "alias" that its ids go by' };
  if (shapes.includes('user_claim') !== (issuer.user_claim !== undefined))
    return { message: 'the shape "user_claim" and the key "user_claim" go together' };
  const readingProblem = findReadingProblem(issuer, shapes);
  if (readingProblem !== undefined) return readingProblem;
  if (issuer.issuer === DEV_ISSUER) return { message: 'is reserved for the development issuer', key: 'issuer' };
  if (jwks !== undefined && (uri !== undefined || network !== undefined))
    return { message: '"jwks" and "jwks_uri" (with "jwks_network") exclude each other' };
  if (actorsFrom !== undefined && !shapes.includes('act'))
    return { message: 'needs the shape "act"', key: 'actors_from' };
  const uriProblem = uri === undefined ? undefined : keysUriProblem(uri, network);
  if (uriProblem !== undefined) return { message: uriProblem, key: 'jwks_uri' };
  const unknownIssuer = actorsFrom?.find((name) => !issuers.some((other) => other.issuer === name));
  return unknownIssuer === undefined
    ? undefined
    : { message: `"${unknownIssuer}" is not configured`, key: 'actors_from' };
}

/** @throws ConfigError where no key fits */
function takeFittingKeys(
  keys: readonly JWK[],
  algorithms: readonly SignatureAlgorithm[],
  issuer: number,
  path: string,
  notices: string[],
): JWK[] {
  const problems = keys.map((key) => findKindProblem(key, algorithms));
  const sentences = problems.flatMap((problem, i) =>
    problem === undefined ? [] : [`issuers[${issuer}].jwks.keys[${i}] ${problem}`],
  );
  if (sentences.length === keys.length)
    throw new ConfigError(`no key can be used: ${sentences.join('; ')}`, {
      file: displayPath(path),
      key: `issuers[${issuer}].jwks`,
    });
  notices.push(...sentences.map((sentence) => `${sentence}: it is passed over`));
  return keys.filter((_key, i) => problems[i] === undefined);
}
