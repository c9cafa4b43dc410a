/** Traces by OpenTelemetry: W3C trace context in, OTLP over HTTP out. Nothing is registered globally in the process. */
import type { IncomingHttpHeaders } from 'node:http';
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Span,
  type TextMapGetter,
  type Tracer,
} from '@opentelemetry/api';
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { withTimeout } from '../runtime/timeout.js';
import type { Log } from './log.js';
import type { SpanAttributes, SpanRole, ActiveSpan } from './active-span.js';

/** The most spans of one request: a batch of a thousand questions would have thirty thousand. */
const MAX_SPANS_PER_REQUEST = 500;
/** The most spans that wait to be sent; more are dropped. */
const MAX_QUEUED_SPANS = 4096;
const EXPORT_TIMEOUT_MS = 5_000;
/** The time that shutdown waits for the last spans to be sent. */
const FLUSH_TIMEOUT_MS = 2_000;

export class RequestTracer {
  private readonly propagator = new W3CTraceContextPropagator();
  private readonly provider: BasicTracerProvider;
  private readonly tracer: Tracer;

  constructor(
    private readonly config: TracesConfig,
    log: Log,
  ) {
    const exporter = new OTLPTraceExporter({ url: config.endpoint, timeoutMillis: EXPORT_TIMEOUT_MS });
    this.provider = new BasicTracerProvider({
      resource: defaultResource()
        .merge(resourceFromAttributes({ 'service.name': 'remit' }))
        .merge(detectResources({ detectors: [envDetector] })),
      // Which requests are traced is decided before there is a span: see startRequest.
      sampler: new AlwaysOnSampler(),
      spanProcessors: [
        new BatchSpanProcessor(createReportingExporter(exporter, config.endpoint, log), {
          maxQueueSize: MAX_QUEUED_SPANS,
          scheduledDelayMillis: 1_000,
          exportTimeoutMillis: EXPORT_TIMEOUT_MS,
        }),
      ],
    });
    this.tracer = this.provider.getTracer('remit');
  }

  /**
   * Starts the span of a request, below the caller's span where the headers name one. Headers that aren't W3C trace
   * context are ignored.
   * @returns undefined where the request is not in the sample
   */
  startRequest(headers: IncomingHttpHeaders, name: string, attributes: SpanAttributes): ActiveSpan | undefined {
    const parent = this.propagator.extract(ROOT_CONTEXT, headers, HEADER_GETTER);
    // Sampled at random, not by trace id: callers choose trace ids, and would choose which requests are traced.
    const callerSampled = ((trace.getSpanContext(parent)?.traceFlags ?? 0) & TraceFlags.SAMPLED) !== 0;
    if (!(callerSampled && this.config.followCallers) && Math.random() >= this.config.sample) return undefined;
    const span = this.tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    return new OpenSpan(span, this.tracer, { remaining: MAX_SPANS_PER_REQUEST, dropped: 0 });
  }

  async close(): Promise<void> {
    const shutdown = this.provider.shutdown().catch(() => undefined);
    await withTimeout(shutdown, FLUSH_TIMEOUT_MS, () => undefined);
  }
}

const HEADER_GETTER: TextMapGetter<IncomingHttpHeaders> = {
  keys: (headers) => Object.keys(headers),
  get: (headers, name) => headers[name],
};

const SPAN_KINDS: Readonly<Record<SpanRole, SpanKind>> = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT };

class OpenSpan implements ActiveSpan {
  readonly traceId: string;
  readonly spanId: string;

  /** @param budget the number of further spans that the request may have */
  constructor(
    private readonly span: Span,
    private readonly tracer: Tracer,
    private readonly budget: { remaining: number; dropped: number },
    private readonly isRoot = true,
  ) {
    ({ traceId: this.traceId, spanId: this.spanId } = span.spanContext());
  }

  get headers(): Readonly<Record<string, string>> {
    const state = this.span.spanContext().traceState?.serialize() ?? '';
    const traceparent = `00-${this.traceId}-${this.spanId}-01`;
    return state === '' ? { traceparent } : { traceparent, tracestate: state };
  }

  startChild(
    name: string,
    kind: SpanRole,
    attributes: SpanAttributes,
    links: readonly ActiveSpan[],
  ): ActiveSpan | undefined {
    if (this.budget.remaining === 0) {
      this.budget.dropped += 1;
      return undefined;
    }
    this.budget.remaining -= 1;
    const span = this.tracer.startSpan(
      name,
      {
        kind: SPAN_KINDS[kind],
        attributes,
        links: links.flatMap((link) => (link instanceof OpenSpan ? [{ context: link.span.spanContext() }] : [])),
      },
      trace.setSpan(ROOT_CONTEXT, this.span),
    );
    return new OpenSpan(span, this.tracer, this.budget, false);
  }

  setAttributes(attributes: SpanAttributes): void {
    this.span.setAttributes(attributes);
  }

  end(failure?: string): void {
    if (failure !== undefined) this.span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
    if (this.isRoot && this.budget.dropped > 0) this.span.setAttribute('remit.spans_left_out', this.budget.dropped);
    this.span.end();
  }
}

/** Wraps an exporter: tells the operator when the collector can't be reached, and when it can again. */
function createReportingExporter(exporter: SpanExporter, endpoint: string, log: Log): SpanExporter {
  let failing = false;
  const place = new URL(endpoint).origin;
  return {
    export: (spans, callback) => {
      exporter.export(spans, (result) => {
        const failed = result.code === ExportResultCode.FAILED;
        if (failed !== failing) {
          failing = failed;
          log(`traces to ${place} ${failed ? "can't be sent, and are dropped" : 'are sent again'}`, {
            event: failed ? 'traces_away' : 'traces_back',
          });
        }
        callback(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}

export interface TracesConfig {
  /** The URL for OTLP over HTTP, with its path. */
  readonly endpoint: string;
  /** The share of requests that are traced, from 0 to 1. */
  readonly sample: number;
  /** Whether a caller can have its request traced, by a `traceparent` with the sampled flag. */
  readonly followCallers: boolean;
}
