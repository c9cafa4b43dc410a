/** Observes every request: its span, its duration for the metrics, and its line in the log. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FaultCode } from '../../model/faults.js';
import type { Service } from '../../service/service.js';
import { OTHER_LABEL } from '../../telemetry/metrics.js';
import { runInSpan, type ActiveSpan } from '../../telemetry/active-span.js';
import { readRequestId } from '../request-context.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** undefined where the request is not traced. */
    trace: ActiveSpan | undefined;
    /** The id of the decision, the list or the batch that the request is answered with: see {@link nameDecision}. */
    decisionId: string | undefined;
    /** The fault that the request is answered with, and why, as far as the error said; undefined where there is none. */
    failure: { readonly fault: FaultCode; readonly cause?: string | undefined } | undefined;
  }
}

/** Tells the caller, whatever else it is answered, and the log which record the answer has. */
export function nameDecision(request: FastifyRequest, reply: FastifyReply, id: string): void {
  if (request.routeOptions.config.namesDecision !== true)
    throw new TypeError('the route is not described as one whose answers name a decision');
  request.decisionId = id;
  void reply.header('remit-decision-id', id);
}

/** Adds the hooks. Call it before any other hook is added, so that requests that those refuse are observed, too. */
export function observeRequests(app: FastifyInstance, { traces, metrics }: Service): void {
  app.decorateRequest('trace', undefined);
  app.decorateRequest('decisionId', undefined);
  app.decorateRequest('failure', undefined);

  if (traces !== undefined) {
    app.addHook('onRequest', (request, _reply, done) => {
      const route = getRoutePattern(request) ?? OTHER_LABEL;
      const attributes = { 'http.request.method': request.method, 'http.route': route };
      request.trace = traces.startRequest(request.headers, `${request.method} ${route}`, attributes);
      if (request.trace === undefined) done();
      else runInSpan(request.trace, done);
    });
    // The body arrived in a callback of the connection, outside the span.
    app.addHook('preValidation', (request, _reply, done) => {
      if (request.trace === undefined) done();
      else runInSpan(request.trace, done);
    });
  }

  const isLogging = app.log.level !== 'silent';
  app.addHook('onResponse', (request, reply, done) => {
    const { method, trace } = request;
    const { statusCode: status, elapsedTime: ms } = reply;
    metrics.observeRequest(method, getRoutePattern(request), status, ms / 1000);
    trace?.setAttributes({ 'http.response.status_code': status });
    trace?.end(status >= 500 ? String(status) : undefined);
    if (isLogging) {
      const level = status >= 500 ? 'error' : 'debug';
      // The line is built only where the level writes it.
      if (level === 'error' || app.log.level === 'debug')
        request.log[level](
          {
            event: 'request',
            method,
            route: getRoutePattern(request) ?? OTHER_LABEL,
            status,
            ms,
            request_id: readRequestId(request),
            decision_id: request.decisionId,
            ...describeRequestFailure(request),
            ...(trace === undefined ? {} : { trace_id: trace.traceId, span_id: trace.spanId }),
          },
          'request',
        );
    }
    done();
  });

  /** The fault of a request with its cause: where the error itself said none, the last failure of its kind is it. */
  function describeRequestFailure({ failure }: FastifyRequest): object {
    if (failure === undefined) return {};
    const { fault, cause = metrics.lastFailures.get(fault) } = failure;
    return { fault, ...(cause === undefined ? {} : { cause }) };
  }
}

/** The route's pattern, which holds nothing of the request's own; undefined where no route matches. */
function getRoutePattern(request: FastifyRequest): string | undefined {
  return request.is404 ? undefined : request.routeOptions.url;
}
