/**
 * Where the work at hand is in a trace. The context goes with the work, so whoever does a part of it need not be handed
 * anything; where nobody traces a request there is no context, and a span is no more than a call of its work.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export type SpanAttributes = Readonly<Record<string, string | number | boolean | string[] | undefined>>;
export type SpanRole = 'internal' | 'client';

/** An open span, and what can be begun below it. */
export interface ActiveSpan {
  /** Lower-case hex, as W3C has them. */
  readonly traceId: string;
  readonly spanId: string;
  /** W3C trace context for whoever is asked within this span: `traceparent`, and `tracestate` where there is one. */
  readonly headers: Readonly<Record<string, string>>;
  /** @returns undefined where the request has had as many spans as one may have */
  startChild(
    name: string,
    kind: SpanRole,
    attributes: SpanAttributes,
    links: readonly ActiveSpan[],
  ): ActiveSpan | undefined;
  setAttributes(attributes: SpanAttributes): void;
  /** @param failure a fault's code, or an error's name: messages may say secrets, so they stay out */
  end(failure?: string): void;
}

interface SpanScope {
  readonly trace: ActiveSpan;
  /** Others on whose behalf the work is done as well. */
  readonly links: readonly ActiveSpan[];
}

const spanStorage = new AsyncLocalStorage<SpanScope>();
/** Of those that share one call of an engine: enough to find their traces by. */
const MAX_LINKS = 32;

/** The span that this is part of; undefined where nobody traces it. */
export function currentSpan(): ActiveSpan | undefined {
  return spanStorage.getStore()?.trace;
}

/** All that `work` does, and all that it sets off, is part of `trace`. */
export function runInSpan<T>(span: ActiveSpan, work: () => T): T {
  return spanStorage.run({ trace: span, links: [] }, work);
}

/** The work in a span of its own, where it is traced at all. */
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

/** The same of what is computed at once. */
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
 * Work that is done for several at once: it is part of the trace of the first of them, its spans are linked to the
 * others, and it is not part of whatever happened to set it off.
 * @param spans as {@link currentSpan} was where each of them asked
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
