/** The security headers of every answer. Browsers have no use for Remit apart from `/docs`. */
import type { FastifyReply } from 'fastify';

/** No answer may be cached, framed or read as a page. */
export const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** Two years, for this host only: Remit doesn't know its subdomains. */
const HSTS = 'max-age=63072000';

/** The policy for `/docs`, which is a page: it may load its own scripts and styles, and can't be framed. */
export const DOCS_CONTENT_SECURITY_POLICY =
  "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'";

export function setSecurityHeaders(reply: FastifyReply, isEncrypted: boolean): void {
  void reply.headers(SECURITY_HEADERS);
  if (isEncrypted) void reply.header('strict-transport-security', HSTS);
}
