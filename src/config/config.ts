/** The configuration, and the only module that reads the environment. */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { client, clientsOf, type ConfiguredClient } from './clients.js';
import { database, databaseOf, type DatabaseConfig } from './database.js';
import { shown, type SourcePaths } from './files.js';
import { isLoopback } from './loopback.js';
import { issuer, issuersOf } from './issuers.js';
import { limits, type Limits } from './limits.js';
import { listen, listenersOf, type Listener } from './listener.js';
import { spicedb, SPICEDB_VARIABLES, spicedbOf, type SpiceDbConfig } from './spicedb.js';
import { reload, reloadOf, type ReloadConfig } from './reload.js';
import { parseYaml } from './yaml.js';
import type { LogsConfig } from '../telemetry/log.js';
import { logs, telemetry, tracesOf } from './telemetry.js';
import { type TracesConfig } from '../telemetry/traces.js';
import { ConfigError } from '../model/faults.js';
import type { IssuerConfig } from '../tokens/issuers.js';

/** What a configuration file has. */
export const configFormat = z.strictObject({
  listen,
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
  telemetry: telemetry.prefault({}),
  logs: logs.prefault({}),
  reload: reload.prefault({}),
  records: z.strictObject({ facts: z.boolean().default(true) }).prefault({}),
  limits,
  shutdown: z
    .strictObject({
      grace_ms: z.number().int().min(0).max(300_000).default(2000),
      limit_ms: z.number().int().min(0).max(300_000).default(5000),
    })
    .prefault({}),
});

/** Its own listener is the main one. */
export interface Config extends Listener {
  /** The configuration's own path. */
  readonly file: string;
  /** Where administration is, and only it; undefined: on the main listener. */
  readonly admin: Listener | undefined;
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
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
  readonly limits: Limits;
  readonly shutdown: Shutdown;
  /** undefined: no request is traced. */
  readonly traces: TracesConfig | undefined;
  readonly logs: LogsConfig;
  readonly reload: ReloadConfig;
  /** Whether decision records have what the decisions rested on. */
  readonly records: { readonly facts: boolean };
  /** REMIT_KEY: the client key that commands use. */
  readonly key: string | undefined;
  /** Things worth telling whoever starts it. */
  readonly notes: readonly string[];
}

export interface Shutdown {
  /** How long a service that was told to stop goes on serving, while it says that it is not ready, in milliseconds. */
  readonly graceMs: number;
  /** How long it then waits for what is under way. */
  readonly limitMs: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const SERVER_VARIABLES = ['DATABASE_URL', ...SPICEDB_VARIABLES];

/** The configuration's path. @param file given on the command line; otherwise REMIT_CONFIG, otherwise the sample's */
export function configPath(file: string | undefined, env: Environment = process.env): string {
  const sample = new URL('../../fixtures/acme.remit.yaml', import.meta.url);
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
  const { main, admin } = listenersOf(read.listen, path, within, {
    host: nonEmpty(env['REMIT_HOST']),
    port: portOf(nonEmpty(env['REMIT_PORT'])),
  });
  const outside = [main, ...(admin === undefined ? [] : [admin])].find(({ host }) => !isLoopback(host));
  if (read.clients.length === 0 && outside !== undefined) {
    throw new ConfigError(`without "clients" Remit listens on loopback only, not on ${outside.host}`, path);
  }
  if (read.clients.length === 0 && chosen.mode !== 'embedded') {
    throw new ConfigError(`without "clients" Remit runs on the embedded database only, not on PostgreSQL`, path);
  }
  const data = nonEmpty(env['REMIT_DATA']);
  return {
    file: path,
    ...main,
    admin,
    trustedProxies: read.listen.trusted_proxies,
    sources: {
      relationships: within(read.schema.relationships),
      actions: [read.schema.actions].flat().map(within),
      policies: within(read.policies),
    },
    world: read.world === undefined ? undefined : within(read.world),
    spicedb: server,
    data: data !== undefined ? resolve(data) : read.data !== undefined ? within(read.data) : resolve('.remit'),
    database: chosen,
    development: chosen.mode === 'embedded' && server === undefined && isLoopback(main.host),
    issuers: issuersOf(read.issuers, path),
    clients: clientsOf(read.clients, path),
    deadlineMs: read.limits.deadline_ms,
    limits: {
      inFlight: read.limits.in_flight,
      agentRate: read.limits.agent_rate,
      failedRate: read.limits.failed_rate,
      connections: read.limits.connections,
    },
    shutdown: { graceMs: read.shutdown.grace_ms, limitMs: read.shutdown.limit_ms },
    traces: tracesOf(read.telemetry),
    logs: read.logs,
    reload: reloadOf(read.reload),
    records: read.records,
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
