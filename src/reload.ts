/**
 * Reading the configuration again while the service runs. What can change without a restart is who may call and whose
 * tokens are believed (`access.ts`), and the listeners' certificates. All of it is taken over, or nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import { checkAccess, type Access } from './access.js';
import type { Config } from './config.js';
import { readSources, shown } from './config/files.js';
import type { Listener, ListenerTls } from './config/listener.js';
import { ConfigError } from './model/faults.js';
import { versionOf, type Rules } from './rules/load.js';

export interface Running {
  readonly config: Config;
  readonly access: Access;
  readonly rules: () => Rules;
}

/** One that is open, and what of its certificates can be replaced. */
export interface Renewable {
  readonly listener: Listener;
  readonly renew: (tls: ListenerTls) => void;
}

/** What a running service keeps as it began, by the names that the operator knows. */
const FIXED: readonly (readonly [string, (config: Config) => unknown])[] = [
  ['listen', (c) => [c.host, c.port, c.publicUrl, c.trustedProxies, outline(c.tls)]],
  ['listen.admin', (c) => c.admin && [c.admin.host, c.admin.port, outline(c.admin.tls)]],
  ['schema', (c) => [c.sources.relationships, c.sources.actions]],
  ['policies', (c) => c.sources.policies],
  ['world', (c) => c.world],
  ['data', (c) => c.data],
  ['spicedb', (c) => c.spicedb],
  // Where it gets its password from is asked for each connection, and can't be compared.
  ['database', (c) => JSON.stringify(c.database)],
  ['limits', (c) => [c.deadlineMs, c.limits]],
  ['shutdown', (c) => c.shutdown],
  ['telemetry', (c) => c.traces],
  ['logs', (c) => c.logs],
];

/**
 * @param next the configuration as it is now
 * @param current what the service has of clients, issuers and certificates
 * @returns lines for the operator: what is taken over, and what needs a restart
 * @throws ConfigError, with everything as it was
 */
export async function reload(
  next: Config,
  current: Pick<Config, 'clients' | 'issuers'>,
  service: Running,
  listening: readonly Renewable[],
): Promise<string[]> {
  const { config, access, rules } = service;
  if ((next.clients.length === 0) !== (config.clients.length === 0))
    throw new ConfigError('clients: to or from the development client needs a restart', shown(next.file));
  await checkAccess(next, rules());

  // From here on nothing can fail, and nothing waits: no request sees half of it.
  access.replace(next);
  for (const { listener, renew } of listening) {
    const tls = certificatesOf(listener, config, next);
    if (tls !== undefined) renew(tls);
  }
  return [
    `clients: ${changes(current.clients, next.clients, ({ id }) => id)}`,
    `issuers: ${changes(current.issuers, next.issuers, ({ issuer }) => issuer)}`,
    ...listening.flatMap(({ listener }) =>
      certificatesOf(listener, config, next) === undefined
        ? []
        : [`certificates of ${listener.host}:${listener.port}: read again`],
    ),
    ...fixed(config, next, rules().version).map((name) => `${name}: changed, which needs a restart`),
  ];
}

/** Undefined where there are none to replace, or more than certificates has changed. */
function certificatesOf(listener: Listener, config: Config, next: Config): ListenerTls | undefined {
  const tls = listener === config.admin ? next.admin?.tls : next.tls;
  return isDeepStrictEqual(outline(tls), outline(listener.tls)) ? tls : undefined;
}

/** What of TLS is decided when a listener begins. */
function outline(tls: ListenerTls | undefined): unknown {
  return tls === undefined ? undefined : [tls.clientCertificates, tls.clientCa !== undefined];
}

function fixed(config: Config, next: Config, version: string): string[] {
  const names = FIXED.filter(([, of]) => !isDeepStrictEqual(of(config), of(next))).map(([name]) => name);
  return names.includes('schema') || names.includes('policies') || isVersion(next, version)
    ? names
    : [...names, 'the files of the schema or the policies'];
}

function isVersion({ sources }: Config, version: string): boolean {
  try {
    return versionOf(readSources(sources)) === version;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

function changes<T>(before: readonly T[], after: readonly T[], name: (one: T) => string): string {
  const old = new Map(before.map((one) => [name(one), one]));
  const now = new Map(after.map((one) => [name(one), one]));
  const said = [
    ...after.filter((one) => !old.has(name(one))).map((one) => `added ${name(one)}`),
    ...after
      .filter((one) => old.has(name(one)) && !isDeepStrictEqual(old.get(name(one)), one))
      .map((one) => `changed ${name(one)}`),
    ...before.filter((one) => !now.has(name(one))).map((one) => `removed ${name(one)}`),
  ];
  return said.length === 0 ? 'as they were' : said.join(', ');
}
