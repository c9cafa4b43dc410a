/** How a PostgreSQL server is reached, and how far it is trusted. */

/**
 * How much of the server's identity is checked. `verify-full`: its certificate and its name; `verify-ca`: that its
 * certificate is of the authority, whatever name it has; `unverified`: nothing, whoever answers is believed; `disable`:
 * no TLS at all.
 */
export const TLS_MODES = ['verify-full', 'verify-ca', 'unverified', 'disable'] as const;
export type TlsMode = (typeof TLS_MODES)[number];

export interface PostgresConfig {
  readonly mode: 'postgres';
  /** A name, an address, or the directory of a socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Asked for each connection, and nowhere kept. @throws ConfigError */
  readonly password: () => string | undefined;
  /** `ca`: PEM text; undefined: those that Node.js knows. */
  readonly tls: { readonly mode: TlsMode; readonly ca?: string | undefined };
  /** At most so many at once, of this process. */
  readonly connections: number;
  /** Lists that may wait for a connection. */
  readonly waiting: number;
  readonly connectMs: number;
  readonly statementMs: number;
}
