/**
 * Where the work at hand is in a trace. The context goes with the work, so whoever does a part of it need not be handed
 * anything; where nobody traces a request there is no context, and a span is no more than a call of its work.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export type Attributes = Readonly<Record<string, string | number | boolean | string[] | undefined>>;
export type Kind = 'internal' | 'client';

/** An open span, and what can be begun below it. */
export interface Trace {
  /** Lower-case hex, as W3C has them. */
  readonly traceId: string;
  readonly spanId: string;
  /** W3C trace context for whoever is asked within this span: `traceparent`, and `tracestate` where there is one. */
  readonly headers: Readonly<Record<string, string>>;
  /** @returns undefined where the request has had as many spans as one may have */
  begin(name: string, kind: Kind, attributes: Attributes, links: readonly Trace[]): Trace | undefined;
  add(attributes: Attributes): void;
  /** @param failure a fault's code, or an error's name: messages may say secrets, so they stay out */
  end(failure?: string): void;
}

interface Place {
  readonly trace: Trace;
  /** Others on whose behalf the work is done as well. */
  readonly links: readonly Trace[];
}

const current = new AsyncLocalStorage<Place>();
/** Of those that share one call of an engine: enough to find their traces by. */
const MAX_LINKS = 32;

/** The span that this is part of; undefined where nobody traces it. */
export function here(): Trace | undefined {
  return current.getStore()?.trace;
}

/** All that `work` does, and all that it sets off, is part of `trace`. */
export function within<T>(trace: Trace, work: () => T): T {
  return current.run({ trace, links: [] }, work);
}

/** The work in a span of its own, where it is traced at all. */
export async function span<T>(
  name: string,
  work: (trace?: Trace) => Promise<T>,
  kind: Kind = 'internal',
  attributes: Attributes = {},
): Promise<T> {
  const trace = begin(name, kind, attributes);
  if (trace === undefined) return work();
  try {
    const result = await within(trace, () => work(trace));
    trace.end();
    return result;
  } catch (error) {
    trace.end(failureOf(error));
    throw error;
  }
}

/** The same of what is computed at once. */
export function spanSync<T>(name: string, work: () => T, tell: (result: T) => Attributes = () => ({})): T {
  const trace = begin(name, 'internal', {});
  if (trace === undefined) return work();
  try {
    const result = work();
    trace.add(tell(result));
    trace.end();
    return result;
  } catch (error) {
    trace.end(failureOf(error));
    throw error;
  }
}

/**
 * Work that is done for several at once: it is part of the trace of the first of them, its spans are linked to the
 * others, and it is not part of whatever happened to set it off.
 * @param askers as {@link here} was where each of them asked
 */
export function onBehalfOf<T>(askers: Iterable<Trace | undefined>, work: () => T): T {
  const traced = new Set<Trace>();
  for (const asker of askers) if (asker !== undefined && traced.size <= MAX_LINKS) traced.add(asker);
  const [trace, ...links] = traced;
  if (trace !== undefined) return current.run({ trace, links }, work);
  return current.getStore() === undefined ? work() : current.exit(work);
}

function begin(name: string, kind: Kind, attributes: Attributes): Trace | undefined {
  const place = current.getStore();
  return place?.trace.begin(name, kind, attributes, place.links);
}

function failureOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'Error';
}
