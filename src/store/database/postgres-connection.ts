/** Connections to a PostgreSQL server: the driver's configuration, and sessions that end a query without an answer. */
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { TypeOverrides, types, type Client, type ClientConfig } from 'pg';
import { Fault } from '../../model/faults.js';
import type { DatabaseRow } from './port.js';
import type { PostgresConfig } from './postgres-config.js';
import { applicationName, type DatabaseSession } from './postgres-session.js';

/** The time that an answer may take beyond the server's own timeout: after it, the network or the server is down. */
export const RESPONSE_GRACE_MS = 1_000;

/** The driver parses bigint as text; ours are sequence numbers and seconds, far below 2^53. */
const typeParsers = new TypeOverrides();
typeParsers.setTypeParser(types.builtins.INT8, Number);

export function buildClientConfig(config: PostgresConfig): ClientConfig {
  return {
    host: config.host,
    port: config.port,
    user: config.user,
    database: config.database,
    password: () => readPassword(config),
    ssl: buildTlsOptions(config),
    sslnegotiation: 'postgres',
    client_encoding: 'UTF8',
    application_name: applicationName(),
    types: typeParsers,
    connectionTimeoutMillis: config.connectMs,
  };
}

/** The address of the database, without user and password: for messages. */
export function databaseAddress({ host, port, database }: PostgresConfig): string {
  return `postgres://${host.includes(':') ? `[${host}]` : encodeURIComponent(host)}:${port}/${encodeURIComponent(database)}`;
}

/** Statements that connections keep prepared: planning a look-up takes longer than to run it. */
const MAX_PREPARED_STATEMENTS = 200;
const statementNames = new Map<string, string>();

/** The name by which each connection prepares the statement; undefined where too many are, or where it has no parameters. */
function toStatementName(sql: string, values: readonly unknown[]): string | undefined {
  if (values.length === 0) return undefined;
  const knownName = statementNames.get(sql);
  if (knownName !== undefined || statementNames.size >= MAX_PREPARED_STATEMENTS) return knownName;
  const name = `remit_${statementNames.size}`;
  statementNames.set(sql, name);
  return name;
}

/**
 * Opens a session on a connection. The server itself ends a statement that takes too long; where even that answer doesn't
 * come, the connection is destroyed.
 * @param ms the server's timeout
 */
export function openSession(client: Client, ms: number): DatabaseSession {
  return {
    query: async (text, values) => {
      const watchdog = setTimeout(() => {
        client.connection.stream.destroy(new Error(`no answer within ${ms + RESPONSE_GRACE_MS} ms`));
      }, ms + RESPONSE_GRACE_MS);
      try {
        const name = toStatementName(text, values);
        return await client.query<DatabaseRow>({ text, values: [...values], ...(name === undefined ? {} : { name }) });
      } finally {
        clearTimeout(watchdog);
      }
    },
  };
}

/** Reads the password, which the driver asks for only if the server does. @throws Fault where there is none */
function readPassword({ password }: PostgresConfig): string {
  const secret = password();
  if (secret === undefined || secret === '')
    throw new Fault('database_unavailable', 'the server asks for a password, and none is configured');
  return secret;
}

function buildTlsOptions({ host, tls }: PostgresConfig): ConnectionOptions | false {
  if (tls.mode === 'disable') return false;
  return {
    minVersion: 'TLSv1.2',
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    rejectUnauthorized: tls.mode !== 'unverified',
    // The configured name is checked, even where it is an address.
    checkServerIdentity: (_name, certificate) =>
      tls.mode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
  };
}
