/** What every answer says to browsers, which have no business here but for `/docs`. */
import type { FastifyReply } from 'fastify';

/** Answers are for whoever asked, at that moment, and are no page. */
export const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** Two years; only this host, since Remit doesn't know what else there is below it. */
const HSTS = 'max-age=63072000';

/** Of `/docs`, which is a page: its own scripts and styles, in nobody's frame. */
export const DOCS_CONTENT_SECURITY_POLICY =
  "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'";

export function setSecurityHeaders(reply: FastifyReply, isEncrypted: boolean): void {
  void reply.headers(SECURITY_HEADERS);
  if (isEncrypted) void reply.header('strict-transport-security', HSTS);
}
