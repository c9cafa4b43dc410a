/** `listen` of the configuration: addresses, TLS, client certificates and trusted proxies. */
import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import { readTextFile, displayPath } from './files.js';
import { isLoopback, readNetwork } from '../runtime/ip-address.js';

/** A URL that paths are appended to. */
const publicUrlFormat = z.url({ protocol: /^https?$/, abort: true }).refine((text) => {
  const { search, hash, username, password } = new URL(text);
  return search + hash + username + password === '';
}, 'must have no query, fragment or password');

/** A network as the one spelling that it has. */
const networkFormat = z
  .string()
  .refine(
    (text) => readNetwork(text) !== undefined,
    'must be an address such as 10.0.0.7, or a network such as 10.0.0.0/8',
  )
  .overwrite((text) => readNetwork(text) ?? text);

const hostFormat = z.string().min(1).default('127.0.0.1');
const portFormat = z.number().int().min(0).max(65535);
const tlsFormat = z
  .strictObject({
    certificate: z.string().min(1),
    key: z.string().min(1),
    client_certificates: z.boolean().default(false),
    client_ca: z.string().min(1).optional(),
  })
  .optional();

export const listenFormat = z
  .strictObject({
    host: hostFormat,
    port: portFormat.default(7480),
    public_url: publicUrlFormat.optional(),
    tls: tlsFormat,
    trusted_proxies: z.array(networkFormat).max(100).default([]),
    admin: z.strictObject({ host: hostFormat, port: portFormat, tls: tlsFormat }).optional(),
  })
  .prefault({});

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** The URL at which callers reach it; undefined: the one it listens at. */
  readonly publicUrl: string | undefined;
  /** undefined: plain HTTP. */
  readonly tls: ListenerTls | undefined;
}

export interface ListenerTls {
  /** PEM texts. */
  readonly certificate: string;
  readonly key: string;
  /** The authorities that must have issued callers' certificates; undefined: callers need none. */
  readonly clientCa: string | undefined;
  /** Whether callers are asked for a certificate, of `clientCa` or else of any authority. Tokens may be bound to it. */
  readonly clientCertificates: boolean;
}

/**
 * Resolves the main listener, and the one for administration where it is configured.
 * @param overrides values of the environment
 * @throws ConfigError
 */
export function resolveListeners(
  settings: z.infer<typeof listenFormat>,
  path: string,
  resolvePath: (path: string) => string,
  overrides: { readonly host: string | undefined; readonly port: number | undefined },
): { main: Listener; admin: Listener | undefined } {
  const main: Listener = {
    host: overrides.host ?? settings.host,
    port: overrides.port ?? settings.port,
    publicUrl: settings.public_url?.replace(/\/$/, ''),
    tls: resolveTls(settings.tls, 'listen.tls', path, resolvePath),
  };
  if (settings.admin === undefined) return { main, admin: undefined };
  const admin: Listener = {
    host: settings.admin.host,
    port: settings.admin.port,
    publicUrl: undefined,
    tls: resolveTls(settings.admin.tls, 'listen.admin.tls', path, resolvePath),
  };
  if (admin.port === main.port && admin.port !== 0 && admin.host === main.host)
    throw new ConfigError('is the port of the main listener', { file: displayPath(path), key: 'listen.admin.port' });
  if (main.tls !== undefined && admin.tls === undefined && !isLoopback(admin.host))
    throw new ConfigError(
      `is required beside "listen.tls": admin keys would travel to ${admin.host} without encryption`,
      { file: displayPath(path), key: 'listen.admin.tls' },
    );
  return { main, admin };
}

/** Reads certificate and key. @throws ConfigError, also where they don't belong together */
function resolveTls(
  settings: z.infer<typeof tlsFormat>,
  place: string,
  path: string,
  resolvePath: (path: string) => string,
): ListenerTls | undefined {
  if (settings === undefined) return undefined;
  if (settings.client_ca !== undefined && settings.client_certificates)
    throw new ConfigError('"client_ca" asks for certificates already, "client_certificates" is for those of any origin', { file: displayPath(path), key: place }); // prettier-ignore
  const clientCa = settings.client_ca === undefined ? undefined : readTextFile(resolvePath(settings.client_ca));
  // OpenSSL would take a file without certificates for one that trusts no authority.
  if (clientCa?.includes('-----BEGIN CERTIFICATE-----') === false)
    throw new ConfigError(`${displayPath(resolvePath(settings.client_ca ?? ''))} holds no certificate in PEM`, { file: displayPath(path), key: `${place}.client_ca` }); // prettier-ignore
  const listenerTls: ListenerTls = {
    certificate: readTextFile(resolvePath(settings.certificate)),
    key: readTextFile(resolvePath(settings.key)),
    clientCa,
    clientCertificates: settings.client_certificates || clientCa !== undefined,
  };
  try {
    createSecureContext({ cert: listenerTls.certificate, key: listenerTls.key, ca: clientCa });
  } catch (error) {
    throw new ConfigError((error as { reason?: string }).reason ?? 'is not understood', {
      file: displayPath(path),
      key: place,
    });
  }
  return listenerTls;
}
