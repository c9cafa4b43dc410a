/** The credential that a request presents. */
import type { FastifyRequest } from 'fastify';

/** Reads the scheme, in lower case, and the credential; both undefined where the header is absent or of another scheme. */
export function parseAuthorizationHeader({ headers }: FastifyRequest): {
  readonly scheme: string | undefined;
  readonly credential: string | undefined;
} {
  const [, scheme, credential] = /^(Bearer|DPoP) +([A-Za-z0-9._~+/=-]+)$/i.exec(headers.authorization ?? '') ?? [];
  return { scheme: scheme?.toLowerCase(), credential };
}
