/** The configuration: the only module that reads configuration files and the environment. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isIP } from 'node:net';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { ConfigError } from './model/faults.js';
import { issueText, pathText } from './model/json.js';
import { PERMISSIONS, type Client } from './model/question.js';
import type { RuleSources } from './rules/load.js';
import type { SourceFile } from './rules/policies.js';
import { didYouMean } from './rules/suggest.js';
import { SCOPE } from './rules/declarations.js';
import { PERSONS } from './tokens/actors.js';
import { DEV_ISSUER } from './tokens/dev-issuer.js';
import { TOKEN_TYPES } from './tokens/formats.js';
import { ALGORITHMS, SHAPES, type IssuerConfig } from './tokens/issuers.js';
import { keysUriProblem } from './tokens/keys.js';
import { PRESET_NAMES, PRESETS } from './tokens/presets.js';

/** A few aliases are a convenience, many are a way to make a small file enormous. */
const MAX_ALIASES = 100;
/** Requests a second that a client may make unless its `rate` says otherwise. */
const DEFAULT_RATE = 1000;

const url = z.url({ protocol: /^https?$/ });
/** What paths are put behind. */
const base = url.refine((text) => {
  const { search, hash, username, password } = new URL(text);
  return search + hash + username + password === '';
}, 'must have no query, fragment or password');
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];
const jwk = z
  .looseObject({ kty: z.enum(['EC', 'RSA', 'OKP']) })
  .refine((key) => !PRIVATE.some((member) => member in key), 'must be a public key');

const words = z.array(z.string().min(1)).min(1);
const profile = z
  .string()
  .regex(/^\S+$/, 'must be one word')
  .refine((word) => !PERSONS.includes(word), 'is a person’s: agents act for them');
const scope = z.string().regex(SCOPE, 'must be one scope');

const issuer = z.strictObject({
  issuer: z.string().min(1),
  preset: z.enum(PRESET_NAMES).optional(),
  jwks_uri: url.optional(),
  jwks_network: z.enum(['public', 'private']).optional(),
  jwks: z.strictObject({ keys: z.array(jwk).min(1) }).optional(),
  audience: z.string().min(1),
  primary: z.boolean().default(false),
  alias: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be letters, digits, _ and -')
    .optional(),
  shape: z.union([z.enum(SHAPES), z.array(z.enum(SHAPES)).min(1)]).optional(),
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

const client = z.strictObject({
  id: z
    .string()
    .min(1)
    .max(128)
    .regex(/^(?!agent:|user:)/, 'must not begin like an agent or a user'),
  key_sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits'),
  may: z.array(z.enum(PERMISSIONS)).default(['evaluate']),
  audience: z.string().min(1).optional(),
  resources: z.array(z.string().min(1)).optional(),
  default_mode: z.literal('human').optional(),
  answers: z.enum(['full', 'minimal']).default('full'),
  rate: z.number().int().min(1).optional(),
});

const config = z.strictObject({
  listen: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: z.number().int().min(0).max(65535).default(7480),
      public_url: base.optional(),
      tls: z
        .strictObject({
          certificate: z.string().min(1),
          key: z.string().min(1),
          client_certificates: z.boolean().default(false),
        })
        .optional(),
    })
    .prefault({}),
  schema: z.strictObject({
    relationships: z.string().min(1),
    actions: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  }),
  policies: z.string().min(1),
  world: z.string().min(1).optional(),
  data: z.string().min(1).optional(),
  spicedb: z
    .strictObject({ mode: z.literal('embedded', 'only "embedded" is available in this version').default('embedded') })
    .prefault({}),
  database: z
    .strictObject({ mode: z.literal('embedded', 'only "embedded" is available in this version').default('embedded') })
    .prefault({}),
  issuers: z.array(issuer).default([]),
  clients: z.array(client).default([]),
  limits: z.strictObject({ deadline_ms: z.number().int().min(10).max(60_000).default(1000) }).prefault({}),
});

export interface ConfiguredClient extends Client {
  readonly keySha256: string;
}

export interface Config {
  /** The configuration's own path. */
  readonly file: string;
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string | undefined;
  /** PEM texts; undefined: plain HTTP. */
  readonly tls: ListenerTls | undefined;
  readonly sources: SourcePaths;
  readonly world: string | undefined;
  /** Directory of the embedded database, keys and lock. */
  readonly data: string;
  readonly issuers: readonly IssuerConfig[];
  readonly clients: readonly ConfiguredClient[];
  readonly deadlineMs: number;
  /** REMIT_KEY: the client key that commands use. */
  readonly key: string | undefined;
  /** Things worth telling whoever starts it. */
  readonly notes: readonly string[];
}

export interface ListenerTls {
  readonly certificate: string;
  readonly key: string;
  /** Asks callers for a certificate of any origin: tokens may be bound to it. */
  readonly clientCertificates: boolean;
}

export interface SourcePaths {
  readonly relationships: string;
  readonly actions: readonly string[];
  readonly policies: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const SERVER_VARIABLES = ['DATABASE_URL', 'SPICEDB_ENDPOINT', 'SPICEDB_TOKEN', 'SPICEDB_CA'];

/** @param file given on the command line; otherwise REMIT_CONFIG, otherwise the sample's. @throws ConfigError */
export function loadConfig(file: string | undefined, env: Environment = process.env): Config {
  const explicit = file ?? nonEmpty(env['REMIT_CONFIG']);
  const path = resolve(explicit ?? fileURLToPath(new URL('../fixtures/acme.remit.yaml', import.meta.url)));
  const read = parseYaml(path, config, 'configuration');
  const base = dirname(path);
  const within = (p: string): string => resolve(base, p);

  const notes: string[] = [];
  const servers = SERVER_VARIABLES.filter((name) => nonEmpty(env[name]) !== undefined);
  if (servers.length > 0) {
    if (explicit !== undefined)
      throw new ConfigError(`${servers.join(', ')}: this version runs on the embedded engines only`, 'environment');
    notes.push(`${servers.join(', ')} ignored: these need an explicit --config`);
  }
  const host = nonEmpty(env['REMIT_HOST']) ?? read.listen.host;
  if (read.clients.length === 0 && !isLoopback(host)) {
    throw new ConfigError(`without "clients" Remit listens on loopback only, not on ${host}`, path);
  }
  const data = nonEmpty(env['REMIT_DATA']);
  return {
    file: path,
    host,
    port: portOf(nonEmpty(env['REMIT_PORT'])) ?? read.listen.port,
    publicUrl: read.listen.public_url?.replace(/\/$/, ''),
    tls:
      read.listen.tls === undefined
        ? undefined
        : {
            certificate: readText(within(read.listen.tls.certificate)),
            key: readText(within(read.listen.tls.key)),
            clientCertificates: read.listen.tls.client_certificates,
          },
    sources: {
      relationships: within(read.schema.relationships),
      actions: [read.schema.actions].flat().map(within),
      policies: within(read.policies),
    },
    world: read.world === undefined ? undefined : within(read.world),
    data: data !== undefined ? resolve(data) : read.data !== undefined ? within(read.data) : resolve('.remit'),
    issuers: issuersOf(read.issuers, path),
    clients: clientsOf(read.clients, path),
    deadlineMs: read.limits.deadline_ms,
    key: nonEmpty(env['REMIT_KEY']),
    notes,
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** The files that the rules are made of; names in messages are relative to where the operator stands. */
export function readSources(paths: SourcePaths): RuleSources {
  const policies = policyFiles(paths.policies);
  if (policies.length === 0) throw new ConfigError('there is no *.cedar file here', shown(paths.policies));
  return {
    relationships: source(paths.relationships),
    actions: paths.actions.map(source),
    policies: policies.map(source),
  };
}

/**
 * A YAML file, strictly: one document, no duplicate keys, only what the schema knows.
 * @throws ConfigError naming file, line and key
 */
export function parseYaml<T extends z.ZodType>(path: string, schema: T, what: string): z.infer<T> {
  const document = parseDocument(readText(path), { version: '1.2', uniqueKeys: true, prettyErrors: true });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line;
    throw new ConfigError(
      problem.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? '',
      line === undefined ? shown(path) : `${shown(path)}:${line}`,
    );
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw new ConfigError(`${what}: ${(error as Error).message}`, shown(path));
  }
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  // A key that is misspelt says more than that the right one is missing.
  const { issues } = read.error;
  const issue = issues.find((i) => i.code === 'unrecognized_keys') ?? (issues[0] as z.core.$ZodIssue);
  const at = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path;
  const node = document.getIn(at, true) ?? document.getIn(at.slice(0, -1), true);
  const line = lineOf(node, readText(path));
  const message =
    issue.code === 'unrecognized_keys'
      ? `unknown key${didYouMean(String(at.at(-1)), knownKeys(schema))}`
      : issueText(issue);
  throw new ConfigError(
    `${what}: ${pathText(at) || 'the document'}: ${message}`,
    line === undefined ? shown(path) : `${shown(path)}:${line}`,
  );
}

function knownKeys(schema: z.ZodType): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function lineOf(node: unknown, text: string): number | undefined {
  const range = (node as { range?: [number, number, number] } | undefined)?.range;
  return range === undefined ? undefined : text.slice(0, range[0]).split('\n').length;
}

function issuersOf(read: z.infer<typeof issuer>[], path: string): IssuerConfig[] {
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

function clientsOf(read: z.infer<typeof client>[], path: string): ConfiguredClient[] {
  for (const key of ['id', 'key_sha256'] as const) {
    const values = read.map((c) => c[key]);
    const twice = values.find((v, i) => values.indexOf(v) !== i);
    if (twice !== undefined)
      throw new ConfigError(`clients: two have the ${key} "${key === 'id' ? twice : '…'}"`, shown(path));
  }
  return read.map((c, i) => {
    if (c.default_mode !== undefined && !c.may.includes('asserts_subject')) {
      throw new ConfigError(`clients[${i}]: default_mode needs "asserts_subject" in may`, shown(path));
    }
    return {
      id: c.id,
      keySha256: c.key_sha256,
      may: new Set(c.may),
      audience: c.audience,
      resources: c.resources === undefined ? undefined : new Set(c.resources),
      defaultMode: c.default_mode,
      answers: c.answers,
      rate: c.rate ?? DEFAULT_RATE,
    };
  });
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535) throw new ConfigError(`"${text}" is not a port`, 'REMIT_PORT');
  return port;
}

function policyFiles(directory: string): string[] {
  if (!existsSync(directory) || !statSync(directory).isDirectory())
    throw new ConfigError('there is no such directory', shown(directory));
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.cedar'))
    .sort()
    .map((name) => join(directory, name));
}

function source(path: string): SourceFile {
  return { name: shown(path), text: readText(path) };
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`can't be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, shown(path));
  }
}

/** A path as messages name it. */
export function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
