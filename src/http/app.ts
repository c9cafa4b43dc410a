/** Builds the HTTP application with every route, for production and tests alike. */
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { Listener } from '../config/listener.js';
import { installLoadShedding, Admission } from './edge/load-shedding.js';
import { getAskedUrl, getListenerUrl } from './listener-url.js';
import { capabilityRoutes } from './routes/capabilities.js';
import { accessRequestRoutes } from './routes/access-requests.js';
import { approvalAnswerRoutes } from './routes/approval-answers.js';
import { approvalRoutes } from './routes/approvals.js';
import { agentAccessRoutes } from './routes/agent-access.js';
import { consentRequestRoutes } from './routes/consent-requests.js';
import { consentLimitRoutes } from './routes/consent-limits.js';
import { consentRoutes } from './routes/consents.js';
import { decisionRoutes } from './routes/decisions.js';
import { delegationRoutes } from './routes/delegations.js';
import { entityRoutes } from './routes/entities.js';
import { eventStreamRoutes } from './routes/event-stream.js';
import { evaluationRoutes } from './routes/evaluation.js';
import { filterRoutes } from './routes/filter.js';
import { serveApiDocument } from './api-document.js';
import { PathMethods } from './edge/path-methods.js';
import { guardRequests, sendUnroutable } from './edge/request-guard.js';
import { healthRoutes, Readiness } from './routes/health.js';
import { notificationRoutes } from './routes/notifications.js';
import { indexRoutes } from './routes/index.js';
import { metricsRoutes } from './routes/metrics.js';
import { observeRequests } from './edge/observability.js';
import { discoveryRoutes, scopeRoutes } from './routes/discovery.js';
import type { ListenerScope } from './edge/listener-scope.js';
import { limitOpenRoutes } from './edge/open-routes.js';
import { personRoutes } from './routes/people.js';
import { policyRoutes } from './routes/policies.js';
import { installErrorHandlers } from './edge/errors.js';
import { compressAnswers } from './edge/compression.js';
import { installStrictParsing } from './edge/json-body.js';
import { DecisionTurns, holdTurns } from './edge/decision-turns.js';
import { endUnreadBodies, MAX_BODY_BYTES, MAX_FILTER_BODY_BYTES } from './edge/unread-body.js';
import { receiptRoutes } from './routes/receipts.js';
import { relationshipRoutes } from './routes/relationships.js';
import { reviewListRoutes, reviewRoutes } from './routes/reviews.js';
import { revocationRoutes, sessionRoutes } from './routes/revocations.js';
import { auditRoutes } from './routes/audit.js';
import { searchRoutes } from './routes/search.js';
import { usageRoutes } from './routes/usage.js';
import { RateLimiter } from './edge/rate-limit.js';
import { ListenerServers } from './edge/tls-server.js';
import type { Service } from '../service/service.js';
import type { TypedApp } from './typed-app.js';

declare module 'fastify' {
  interface FastifyInstance {
    transport: ListenerServers;
    /** Whether decisions can be made, and how many requests are under way. */
    health: { readonly readiness: Readiness; readonly admission: Admission };
  }
}

/** Room for an id of 1,024 bytes, each at most three characters when percent-encoded. */
const MAX_PARAM_LENGTH = 4096;

type RegisterRoutes = (app: TypedApp, service: Service) => void;

/**
 * The routes of each listener. Those of `both` are on either, where the caller's permissions are restricted to the
 * listener's scope (`http/edge/listener-scope.ts`). Without a listener of its own, administration is on the main one.
 */
const ROUTES: Readonly<Record<'decisions' | 'administration' | 'both', readonly RegisterRoutes[]>> = {
  decisions: [
    evaluationRoutes, searchRoutes, capabilityRoutes, filterRoutes, discoveryRoutes, delegationRoutes, consentRoutes,
    consentLimitRoutes, consentRequestRoutes, accessRequestRoutes, reviewListRoutes, eventStreamRoutes,
  ], // prettier-ignore
  administration: [relationshipRoutes, entityRoutes, revocationRoutes, policyRoutes, notificationRoutes, metricsRoutes],
  both: [
    indexRoutes, auditRoutes, decisionRoutes, receiptRoutes, usageRoutes, reviewRoutes, sessionRoutes, agentAccessRoutes, personRoutes, approvalRoutes, approvalAnswerRoutes, scopeRoutes, healthRoutes,
  ], // prettier-ignore
};

export interface AppOptions {
  /** undefined: nothing is logged. */
  readonly logger?: FastifyBaseLogger;
  /** The listener for administration, where the configuration has one; otherwise the main one. */
  readonly administration?: boolean;
}

/** The application over `service`; not listening yet. Closing it doesn't close the service. */
export async function buildApp(
  service: Service,
  { logger, administration = false }: AppOptions = {},
): Promise<FastifyInstance> {
  const { admin, trustedProxies, limits } = service.config;
  const scope: ListenerScope = admin === undefined ? 'all' : administration ? 'administration' : 'decisions';
  const listener: Listener = administration ? (admin ?? service.config) : service.config;
  const transport = new ListenerServers(listener.tls, {
    connections: limits.connections,
    tokenBytes: service.trust.issuers.maxTokenBytes,
  });
  const app = fastify({
    serverFactory: transport.create,
    clientErrorHandler: transport.rejectMalformed,
    frameworkErrors: (error, request, reply) => {
      sendUnroutable(error, request, reply, {
        maxPartLength: MAX_PARAM_LENGTH,
        isTls: listener.tls !== undefined,
      });
    },
    ...(logger === undefined ? {} : { loggerInstance: logger }),
    // observeRequests writes a line for each request, without the request's own content.
    logController: new fastify.LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // A request that arrives while the listener closes is answered, and its connection is closed after the answer.
    return503OnClosing: false,
    // Log lines have numbers of our own; the caller's name for its request is only echoed.
    requestIdHeader: false,
  });
  app.decorateRequest('caller', undefined);
  app.decorateRequest('callerGroups', undefined);
  app.decorateRequest('singleUseProof', undefined);
  app.decorateRequest('rateCharge', 0);
  app.decorateRequest('tokens', undefined);
  app.decorate('listenerScope', scope);
  app.decorate('transport', transport);
  app.decorate('rateLimiter', new RateLimiter(service));
  observeRequests(app, service);
  compressAnswers(app);
  endUnreadBodies(app);
  installStrictParsing(app, { lineIdleMs: limits.streamIdleMs });
  installErrorHandlers(app);

  app.decorate('getBaseUrl', () => listener.publicUrl ?? getListenerUrl(app, listener));
  app.decorate('getAskedUrl', (request) => getAskedUrl(app, listener, request));
  const pathMethods = new PathMethods(MAX_PARAM_LENGTH);
  pathMethods.observe(app);
  guardRequests(app, listener, { transport, pathMethods });
  // A client on a kept-alive connection moves to another replica before this one takes no more connections.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (health.readiness.stopping) void reply.header('connection', 'close');
    done(null, payload);
  });

  const health = {
    readiness: new Readiness(service),
    admission: new Admission({ inFlight: limits.inFlight, bodyBytes: MAX_FILTER_BODY_BYTES }),
  };
  app.decorate('health', health);
  installLoadShedding(app, health.admission);
  service.metrics.countShed(() => health.admission.stats().shed);
  app.addHook('preHandler', app.rateLimiter.limitItems);
  app.addHook('preHandler', app.rateLimiter.limitAgents);
  app.decorate('turns', new DecisionTurns(service.decisions, app.rateLimiter.records, service.deadlineMs / 2));
  holdTurns(app);

  limitOpenRoutes(app);
  await serveApiDocument(app);
  await app.register(async (routes) => {
    if (scope !== 'administration') for (const add of ROUTES.decisions) add(routes, service);
    if (scope !== 'decisions') for (const add of ROUTES.administration) add(routes, service);
    for (const add of ROUTES.both) add(routes, service);
    await Promise.resolve();
  });
  return app;
}
