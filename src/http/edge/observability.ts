/** Every request, seen from outside: its span, its duration, and its line in the log. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Service } from '../../service/service.js';
import { OTHER_LABEL } from '../../telemetry/metrics.js';
import { runInSpan, type ActiveSpan } from '../../telemetry/active-span.js';
import { readRequestId } from '../request-context.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Where it is traced. */
    trace: ActiveSpan | undefined;
    /** Of a single question: by which its record is found. */
    decisionId: string | undefined;
  }
}

/** To be called before any other hook is added, so that what these refuse is seen, too. */
export function observeRequests(app: FastifyInstance, { traces, metrics }: Service): void {
  app.decorateRequest('trace', undefined);
  app.decorateRequest('decisionId', undefined);

  if (traces !== undefined) {
    app.addHook('onRequest', (request, _reply, done) => {
      const route = getRoutePattern(request) ?? OTHER_LABEL;
      const attributes = { 'http.request.method': request.method, 'http.route': route };
      request.trace = traces.startRequest(request.headers, `${request.method} ${route}`, attributes);
      if (request.trace === undefined) done();
      else runInSpan(request.trace, done);
    });
    // The body came on the connection's own account, which is no part of the trace.
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
      // What a level doesn't want isn't put together either.
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
            ...(trace === undefined ? {} : { trace_id: trace.traceId, span_id: trace.spanId }),
          },
          'request',
        );
    }
    done();
  });
}

/** As it was registered, so without anything of the request's own; undefined where there is none. */
function getRoutePattern(request: FastifyRequest): string | undefined {
  return request.is404 ? undefined : request.routeOptions.url;
}
