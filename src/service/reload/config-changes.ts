/** Compares a configuration that was read again with the running one: what changed, and what needs a restart. `apply.ts` calls it. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../../config/config.js';
import { readSources } from '../../config/files.js';
import { describeWebhookEndpoint, type WebhookEndpoint } from '../../notify/webhook-endpoint.js';
import type { Listener, ListenerTls } from '../../config/listener.js';
import { ConfigError } from '../../model/faults.js';
import { hashSources } from '../../policy/load.js';

/** Settings that need a restart, by their names in the configuration. */
const RESTART_SETTINGS: readonly (readonly [string, (config: Config) => unknown])[] = [
  ['listen', (c) => [c.host, c.port, c.publicUrl, c.trustedProxies, outlineTls(c.tls)]],
  ['listen.admin', (c) => c.admin && [c.admin.host, c.admin.port, outlineTls(c.admin.tls)]],
  ['schema', (c) => [c.sources.relationships, c.sources.actions]],
  ['policies', (c) => c.sources.policies],
  ['zone', (c) => c.sources.zone],
  ['history', (c) => c.sources.longestHistoryMs],
  ['world', (c) => c.world],
  ['data', (c) => c.data],
  ['spicedb', (c) => c.spicedb],
  // The password is a function, which is called for each connection and can not be compared.
  ['database', (c) => JSON.stringify(c.database)],
  ['limits', (c) => [c.deadlineMs, c.limits]],
  ['shutdown', (c) => c.shutdown],
  ['telemetry', (c) => c.traces],
  ['logs', (c) => c.logs],
  ['reload', (c) => c.reload],
  ['records', (c) => c.records],
  ['audit', (c) => c.audit],
  ['approvals', (c) => c.approvals],
  ['signing', (c) => c.signing],
  ['reviews', (c) => c.reviewDueMs],
];

/** The settings of TLS that a listener fixes at its start. */
function outlineTls(tls: ListenerTls | undefined): unknown {
  return tls === undefined ? undefined : [tls.clientCertificates, tls.clientCa !== undefined];
}

/** @param version the one in force, where policy files are read at start only; otherwise undefined */
export function findRestartChanges(config: Config, next: Config, version: string | undefined): string[] {
  const names = RESTART_SETTINGS.filter(([, of]) => !isDeepStrictEqual(of(config), of(next))).map(([name]) => name);
  return version === undefined || names.includes('schema') || names.includes('policies') || hasVersion(next, version)
    ? names
    : [...names, 'the files of the schema or the policies'];
}

/** The certificates to replace; undefined where there are none, or more than certificates has changed. */
export function findRenewedCertificates(listener: Listener, config: Config, next: Config): ListenerTls | undefined {
  const tls = listener === config.admin ? next.admin?.tls : next.tls;
  return isDeepStrictEqual(outlineTls(tls), outlineTls(listener.tls)) ? tls : undefined;
}

function hasVersion({ sources }: Config, version: string): boolean {
  try {
    return hashSources(readSources(sources)) === version;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

export function describeChanges<T>(before: readonly T[], after: readonly T[], getName: (item: T) => string): string {
  const previous = new Map(before.map((item) => [getName(item), item]));
  const next = new Map(after.map((item) => [getName(item), item]));
  const phrases = [
    ...after.filter((item) => !previous.has(getName(item))).map((item) => `added ${getName(item)}`),
    ...after
      .filter((item) => previous.has(getName(item)) && !isDeepStrictEqual(previous.get(getName(item)), item))
      .map((item) => `changed ${getName(item)}`),
    ...before.filter((item) => !next.has(getName(item))).map((item) => `removed ${getName(item)}`),
  ];
  return phrases.length === 0 ? 'as they were' : phrases.join(', ');
}

/** Says what has changed of the receivers of notifications; nothing where there are none. Their URLs may be secrets. */
export function describeNotificationChanges(
  before: readonly WebhookEndpoint[],
  after: readonly WebhookEndpoint[],
): string[] {
  if (before.length + after.length === 0) return [];
  return isDeepStrictEqual(before, after)
    ? ['notifications: as they were']
    : [`notifications: changed, sent to ${after.map(describeWebhookEndpoint).join(', ') || 'no system'}`];
}
