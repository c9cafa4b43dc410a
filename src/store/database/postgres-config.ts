/** The configuration of a PostgreSQL server: its address, its limits, and the check of its identity. */

/**
 * The check of the server's identity. `verify-full`: its certificate and its name. `verify-ca`: that the authority has
 * signed its certificate, whatever name it has. `unverified`: nothing, any server is accepted. `disable`: no TLS.
 */
export const TLS_MODES = ['verify-full', 'verify-ca', 'unverified', 'disable'] as const;
export type TlsMode = (typeof TLS_MODES)[number];

export interface PostgresConfig {
  readonly mode: 'postgres';
  /** A name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Reads the password for each connection, so that it can be changed; it is not stored. @throws ConfigError */
  readonly password: () => string | undefined;
  /** `ca` is PEM text; undefined for the authorities that Node.js trusts. */
  readonly tls: { readonly mode: TlsMode; readonly ca?: string | undefined };
  /** The most connections of this process. */
  readonly connections: number;
  /** The most transactions that wait for a connection. */
  readonly waiting: number;
  readonly connectMs: number;
  readonly statementMs: number;
}
