/** The URL of a listener, as it is bound. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Listener } from '../config/listener.js';
import { isLoopback } from '../runtime/ip-address.js';

/** The URL that the listener has; before it listens, the one that is configured. */
export function getListenerUrl(app: FastifyInstance, { host, port: configured, tls }: Listener): string {
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : configured;
  return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * The URL at which the request has reached the listener: the public one, and on loopback without one the name that was
 * asked, which the guard of requests has found among its own. Elsewhere a `Host` proves nothing.
 */
export function getAskedUrl(app: FastifyInstance, listener: Listener, { headers: { host } }: FastifyRequest): string {
  if (listener.publicUrl !== undefined) return listener.publicUrl;
  const url = getListenerUrl(app, listener);
  return host !== undefined && isLoopback(listener.host) ? `${new URL(url).protocol}//${host}` : url;
}
