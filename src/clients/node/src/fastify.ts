/**
 * A plugin for Fastify: each route says what it asks (`config: { remit: { action, resource } }`) or that it is public
 * (`config: { public: true }`); one that says neither stops the start.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { Evaluation, Obligation } from 'remit-client';
import { COMPARING_HEADERS, HeaderFilter, selectUnsafeHeaders } from './answer-headers.js';
import { Guard, requireRouteQuestion } from './guard.js';
import { collectStream, maskBody } from './masked-body.js';
import { refuseMisconfigured, refuseUnmasked, type Refusal } from './refusal.js';
import type { GuardOptions, RouteQuestion } from './route-question.js';
import { forgetReason, sealResponse } from './sealed-response.js';
import { isSentWhole } from './sent-response.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    remit?: RouteQuestion<FastifyRequest>;
    public?: boolean;
  }
  interface FastifyRequest {
    /** The decision that let the request through; null on public routes. */
    remit: Evaluation | null;
  }
}

export interface FastifyGuardOptions extends GuardOptions<FastifyRequest> {
  /** Routes of other plugins that are public, each as `METHOD /path`. */
  readonly open?: readonly string[];
}

/** The masks of a request's answer, what may be sent beside it, and how it is unsealed once they are carried out. */
interface Masking {
  readonly masks: readonly Obligation[];
  readonly headers: HeaderFilter;
  readonly unseal: () => void;
}

const plugin: FastifyPluginAsync<FastifyGuardOptions> = async (app, options) => {
  // Routes from before this are none that the hooks below look at.
  if (app.printRoutes({ commonPrefix: false }).includes('─'))
    throw new TypeError('remit: register the plugin before any route, with `await app.register(…)`');
  const guard = new Guard(options);
  const open = new Set(options.open ?? []);
  const masking = new WeakMap<FastifyRequest, Masking>();
  const failures = new WeakMap<FastifyRequest, string>();
  const isOpen = ({ config, method, url }: Pick<RouteOptions, 'config' | 'method' | 'url'>): boolean =>
    config?.public === true || [method].flat().every((name) => open.has(`${name} ${url}`));

  app.decorateRequest('remit', null);
  app.addHook('onRoute', (route) => {
    const place = `${String(route.method)} ${route.url}`;
    const question = route.config?.remit;
    if (question === undefined && !isOpen(route))
      throw new TypeError(`remit: ${place} neither asks a question (config.remit) nor is public (config.public)`);
    if (question === undefined) return;
    if (isOpen(route)) throw new TypeError(`remit: ${place} can not ask a question and be public`);
    requireRouteQuestion(question);
  });
  app.addHook('preHandler', async (request, reply) => {
    if (request.is404) return undefined;
    const { config, method, url = '' } = request.routeOptions;
    const question = config.remit;
    if (question === undefined)
      return isOpen({ config, method, url }) ? undefined : refuse(reply, refuseMisconfigured());
    const passage = await guard.ask(question, request, {
      method: request.method,
      path: request.raw.url ?? '',
      header: (name) => [request.raw.headers[name]].flat()[0],
    });
    if (!passage.isAllowed) return refuse(reply, passage.refusal);
    request.remit = passage.evaluation;
    if (passage.masks.length > 0) {
      for (const name of COMPARING_HEADERS) Reflect.deleteProperty(request.raw.headers, name);
      const headers = new HeaderFilter(Object.entries(reply.getHeaders()), options.unmaskedHeaders);
      masking.set(request, { masks: passage.masks, headers, unseal: sealResponse(reply.raw) });
      // One that is set would be announced, and never come.
      Object.assign(reply, { trailer: () => reply });
    }
    return undefined;
  });
  app.addHook('onError', async (request, _reply, error) => {
    if (masking.has(request)) failures.set(request, JSON.stringify(error.message));
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const masked = masking.get(request);
    if (masked === undefined) return payload;
    // An error's text, as the framework itself answers with it, may have what is to be masked.
    const text = failures.get(request);
    const body =
      text !== undefined && typeof payload === 'string' && payload.includes(text)
        ? refusePayload(reply)
        : await maskPayload(reply, payload, masked, options.maxMaskedBytes);
    masked.unseal();
    return body;
  });
  app.addHook('onResponse', async (request, reply) => {
    if (request.remit !== null && isSentWhole(reply.raw)) guard.report(request.remit, reply.statusCode);
  });
};
// Fastify gives a plugin a scope of its own unless it says that it is for the whole application.
Object.assign(plugin, { [Symbol.for('skip-override')]: true, [Symbol.for('fastify.display-name')]: 'remit' });
export default plugin;

function refuse(reply: FastifyReply, { status, headers, body }: Refusal): FastifyReply {
  return reply.code(status).headers(headers).serializer(JSON.stringify).send(body);
}

async function maskPayload(
  reply: FastifyReply,
  payload: unknown,
  { masks, headers }: Masking,
  maxBytes: number | undefined,
): Promise<unknown> {
  // The frameworks' own test, since there may be several classes of this name.
  if (isResponse(payload)) {
    reply.code(payload.status);
    for (const [name, value] of payload.headers) reply.header(name, value);
    payload = payload.body;
  }
  removeHeaders(reply, headers.selectUnsent(Object.entries(reply.getHeaders())));
  forgetReason(reply.raw);
  if (payload === undefined || payload === null) return payload;
  const isStream = typeof payload === 'object' && Symbol.asyncIterator in payload;
  const head = {
    contentType: reply.getHeader('content-type') as string | undefined,
    contentEncoding: reply.getHeader('content-encoding') as string | undefined,
    status: reply.statusCode,
    leadsElsewhere: reply.hasHeader('location'),
  };
  const body = await collectStream(isStream ? (payload as AsyncIterable<unknown>) : [payload], head, maxBytes);
  const masked = maskBody(body, head, masks);
  return masked ?? refusePayload(reply);
}

/** Replaces an answer that can't be shown. @returns the body */
function refusePayload(reply: FastifyReply): string {
  const refusal = refuseUnmasked(reply.statusCode);
  removeHeaders(reply, selectUnsafeHeaders(Object.keys(reply.getHeaders())));
  reply.code(refusal.status).headers(refusal.headers);
  return JSON.stringify(refusal.body);
}

/** A header may have been set on Node's response as well, from which it would be sent. */
function removeHeaders(reply: FastifyReply, names: readonly string[]): void {
  for (const name of names) {
    reply.removeHeader(name);
    reply.raw.removeHeader(name);
  }
}

function isResponse(payload: unknown): payload is Response {
  return Object.prototype.toString.call(payload) === '[object Response]';
}
