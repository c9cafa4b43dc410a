/** `spicedb` of the configuration: inside the process, or a server that the platform operates. */
import { z } from 'zod';
import type { ServerAddress } from '../graph/server/connection.js';
import { ConfigError } from '../model/faults.js';
import { readText, shown } from './files.js';

const ENDPOINT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$/;
/** Their places in the file and in the environment, which comes first. */
const VARIABLES = { endpoint: 'SPICEDB_ENDPOINT', token: 'SPICEDB_TOKEN', ca: 'SPICEDB_CA' } as const;

export const spicedb = z.strictObject({
  mode: z.enum(['embedded', 'server'], 'must be "embedded" or "server"').default('embedded'),
  endpoint: z.string().min(1).optional(),
  token: z.string().min(1).optional(),
  token_file: z.string().min(1).optional(),
  ca: z.string().min(1).optional(),
  insecure_plaintext: z.boolean().default(false),
  consistency: z.enum(['full', 'bounded'], 'must be "full" or "bounded"').optional(),
});

/** undefined: embedded. */
export type SpiceDbConfig =
  /** `bounded`: an answer may be one of up to half a second ago. */
  (ServerAddress & { readonly consistency: 'full' | 'bounded' }) | undefined;

export const SPICEDB_VARIABLES: readonly string[] = Object.values(VARIABLES);

/**
 * What holds between them. No message says the key.
 * @param env SPICEDB_ENDPOINT, SPICEDB_TOKEN, SPICEDB_CA, those that are set
 * @param within resolves a path of the file
 * @throws ConfigError naming the key or the variable
 */
export function spicedbOf(
  { mode, token_file: tokenFile, insecure_plaintext: plaintext, consistency, ...read }: z.infer<typeof spicedb>,
  env: Readonly<Record<string, string | undefined>>,
  path: string,
  within: (path: string) => string,
): SpiceDbConfig {
  const fail = (key: string, why: string): never => {
    throw new ConfigError(`spicedb.${key}: ${why}`, shown(path));
  };
  if (mode === 'embedded') {
    const given = Object.entries({
      ...read,
      token_file: tokenFile,
      insecure_plaintext: plaintext || undefined,
      consistency,
    });
    for (const [key, value] of given) if (value !== undefined) fail(key, 'is for "mode: server"');
    for (const name of SPICEDB_VARIABLES)
      if (env[name] !== undefined) throw new ConfigError(`is for "spicedb.mode: server" in ${shown(path)}`, name);
    return undefined;
  }
  const value = (key: keyof typeof VARIABLES): string | undefined => env[VARIABLES[key]] ?? read[key];
  const place = (key: keyof typeof VARIABLES): string =>
    env[VARIABLES[key]] === undefined ? `${shown(path)}: spicedb.${key}` : VARIABLES[key];

  const endpoint = value('endpoint') ?? fail('endpoint', `is required with "mode: server" (or ${VARIABLES.endpoint})`);
  if (!ENDPOINT.test(endpoint) || Number(endpoint.split(':').at(-1)) > 65535)
    throw new ConfigError(`"${endpoint}" is not host:port`, place('endpoint'));

  if (read.token !== undefined && tokenFile !== undefined) fail('token_file', 'and "token" exclude each other');
  const fromFile = tokenFile !== undefined && env[VARIABLES.token] === undefined;
  const key = fromFile
    ? readText(within(tokenFile)).trim()
    : (value('token') ?? fail('token', `is required with "mode: server" (or "token_file", or ${VARIABLES.token})`));
  // It travels as a header. What it is, nobody is told.
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new ConfigError(
      'must be printable ASCII without spaces',
      fromFile ? `${shown(path)}: spicedb.token_file` : place('token'),
    );

  const ca = value('ca');
  if (plaintext && ca !== undefined) fail('insecure_plaintext', 'and "ca" exclude each other');
  const chosen = { endpoint, key, plaintext, consistency: consistency ?? 'full' };
  if (ca === undefined) return { ...chosen, ca: undefined };
  // A path of the environment's is where the operator stands; one of the file's is beside it.
  const authority = readText(env[VARIABLES.ca] === undefined ? within(ca) : ca);
  if (!authority.includes('-----BEGIN CERTIFICATE-----'))
    throw new ConfigError(`${shown(within(ca))} holds no certificate in PEM`, place('ca'));
  return { ...chosen, ca: authority };
}
