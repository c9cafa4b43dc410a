/** `database` of the configuration: the embedded database, or the address, password and TLS of a PostgreSQL server. */
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import { readTextFile, displayPath } from './files.js';
import { isLoopback } from '../runtime/ip-address.js';
import { TLS_MODES, type PostgresConfig, type TlsMode } from '../store/database/postgres-config.js';

const timeoutFormat = z.number().int().min(10).max(600_000);

export const databaseFormat = z.strictObject({
  mode: z.enum(['embedded', 'postgres']).default('embedded'),
  url: z.string().min(1).optional(),
  password_file: z.string().min(1).optional(),
  password_env: z.string().min(1).optional(),
  tls: z.enum(TLS_MODES).optional(),
  ca: z.string().min(1).optional(),
  connections: z.number().int().min(1).max(1000).optional(),
  waiting: z.number().int().min(1).max(100_000).optional(),
  connect_timeout_ms: timeoutFormat.optional(),
  statement_timeout_ms: timeoutFormat.optional(),
});

export type DatabaseConfig = { readonly mode: 'embedded' } | PostgresConfig;

interface DatabaseSources {
  /** The path of the configuration file. */
  readonly path: string;
  /** DATABASE_URL. */
  readonly url: string | undefined;
  readonly readVariable: (name: string) => string | undefined;
  readonly resolvePath: (path: string) => string;
}

/**
 * Checks what holds between the options, and resolves their defaults.
 * @throws ConfigError; no message repeats the URL, which may hold a password
 */
export function resolveDatabase(settings: z.infer<typeof databaseFormat>, sources: DatabaseSources): DatabaseConfig {
  const { path, url: urlVariable, readVariable, resolvePath } = sources;
  const problem = (key: string, why: string): ConfigError =>
    new ConfigError(why, { file: displayPath(path), key: `database.${key}` });
  if (settings.mode === 'embedded' && urlVariable === undefined) {
    const misplaced = Object.keys(settings).find((key) => key !== 'mode');
    if (misplaced !== undefined) throw problem(misplaced, 'needs "mode: postgres"');
    return { mode: 'embedded' };
  }
  const url = urlVariable ?? settings.url;
  if (url === undefined) throw problem('url', 'is required with "mode: postgres", here or as DATABASE_URL');
  const {
    password: urlPassword,
    sslmode,
    ...server
  } = parseDatabaseUrl(url, (why) =>
    urlVariable === undefined ? problem('url', why) : new ConfigError(why, 'DATABASE_URL'),
  );
  const mode = settings.tls ?? sslmode ?? (isLocalHost(server.host) ? 'disable' : 'verify-full');
  if (settings.tls !== undefined && sslmode !== undefined && settings.tls !== sslmode)
    throw problem('tls', `is "${settings.tls}", and the URL's sslmode says otherwise`);
  if (settings.ca !== undefined && (mode === 'disable' || mode === 'unverified'))
    throw problem('ca', `has no effect while tls is "${mode}"`);
  return {
    mode: 'postgres',
    ...server,
    password: resolvePassword(settings, urlPassword, { problem, readVariable, resolvePath }),
    tls: { mode, ca: settings.ca === undefined ? undefined : readTextFile(resolvePath(settings.ca)) },
    connections: settings.connections ?? 10,
    waiting: settings.waiting ?? 1_000,
    connectMs: settings.connect_timeout_ms ?? 2_000,
    statementMs: settings.statement_timeout_ms ?? 5_000,
  };
}

type DatabaseAddress = Pick<PostgresConfig, 'host' | 'port' | 'user' | 'database'> & {
  readonly password: string | undefined;
  readonly sslmode: TlsMode | undefined;
};

const PROTOCOLS = ['postgres:', 'postgresql:'];
/** The modes of libpq. Its `require` accepts any certificate, which Remit does only with `tls: unverified`. */
const SSLMODES: Readonly<Record<string, TlsMode>> = {
  disable: 'disable',
  require: 'verify-full',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
};

function parseDatabaseUrl(text: string, problem: (why: string) => ConfigError): DatabaseAddress {
  let parts: string[];
  let url: URL;
  try {
    url = new URL(text);
    parts = [url.hostname.replace(/^\[|\]$/g, ''), url.username, url.password, url.pathname.slice(1)];
    parts = parts.map(decodeURIComponent);
  } catch {
    throw problem('is no URL such as postgres://user@host:5432/database');
  }
  const [host = '', user = '', password = '', name = ''] = parts;
  if (!PROTOCOLS.includes(url.protocol)) throw problem('must begin with postgres://');
  if (host === '') throw problem('names no host');
  if (user === '') throw problem('names no user');
  if (name === '' || url.hash !== '') throw problem('must end with the name of the database');
  for (const key of url.searchParams.keys())
    if (key !== 'sslmode') throw problem(`"${key}" is not allowed in the URL; use the options beside it`);
  const values = url.searchParams.getAll('sslmode');
  const sslmode = values.length === 0 ? undefined : SSLMODES[values.join(' ')];
  if (values.length > 0 && sslmode === undefined)
    throw problem(`sslmode must be one of ${Object.keys(SSLMODES).join(', ')}`);
  return {
    host,
    port: url.port === '' ? 5432 : Number(url.port),
    user,
    database: name,
    password: password === '' ? undefined : password,
    sslmode,
  };
}

/** Finds the one source of the password. A file is read anew for each connection, since it may change while the service runs. */
function resolvePassword(
  { password_file: file, password_env: name }: z.infer<typeof databaseFormat>,
  urlPassword: string | undefined,
  {
    problem,
    readVariable,
    resolvePath,
  }: Pick<DatabaseSources, 'readVariable' | 'resolvePath'> & { problem: (key: string, why: string) => ConfigError },
): () => string | undefined {
  if (file !== undefined && name !== undefined) throw problem('password_file', 'and "password_env" exclude each other');
  if (urlPassword !== undefined && (file ?? name) !== undefined)
    throw problem(
      file === undefined ? 'password_env' : 'password_file',
      'and a password in the URL exclude each other',
    );
  if (file !== undefined) {
    const readPassword = (): string => readTextFile(resolvePath(file)).replace(/\r?\n$/, '');
    if (readPassword() === '') throw problem('password_file', 'is empty');
    return readPassword;
  }
  if (name !== undefined) {
    const value = readVariable(name);
    if (value === undefined) throw problem('password_env', `${name} is not set`);
    return () => value;
  }
  return () => urlPassword;
}

/** Whether the server is on this machine, so that no network carries the connection. */
function isLocalHost(host: string): boolean {
  return isLoopback(host) || host.startsWith('/');
}
