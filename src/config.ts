/** The configuration, and the only module that reads the environment. */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { client, clientsOf, type ConfiguredClient } from './config/clients.js';
import { database, databaseOf, type DatabaseConfig } from './config/database.js';
import { parseYaml, readText, shown, type SourcePaths } from './config/files.js';
import { isLoopback } from './config/hosts.js';
import { issuer, issuersOf } from './config/issuers.js';
import { spicedb, SPICEDB_VARIABLES, spicedbOf, type SpiceDbConfig } from './config/spicedb.js';
import { ConfigError } from './model/faults.js';
import type { IssuerConfig } from './tokens/issuers.js';

/** What paths are put behind. */
const base = z.url({ protocol: /^https?$/ }).refine((text) => {
  const { search, hash, username, password } = new URL(text);
  return search + hash + username + password === '';
}, 'must have no query, fragment or password');
/** What a configuration file has. */
export const configFormat = z.strictObject({
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
  spicedb: spicedb.prefault({}),
  database: database.prefault({}),
  issuers: z.array(issuer).default([]),
  clients: z.array(client).default([]),
  limits: z.strictObject({ deadline_ms: z.number().int().min(10).max(60_000).default(1000) }).prefault({}),
});

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
  /** undefined: embedded. */
  readonly spicedb: SpiceDbConfig;
  /** Directory of the embedded database, keys and lock. */
  readonly data: string;
  readonly database: DatabaseConfig;
  /** All engines embedded, on loopback: only there are a client and an issuer made for trying it out. */
  readonly development: boolean;
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

export type Environment = Readonly<Record<string, string | undefined>>;

const SERVER_VARIABLES = ['DATABASE_URL', ...SPICEDB_VARIABLES];

/** The configuration's path. @param file given on the command line; otherwise REMIT_CONFIG, otherwise the sample's */
export function configPath(file: string | undefined, env: Environment = process.env): string {
  const sample = new URL('../fixtures/acme.remit.yaml', import.meta.url);
  return resolve(file ?? nonEmpty(env['REMIT_CONFIG']) ?? fileURLToPath(sample));
}

/** @param file as in {@link configPath}. @throws ConfigError */
export function loadConfig(file: string | undefined, env: Environment = process.env): Config {
  const explicit = file ?? nonEmpty(env['REMIT_CONFIG']);
  const path = configPath(file, env);
  const read = parseYaml(path, configFormat, 'configuration');
  const base = dirname(path);
  const within = (p: string): string => resolve(base, p);

  const notes: string[] = [];
  const servers = SERVER_VARIABLES.filter((name) => nonEmpty(env[name]) !== undefined);
  if (explicit === undefined && servers.length > 0)
    notes.push(`${servers.join(', ')} ignored: these need an explicit --config`);
  const server = spicedbOf(
    read.spicedb,
    Object.fromEntries(explicit === undefined ? [] : SPICEDB_VARIABLES.map((name) => [name, nonEmpty(env[name])])),
    path,
    within,
  );
  if (server !== undefined && read.world !== undefined)
    throw new ConfigError('world: is for the embedded SpiceDB; nothing is written to a server at start', shown(path));
  if (server !== undefined && read.clients.length === 0)
    throw new ConfigError('clients: at least one is needed with "spicedb.mode: server"', shown(path));
  if (server?.plaintext === true && !isLoopback(server.endpoint.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')))
    notes.push(`spicedb.insecure_plaintext: the key travels to ${server.endpoint} for anybody on the way to read`);
  const chosen = databaseOf(read.database, {
    path,
    url: explicit === undefined ? undefined : nonEmpty(env['DATABASE_URL']),
    variable: (name) => nonEmpty(env[name]),
    within,
  });
  const host = nonEmpty(env['REMIT_HOST']) ?? read.listen.host;
  if (read.clients.length === 0 && !isLoopback(host)) {
    throw new ConfigError(`without "clients" Remit listens on loopback only, not on ${host}`, path);
  }
  if (read.clients.length === 0 && chosen.mode !== 'embedded') {
    throw new ConfigError(`without "clients" Remit runs on the embedded database only, not on PostgreSQL`, path);
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
    spicedb: server,
    data: data !== undefined ? resolve(data) : read.data !== undefined ? within(read.data) : resolve('.remit'),
    database: chosen,
    development: chosen.mode === 'embedded' && server === undefined && isLoopback(host),
    issuers: issuersOf(read.issuers, path),
    clients: clientsOf(read.clients, path),
    deadlineMs: read.limits.deadline_ms,
    key: nonEmpty(env['REMIT_KEY']),
    notes,
  };
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535) throw new ConfigError(`"${text}" is not a port`, 'REMIT_PORT');
  return port;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
