/** The HTTP application: every route, made once, for production and tests alike. */
import type { ServerOptions } from 'node:https';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type onRequestHookHandler } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import type { ListenerTls } from './config.js';
import { isLoopback } from './config/hosts.js';
import { admit, Admission } from './http/admission.js';
import { partyOf, TOKEN_RATE } from './http/callers.js';
import { capabilityRoutes } from './http/capabilities.js';
import { decisionRoutes } from './http/decisions.js';
import { entityRoutes } from './http/entities.js';
import { requestIdOf } from './http/asking.js';
import { evaluationRoutes } from './http/evaluation.js';
import { filterRoutes } from './http/filter.js';
import { healthRoutes, Readiness } from './http/health.js';
import { metricsRoutes } from './http/metrics.js';
import { observeRequests } from './http/observed.js';
import { operationRoutes } from './http/operations.js';
import { badRequest, mapErrors, problem } from './http/problems.js';
import { relationshipRoutes } from './http/relationships.js';
import { revocationRoutes } from './http/revocations.js';
import { searchRoutes } from './http/search.js';
import { JsonProblem, parseJson } from './model/json.js';
import { callerId, type Party } from './model/question.js';
import type { Service } from './service.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Runs after the caller is known: its rate limit. */
    limits: onRequestHookHandler[];
    /** Whether decisions can be made, and how much is under way. */
    health: { readonly readiness: Readiness; readonly admission: Admission };
  }
}

export const MAX_BODY_BYTES = 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
/** An id of 256 code points, each at most twelve characters when percent-encoded. */
const MAX_PARAM_LENGTH = 4096;

export interface AppOptions {
  /** Nothing is logged without one. */
  readonly logger?: FastifyBaseLogger;
}

/** The application over `service`; not listening yet. Closing it doesn't close the service. */
export async function buildApp(service: Service, { logger }: AppOptions = {}): Promise<FastifyInstance> {
  const { tls } = service.config;
  const app = fastify({
    ...(tls === undefined ? {} : { https: listener(tls) }),
    ...(logger === undefined ? {} : { loggerInstance: logger }),
    // A line of each request is written by observeRequests, without anything of its own.
    logController: new fastify.LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    // Whoever sends slowly holds a connection, and a credential that was looked at when it began.
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // Who asks while the listener closes is answered, and the connection closed behind the answer.
    return503OnClosing: false,
    // Log lines are numbered; what a caller calls its request is echoed, never trusted as our own.
    requestIdHeader: false,
  }) as FastifyInstance;
  app.decorateRequest('caller', undefined);
  app.decorateRequest('proofUse', undefined);
  observeRequests(app, service);
  readStrictly(app);
  mapErrors(app);

  app.decorate('base', () => service.config.publicUrl ?? listeningAt(app, service));
  let hosts = hostsAllowed(app, service);
  app.addHook('onListen', async () => {
    hosts = hostsAllowed(app, service); // Port 0 is known only now.
  });
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
    const requestId = requestIdOf(request);
    if (requestId !== undefined) void reply.header('x-request-id', requestId);
    // An absolute target would name another host than the header does (RFC 9112 section 3.2.2).
    if (!request.url.startsWith('/')) return reply.code(400).send(problem('bad_request', 'The target must be a path.'));
    if (hosts?.has(request.headers.host ?? '') === false) {
      return reply.code(421).send(problem('host_refused', 'This Host is not served here.'));
    }
    return undefined;
  });
  // Who is kept alive finds its way to another replica before this one takes no more connections.
  app.addHook('onSend', async (_request, reply) => {
    if (health.readiness.stopping) void reply.header('connection', 'close');
  });

  const health = {
    readiness: new Readiness(service),
    admission: new Admission({ inFlight: service.config.inFlight, bodyBytes: MAX_BODY_BYTES }),
  };
  app.decorate('health', health);
  admit(app, health.admission);

  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: (_request, { statusCode }) => Object.assign(new Error('rate limited'), { statusCode }),
  });
  app.decorate('limits', [
    app.rateLimit({
      timeWindow: 1000,
      max: (request) => rateOf(partyOf(request)),
      keyGenerator: (request) => {
        const caller = partyOf(request);
        return caller.kind === 'client' ? `client:${caller.client.id}` : callerId(caller);
      },
    }) as onRequestHookHandler,
  ]);

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Remit', version: '0.1.0', description: 'An authorization engine for AI agents.' },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: "A client's key, or an agent's own delegation token" },
        },
      },
      security: [{ bearer: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  await app.register(async (routes) => {
    evaluationRoutes(routes, service);
    searchRoutes(routes, service);
    capabilityRoutes(routes, service);
    filterRoutes(routes, service);
    decisionRoutes(routes, service);
    relationshipRoutes(routes, service);
    entityRoutes(routes, service);
    revocationRoutes(routes, service);
    operationRoutes(routes, service);
    healthRoutes(routes, service, health);
    metricsRoutes(routes, service);
    routes.get('/openapi.json', { schema: { hide: true }, handler: () => app.swagger() });
    await Promise.resolve();
  });
  return app;
}

function rateOf(caller: Party): number {
  return caller.kind === 'client' ? caller.client.rate : TOKEN_RATE;
}

/** Only JSON, UTF-8, strictly; validated by zod, whose output is what handlers see. */
function readStrictly(app: FastifyInstance): void {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      if (body.length === 0) throw new JsonProblem('is empty', '');
      done(null, parseJson(utf8.decode(body as Buffer)));
    } catch (error) {
      done(error instanceof JsonProblem ? error : new JsonProblem('is not well-formed UTF-8', ''));
    }
  });
  app.setValidatorCompiler(({ schema }) => (data: unknown) => {
    const read = (schema as z.ZodType).safeParse(data);
    return read.success ? { value: read.data } : { error: badRequest(read.error) };
  });
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
}

/** On loopback a page in a browser could reach Remit under a name of its own (DNS rebinding). */
function hostsAllowed(app: FastifyInstance, service: Service): ReadonlySet<string> | undefined {
  const { host, publicUrl } = service.config;
  if (!isLoopback(host)) return undefined;
  const { port } = new URL(listeningAt(app, service));
  const suffix = port === '' ? '' : `:${port}`;
  const local = ['localhost', '127.0.0.1', '[::1]', host].map((name) => `${name}${suffix}`);
  return new Set([...local, ...(publicUrl === undefined ? [] : [new URL(publicUrl).host])]);
}

/** Where it listens; before it does, where it is configured to. */
export function listeningAt(app: FastifyInstance, service: Service): string {
  const { host } = service.config;
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : service.config.port;
  return `${service.config.tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Whose certificate it is doesn't matter here: tokens are bound to it by its thumbprint (RFC 8705 section 3). */
function listener({ certificate, key, clientCertificates }: ListenerTls): ServerOptions {
  return { cert: certificate, key, minVersion: 'TLSv1.2', requestCert: clientCertificates, rejectUnauthorized: false };
}
