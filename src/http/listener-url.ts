/** The URL of a listener, as it is bound. */
import type { FastifyInstance } from 'fastify';
import type { Listener } from '../config/listener.js';

/** The URL that the listener has; before it listens, the one that is configured. */
export function getListenerUrl(app: FastifyInstance, { host, port: configured, tls }: Listener): string {
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : configured;
  return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
