/** `database` of the configuration: the embedded one, or a PostgreSQL server with how it is reached and how far it is trusted. */
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import { readText, shown } from './files.js';
import { isLoopback } from './loopback.js';
import { TLS_MODES, type PostgresConfig, type TlsMode } from '../store/database/postgres-config.js';

const milliseconds = z.number().int().min(10).max(600_000);

export const database = z.strictObject({
  mode: z.enum(['embedded', 'postgres']).default('embedded'),
  url: z.string().min(1).optional(),
  password_file: z.string().min(1).optional(),
  password_env: z.string().min(1).optional(),
  tls: z.enum(TLS_MODES).optional(),
  ca: z.string().min(1).optional(),
  connections: z.number().int().min(1).max(1000).optional(),
  waiting: z.number().int().min(1).max(100_000).optional(),
  connect_timeout_ms: milliseconds.optional(),
  statement_timeout_ms: milliseconds.optional(),
});

export type DatabaseConfig = { readonly mode: 'embedded' } | PostgresConfig;

interface Surroundings {
  /** The configuration's own path. */
  readonly path: string;
  /** DATABASE_URL. */
  readonly url: string | undefined;
  readonly variable: (name: string) => string | undefined;
  readonly within: (path: string) => string;
}

/** What holds between the options. @throws ConfigError; the URL itself is never repeated, it may hold a password */
export function databaseOf(read: z.infer<typeof database>, around: Surroundings): DatabaseConfig {
  const { path, url: given, variable, within } = around;
  const problem = (key: string, why: string): ConfigError => new ConfigError(`database.${key}: ${why}`, shown(path));
  if (read.mode === 'embedded' && given === undefined) {
    const strange = Object.keys(read).find((key) => key !== 'mode');
    if (strange !== undefined) throw problem(strange, 'needs "mode: postgres"');
    return { mode: 'embedded' };
  }
  const url = given ?? read.url;
  if (url === undefined) throw problem('url', 'is required with "mode: postgres", here or as DATABASE_URL');
  const {
    password: inUrl,
    sslmode,
    ...server
  } = addressOf(url, (why) => (given === undefined ? problem('url', why) : new ConfigError(why, 'DATABASE_URL')));
  const mode = read.tls ?? sslmode ?? (isLocal(server.host) ? 'disable' : 'verify-full');
  if (read.tls !== undefined && sslmode !== undefined && read.tls !== sslmode)
    throw problem('tls', `is "${read.tls}", and the URL's sslmode says otherwise`);
  if (read.ca !== undefined && (mode === 'disable' || mode === 'unverified'))
    throw problem('ca', `has no part in anything while tls is "${mode}"`);
  return {
    mode: 'postgres',
    ...server,
    password: passwordFrom(read, inUrl, { problem, variable, within }),
    tls: { mode, ca: read.ca === undefined ? undefined : readText(within(read.ca)) },
    connections: read.connections ?? 10,
    waiting: read.waiting ?? 1_000,
    connectMs: read.connect_timeout_ms ?? 2_000,
    statementMs: read.statement_timeout_ms ?? 5_000,
  };
}

type Address = Pick<PostgresConfig, 'host' | 'port' | 'user' | 'database'> & {
  readonly password: string | undefined;
  readonly sslmode: TlsMode | undefined;
};

const PROTOCOLS = ['postgres:', 'postgresql:'];
/** libpq's words. Its `require` checks nobody's identity, which here is asked for by name or not had. */
const SSLMODES: Readonly<Record<string, TlsMode>> = {
  disable: 'disable',
  require: 'verify-full',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
};

function addressOf(text: string, problem: (why: string) => ConfigError): Address {
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
    if (key !== 'sslmode') throw problem(`"${key}" can't be said in the URL; see the options beside it`);
  const asked = url.searchParams.getAll('sslmode');
  const sslmode = asked.length === 0 ? undefined : SSLMODES[asked.join(' ')];
  if (asked.length > 0 && sslmode === undefined)
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

/** From one place; a file is read anew each time, since it may be changed while the service runs. */
function passwordFrom(
  { password_file: file, password_env: name }: z.infer<typeof database>,
  inUrl: string | undefined,
  {
    problem,
    variable,
    within,
  }: Pick<Surroundings, 'variable' | 'within'> & { problem: (key: string, why: string) => ConfigError },
): () => string | undefined {
  if (file !== undefined && name !== undefined) throw problem('password_file', 'and "password_env" exclude each other');
  if (inUrl !== undefined && (file ?? name) !== undefined)
    throw problem(
      file === undefined ? 'password_env' : 'password_file',
      'and a password in the URL exclude each other',
    );
  if (file !== undefined) {
    const read = (): string => readText(within(file)).replace(/\r?\n$/, '');
    if (read() === '') throw problem('password_file', 'is empty');
    return read;
  }
  if (name !== undefined) {
    const value = variable(name);
    if (value === undefined) throw problem('password_env', `${name} is not set`);
    return () => value;
  }
  return () => inUrl;
}

/** Nothing between here and there that could be listened to. */
function isLocal(host: string): boolean {
  return isLoopback(host) || host.startsWith('/');
}
