/**
 * Holds the routes that need no credential to a rate for each network: metadata, documentation, health. Every route
 * that doesn't authenticate its caller is one of them, so a new one has a rate from the beginning.
 */
import type { FastifyInstance, onRequestHookHandler, RouteOptions } from 'fastify';
import { isAuthentication } from './authentication.js';

/** Adds the hooks. Call it before routes are registered. */
export function limitOpenRoutes(app: FastifyInstance): void {
  const { limitNetwork } = app.rateLimiter;
  app.addHook('onRoute', (route: RouteOptions) => {
    const hooks = [route.onRequest ?? []].flat() as onRequestHookHandler[];
    // The route of HEAD is made of the one of GET, which has the hook by then.
    if (!hooks.some((hook) => isAuthentication(hook) || hook === limitNetwork))
      route.onRequest = [limitNetwork, ...hooks];
  });
  // A long answer counts as several: here, since its reader may hang up before its end.
  app.addHook('onSend', (request, reply, payload, done) => {
    const length =
      typeof payload === 'string' || Buffer.isBuffer(payload)
        ? payload.length
        : Number(reply.getHeader('content-length') ?? 0);
    if (request.caller === undefined) app.rateLimiter.countOpenAnswer(request, length);
    done(null, payload);
  });
}
