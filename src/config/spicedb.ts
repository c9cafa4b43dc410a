/** `spicedb` of the configuration: the embedded SpiceDB, or the address and key of a server. */
import { z } from 'zod';
import type { ServerAddress } from '../graph/server/grpc-client.js';
import { ConfigError, type ConfigPlace } from '../model/faults.js';
import { readTextFile, displayPath } from './files.js';

const ENDPOINT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$/;
/** The variables of the options that the environment overrides. */
const ENVIRONMENT_VARIABLES = { endpoint: 'SPICEDB_ENDPOINT', token: 'SPICEDB_TOKEN', ca: 'SPICEDB_CA' } as const;

export const spicedbFormat = z.strictObject({
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
  /** `bounded`: answers may be up to half a second old. */
  (ServerAddress & { readonly consistency: 'full' | 'bounded' }) | undefined;

export const SPICEDB_VARIABLES: readonly string[] = Object.values(ENVIRONMENT_VARIABLES);

/**
 * Checks what holds between the options, and resolves their defaults. No message repeats the key.
 * @param env SPICEDB_ENDPOINT, SPICEDB_TOKEN and SPICEDB_CA, where set
 * @param resolvePath resolves a path of the file
 * @throws ConfigError naming the key or the variable
 */
export function resolveSpiceDb(
  {
    mode,
    token_file: tokenFile,
    insecure_plaintext: plaintext,
    consistency,
    ...settings
  }: z.infer<typeof spicedbFormat>,
  env: Readonly<Record<string, string | undefined>>,
  path: string,
  resolvePath: (path: string) => string,
): SpiceDbConfig {
  const fail = (key: string, why: string): never => {
    throw new ConfigError(why, { file: displayPath(path), key: `spicedb.${key}` });
  };
  if (mode === 'embedded') {
    const serverOptions = Object.entries({
      ...settings,
      token_file: tokenFile,
      insecure_plaintext: plaintext || undefined,
      consistency,
    });
    for (const [key, value] of serverOptions) if (value !== undefined) fail(key, 'is for "mode: server"');
    for (const name of SPICEDB_VARIABLES)
      if (env[name] !== undefined) throw new ConfigError(`is for "spicedb.mode: server" in ${displayPath(path)}`, name);
    return undefined;
  }
  const getSetting = (key: keyof typeof ENVIRONMENT_VARIABLES): string | undefined =>
    env[ENVIRONMENT_VARIABLES[key]] ?? settings[key];
  const getPlace = (key: keyof typeof ENVIRONMENT_VARIABLES): ConfigPlace =>
    env[ENVIRONMENT_VARIABLES[key]] === undefined
      ? { file: displayPath(path), key: `spicedb.${key}` }
      : { file: ENVIRONMENT_VARIABLES[key] };

  const endpoint =
    getSetting('endpoint') ??
    fail('endpoint', `is required with "mode: server" (or ${ENVIRONMENT_VARIABLES.endpoint})`);
  if (!ENDPOINT.test(endpoint) || Number(endpoint.split(':').at(-1)) > 65535)
    throw new ConfigError(`"${endpoint}" is not host:port`, getPlace('endpoint'));

  if (settings.token !== undefined && tokenFile !== undefined) fail('token_file', 'and "token" exclude each other');
  const isKeyFromFile = tokenFile !== undefined && env[ENVIRONMENT_VARIABLES.token] === undefined;
  const key = isKeyFromFile
    ? readTextFile(resolvePath(tokenFile)).trim()
    : (getSetting('token') ??
      fail('token', `is required with "mode: server" (or "token_file", or ${ENVIRONMENT_VARIABLES.token})`));
  // The key is sent as a header. The message must not repeat it.
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new ConfigError(
      'must be printable ASCII without spaces',
      isKeyFromFile ? { file: displayPath(path), key: 'spicedb.token_file' } : getPlace('token'),
    );

  const ca = getSetting('ca');
  if (plaintext && ca !== undefined) fail('insecure_plaintext', 'and "ca" exclude each other');
  const server = { endpoint, key, plaintext, consistency: consistency ?? 'full' };
  if (ca === undefined) return { ...server, ca: undefined };
  // A path of the environment is relative to the working directory, one of the file to the file.
  const authority = readTextFile(env[ENVIRONMENT_VARIABLES.ca] === undefined ? resolvePath(ca) : ca);
  if (!authority.includes('-----BEGIN CERTIFICATE-----'))
    throw new ConfigError(`${displayPath(resolvePath(ca))} holds no certificate in PEM`, getPlace('ca'));
  return { ...server, ca: authority };
}
