/**
 * The active span of the code that runs. Node's async context carries it, so that no function has to pass it on. Where a
 * request isn't traced there is no active span, and `withSpan` merely calls its work.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export type SpanAttributes = Readonly<Record<string, string | number | boolean | string[] | undefined>>;
export type SpanRole = 'internal' | 'client';

/** An open span, in which child spans can be started. */
export interface ActiveSpan {
  /** Lower-case hex, as in W3C trace context. */
  readonly traceId: string;
  readonly spanId: string;
  /** The W3C trace context for requests that are sent within this span: `traceparent`, and `tracestate` if any. */
  readonly headers: Readonly<Record<string, string>>;
  /** Starts a span below this one. @returns undefined where the request has as many spans as it may have */
  startChild(
    name: string,
    kind: SpanRole,
    attributes: SpanAttributes,
    links: readonly ActiveSpan[],
  ): ActiveSpan | undefined;
  setAttributes(attributes: SpanAttributes): void;
  /** @param failure a fault's code or an error's name: never a message, which may hold a secret */
  end(failure?: string): void;
}

interface SpanScope {
  readonly trace: ActiveSpan;
  /** The spans of other requests that the work is done for as well. */
  readonly links: readonly ActiveSpan[];
}

const spanStorage = new AsyncLocalStorage<SpanScope>();
/** The most links of a span whose call serves many requests: enough to find their traces. */
const MAX_LINKS = 32;

/** Gets the active span; undefined where the request isn't traced. */
export function currentSpan(): ActiveSpan | undefined {
  return spanStorage.getStore()?.trace;
}

/** Runs `work` with `span` as the active span, also for everything asynchronous that it starts. */
export function runInSpan<T>(span: ActiveSpan, work: () => T): T {
  return spanStorage.run({ trace: span, links: [] }, work);
}

/** Runs `work` in a new child of the active span; simply runs it where there is none. */
export async function withSpan<T>(
  name: string,
  work: (activeSpan?: ActiveSpan) => Promise<T>,
  kind: SpanRole = 'internal',
  attributes: SpanAttributes = {},
): Promise<T> {
  const activeSpan = startSpan(name, kind, attributes);
  if (activeSpan === undefined) return work();
  try {
    const result = await runInSpan(activeSpan, () => work(activeSpan));
    activeSpan.end();
    return result;
  } catch (error) {
    activeSpan.end(failureName(error));
    throw error;
  }
}

/** Runs synchronous `work` in a new child span. @param describe the attributes of its result */
export function withSpanSync<T>(name: string, work: () => T, describe: (result: T) => SpanAttributes = () => ({})): T {
  const activeSpan = startSpan(name, 'internal', {});
  if (activeSpan === undefined) return work();
  try {
    const result = work();
    activeSpan.setAttributes(describe(result));
    activeSpan.end();
    return result;
  } catch (error) {
    activeSpan.end(failureName(error));
    throw error;
  }
}

/**
 * Runs work that serves several requests at once. It belongs to the trace of the first of them, its spans link to the
 * others, and it does not belong to the request that happened to start it.
 * @param spans the {@link currentSpan} of each request
 */
export function withLinks<T>(spans: Iterable<ActiveSpan | undefined>, work: () => T): T {
  const distinctSpans = new Set<ActiveSpan>();
  for (const span of spans) if (span !== undefined && distinctSpans.size <= MAX_LINKS) distinctSpans.add(span);
  const [span, ...links] = distinctSpans;
  if (span !== undefined) return spanStorage.run({ trace: span, links }, work);
  return spanStorage.getStore() === undefined ? work() : spanStorage.exit(work);
}

function startSpan(name: string, kind: SpanRole, attributes: SpanAttributes): ActiveSpan | undefined {
  const scope = spanStorage.getStore();
  return scope?.trace.startChild(name, kind, attributes, scope.links);
}

function failureName(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'Error';
}
