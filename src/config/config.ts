/** Loads the configuration file with its overrides. This is the only module that reads the environment. */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { approvalsFormat, resolveApprovals, type ApprovalsConfig } from './approvals.js';
import { auditFormat, resolveAudit, type AuditConfig } from './audit.js';
import { checkClientLogins } from './client-logins.js';
import { clientFormat, resolveClients, type ConfiguredClient } from './clients.js';
import { databaseFormat, resolveDatabase, type DatabaseConfig } from './database.js';
import { delegationsFormat, type DelegationsConfig } from './delegations.js';
import { displayPath, type SourcePaths } from './files.js';
import { findZoneProblem } from '../runtime/local-time.js';
import { isLoopback } from '../runtime/ip-address.js';
import { issuerFormat, resolveIssuers } from './issuers.js';
import { historyFormat } from './history.js';
import { limitsFormat, type LimitsConfig } from './limits.js';
import { listenFormat, resolveListeners, type Listener } from './listener.js';
import { signingFormat, type SigningConfig } from './signing.js';
import { notificationsFormat, resolveNotifications } from './notifications.js';
import { spicedbFormat, SPICEDB_VARIABLES, resolveSpiceDb, type SpiceDbConfig } from './spicedb.js';
import { recordsFormat, type RecordsConfig } from './records.js';
import { reviewsFormat } from './reviews.js';
import { reloadFormat, resolveReload, type ReloadConfig } from './reload.js';
import { loadYaml } from './yaml.js';
import type { LogsConfig } from '../telemetry/log.js';
import { logsFormat, telemetryFormat, resolveTraces } from './telemetry.js';
import type { TracesConfig } from '../telemetry/request-tracer.js';
import { ConfigError } from '../model/faults.js';
import type { WebhookEndpoint } from '../notify/webhook-endpoint.js';
import type { IssuerConfig } from '../tokens/issuers.js';

/** The name of a time zone, such as `Europe/Berlin`. */
export const zoneFormat = z.string().superRefine((zone, ctx) => {
  const problem = findZoneProblem(zone);
  if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem });
});

/** The format of a configuration file. */
export const configFormat = z.strictObject({
  listen: listenFormat,
  schema: z.strictObject({
    relationships: z.string().min(1),
    actions: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  }),
  policies: z.string().min(1),
  zone: zoneFormat.optional().describe('The time zone of context.local, by its IANA name'),
  world: z.string().min(1).optional(),
  data: z.string().min(1).optional(),
  spicedb: spicedbFormat.prefault({}),
  database: databaseFormat.prefault({}),
  issuers: z.array(issuerFormat).prefault([]),
  clients: z.array(clientFormat).default([]),
  telemetry: telemetryFormat.prefault({}),
  logs: logsFormat.prefault({}),
  reload: reloadFormat.prefault({}),
  records: recordsFormat,
  audit: auditFormat,
  limits: limitsFormat,
  history: historyFormat,
  delegations: delegationsFormat,
  approvals: approvalsFormat,
  signing: signingFormat,
  reviews: reviewsFormat,
  notifications: notificationsFormat,
  shutdown: z
    .strictObject({
      grace_ms: z.number().int().min(0).max(300_000).default(2000),
      limit_ms: z.number().int().min(0).max(300_000).default(5000),
    })
    .prefault({}),
});

/** A loaded configuration. It is itself the main listener. */
export interface Config extends Listener {
  /** The path of the configuration file. */
  readonly file: string;
  /** The listener for administration alone; undefined: administration is on the main one. */
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
  /** All engines are embedded and the listener is on loopback: only then are a development client and issuer created. */
  readonly development: boolean;
  readonly issuers: readonly IssuerConfig[];
  readonly clients: readonly ConfiguredClient[];
  readonly deadlineMs: number;
  /** The time in milliseconds after which what was reserved of a limit counts as used. */
  readonly settleAfterMs: number;
  readonly limits: LimitsConfig;
  readonly shutdown: ShutdownConfig;
  /** undefined: no request is traced. */
  readonly traces: TracesConfig | undefined;
  readonly logs: LogsConfig;
  readonly reload: ReloadConfig;
  readonly records: RecordsConfig;
  readonly audit: AuditConfig;
  readonly delegations: DelegationsConfig;
  readonly approvals: ApprovalsConfig;
  readonly signing: SigningConfig;
  readonly notifications: readonly WebhookEndpoint[];
  /** The time in milliseconds within which reviews are due. */
  readonly reviewDueMs: number;
  /** REMIT_KEY, the client key that commands use. */
  readonly clientKey: string | undefined;
  /** Warnings for the operator, printed at the start. */
  readonly warnings: readonly string[];
}

export interface ShutdownConfig {
  /** The time in milliseconds that a stopping service serves on while it reports that it is not ready. */
  readonly graceMs: number;
  /** The time in milliseconds that it then waits for requests and records under way. */
  readonly limitMs: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const SERVER_VARIABLES = ['DATABASE_URL', ...SPICEDB_VARIABLES];

/** @param file from the command line; where undefined, REMIT_CONFIG counts, and then the sample */
export function resolveConfigPath(file: string | undefined, env: Environment = process.env): string {
  const sample = new URL('../../fixtures/acme.remit.yaml', import.meta.url);
  return resolve(file ?? nonEmpty(env['REMIT_CONFIG']) ?? fileURLToPath(sample));
}

/** Reads and checks the configuration. @param file as in {@link resolveConfigPath}. @throws ConfigError naming the key */
export function loadConfig(file: string | undefined, env: Environment = process.env): Config {
  const explicit = file ?? nonEmpty(env['REMIT_CONFIG']);
  const path = resolveConfigPath(file, env);
  const settings = loadYaml(path, configFormat, 'configuration');
  const directory = dirname(path);
  const resolvePath = (p: string): string => resolve(directory, p);

  const warnings: string[] = [];
  const variables = SERVER_VARIABLES.filter((name) => nonEmpty(env[name]) !== undefined);
  if (explicit === undefined && variables.length > 0)
    warnings.push(`${variables.join(', ')} ignored: these need an explicit --config`);
  const spicedb = resolveSpiceDb(
    settings.spicedb,
    Object.fromEntries(explicit === undefined ? [] : SPICEDB_VARIABLES.map((name) => [name, nonEmpty(env[name])])),
    path,
    resolvePath,
  );
  if (spicedb?.plaintext === true && !isLoopback(spicedb.endpoint.replace(/:\d+$/, '')))
    warnings.push(`spicedb.insecure_plaintext: the key travels to ${spicedb.endpoint} without encryption`);
  const database = resolveDatabase(settings.database, {
    path,
    url: explicit === undefined ? undefined : nonEmpty(env['DATABASE_URL']),
    readVariable: (name) => nonEmpty(env[name]),
    resolvePath,
  });
  const { main, admin } = resolveListeners(settings.listen, path, resolvePath, {
    host: nonEmpty(env['REMIT_HOST']),
    port: parsePort(nonEmpty(env['REMIT_PORT']), warnings),
  });
  const issuers = resolveIssuers(settings.issuers, path, warnings);
  const clients = resolveClients(settings.clients, path);
  checkClientLogins(clients, issuers, path);
  assertSectionsFit(settings, { database, spicedb, listeners: admin === undefined ? [main] : [main, admin], path });
  return {
    file: path,
    ...main,
    admin,
    trustedProxies: settings.listen.trusted_proxies,
    sources: {
      relationships: resolvePath(settings.schema.relationships),
      actions: [settings.schema.actions].flat().map(resolvePath),
      policies: resolvePath(settings.policies),
      zone: settings.zone,
      longestHistoryMs: settings.history.longest,
    },
    world: settings.world === undefined ? undefined : resolvePath(settings.world),
    spicedb,
    data: resolveDataDirectory(settings.data, nonEmpty(env['REMIT_DATA']), resolvePath),
    database,
    development: database.mode === 'embedded' && spicedb === undefined && isLoopback(main.host),
    issuers,
    clients,
    deadlineMs: settings.limits.deadline_ms,
    settleAfterMs: settings.limits.settle_after_ms,
    limits: {
      inFlight: settings.limits.in_flight,
      agentRate: settings.limits.agent_rate,
      failedRate: settings.limits.failed_rate,
      streams: settings.limits.streams,
      streamIdleMs: settings.limits.stream_idle_ms,
      streamMs: settings.limits.stream_ms,
      connections: settings.limits.connections,
    },
    shutdown: { graceMs: settings.shutdown.grace_ms, limitMs: settings.shutdown.limit_ms },
    traces: resolveTraces(settings.telemetry),
    logs: settings.logs,
    reload: resolveReload(settings.reload),
    records: {
      facts: settings.records.facts,
      path: settings.records.path,
      keepMs: settings.records.keep,
      hold: settings.records.hold,
      values: {
        keyFile:
          settings.records.values.key_file === undefined ? undefined : resolvePath(settings.records.values.key_file),
        keepMs: settings.records.values.keep,
      },
    },
    audit: resolveAudit(settings.audit, path, resolvePath),
    delegations: { clientMaxMs: settings.delegations.client_max, delegateUrl: settings.delegations.delegate_url },
    approvals: resolveApprovals(settings.approvals),
    signing: { keyFiles: settings.signing.key_file?.map(resolvePath) },
    reviewDueMs: settings.reviews.due,
    notifications: resolveNotifications(settings.notifications, path, resolvePath),
    clientKey: nonEmpty(env['REMIT_KEY']),
    warnings,
  };
}

/** Checks what one section of the file demands of another. @throws ConfigError */
function assertSectionsFit(
  {
    clients,
    world,
    records,
    approvals,
  }: Pick<z.infer<typeof configFormat>, 'clients' | 'world' | 'records' | 'approvals'>,
  {
    database,
    spicedb,
    listeners,
    path,
  }: Pick<Config, 'database' | 'spicedb'> & { listeners: readonly { readonly host: string }[]; path: string },
): void {
  const refuse = (problem: string, key?: string): never => {
    throw new ConfigError(problem, { file: displayPath(path), key });
  };
  if (spicedb !== undefined && world !== undefined)
    refuse('is for the embedded SpiceDB; nothing is written to a server at start', 'world');
  // An approval is of a denial that is on record.
  if (records.keep !== undefined && records.keep <= approvals.waiting)
    refuse('must be longer than "approvals.waiting"', 'records.keep');
  if (clients.length > 0) return;
  if (spicedb !== undefined) refuse('at least one is needed with "spicedb.mode: server"', 'clients');
  const publicListener = listeners.find(({ host }) => !isLoopback(host));
  if (publicListener !== undefined)
    refuse(`without "clients" Remit listens on loopback only, not on ${publicListener.host}`);
  if (database.mode !== 'embedded')
    refuse('without "clients" Remit runs on the embedded database only, not on PostgreSQL');
}

/** @param variable REMIT_DATA, which is relative to the working directory and counts first */
function resolveDataDirectory(
  setting: string | undefined,
  variable: string | undefined,
  resolvePath: (path: string) => string,
): string {
  if (variable !== undefined) return resolve(variable);
  return setting === undefined ? resolve('.remit') : resolvePath(setting);
}

/** Kubernetes sets such a REMIT_PORT in every container beside a service named "remit": no operator wrote it. */
const KUBERNETES_SERVICE_PORT = /^(?:tcp|udp|sctp):\/\//;

/** @param warnings receives a line where the value is ignored */
function parsePort(text: string | undefined, warnings: string[]): number | undefined {
  if (text === undefined) return undefined;
  if (KUBERNETES_SERVICE_PORT.test(text)) {
    warnings.push(
      'REMIT_PORT is ignored: Kubernetes set it for a service named "remit" (enableServiceLinks: false prevents it)',
    );
    return undefined;
  }
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535) throw new ConfigError(`"${text}" is not a port`, 'REMIT_PORT');
  return port;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
