/** Guards for Hono: `guard({action, resource})` on a route, `open` on a public one, `assertGuarded(app)` at the start. */
import type { Context, Hono, MiddlewareHandler, Next } from 'hono';
import type { Evaluation, Obligation } from 'remit-client';
import type { ServerResponse } from 'node:http';
import { COMPARING_HEADERS, HeaderFilter } from './answer-headers.js';
import { Guard, requireRouteQuestion } from './guard.js';
import { collectStream, maskBody } from './masked-body.js';
import { refuseUnmasked, type Refusal } from './refusal.js';
import type { GuardOptions, MaskLimits, RouteQuestion } from './route-question.js';
import { dropUnsent, sealResponse } from './sealed-response.js';
import { onceSent } from './sent-response.js';

declare module 'hono' {
  interface ContextVariableMap {
    /** The decision that let the request through. */
    remit: Evaluation;
  }
}

/** A middleware, which says so when it is called without anything. */
export type OpenMiddleware = MiddlewareHandler & (() => MiddlewareHandler);

export interface HonoGuard {
  /** The middleware that asks about a request to the route. */
  readonly guard: (route: RouteQuestion<Context>) => MiddlewareHandler;
  /** Marks a route as public. */
  readonly open: OpenMiddleware;
  /** @throws TypeError that names the routes with neither */
  readonly assertGuarded: (app: Pick<Hono, 'routes'>) => void;
}

/** Names the handler of a sub-application that has an error handler of its own. */
const COMPOSED = '__COMPOSED_HANDLER';

/** @throws TypeError where an option is missing */
export function remit(options: GuardOptions<Context>): HonoGuard {
  const shared = new Guard(options);
  const marked = new WeakSet<object>();
  const guard = (route: RouteQuestion<Context>): MiddlewareHandler => {
    requireRouteQuestion(route);
    const middleware: MiddlewareHandler = (c, next) => guardHono(shared, route, c, next);
    marked.add(middleware);
    return middleware;
  };
  const open = ((...call: [] | [Context, Next]) => call[1]?.() ?? open) as OpenMiddleware;
  marked.add(open);
  const assertGuarded = ({ routes }: Pick<Hono, 'routes'>): void => {
    const unguarded = listUnguardedPaths(routes, (handler) => marked.has(handler));
    if (unguarded.length > 0) throw new TypeError(`remit: neither guarded nor open: ${unguarded.join(', ')}`);
  };
  return { guard, open, assertGuarded };
}

type Routes = Pick<Hono, 'routes'>['routes'];

/**
 * A path is guarded for a method where a guard of the same path and method stands before its first handler. What takes
 * `next` is a middleware where it is for all methods, as `app.use` adds it, or stands before a guard, as a validator does.
 */
function listUnguardedPaths(routes: Routes, isMarked: (handler: object) => boolean): string[] {
  const guarded = new Set<string>();
  const unguarded = new Map<string, boolean>();
  for (const { method, path, handler } of routes) {
    const place = `${method} ${path}`;
    const composed = (handler as { readonly [COMPOSED]?: typeof handler })[COMPOSED] ?? handler;
    if (isMarked(composed)) {
      guarded.add(place);
      // Only what ends the request counts as having come before.
      if (unguarded.get(place) === false) unguarded.delete(place);
    } else if (!guarded.has(place) && !guarded.has(`ALL ${path}`)) {
      const isEnd = composed.length < 2;
      if (isEnd || method !== 'ALL') unguarded.set(place, (unguarded.get(place) ?? false) || isEnd);
    }
  }
  return [...unguarded.keys()];
}

async function guardHono(
  guard: Guard<Context>,
  route: RouteQuestion<Context>,
  c: Context,
  next: Next,
): Promise<Response | undefined> {
  const { pathname, search } = new URL(c.req.url);
  const passage = await guard.ask(route, c, {
    method: c.req.method,
    path: pathname + search,
    header: (name) => c.req.header(name),
  });
  if (!passage.isAllowed) return toResponse(passage.refusal);
  const { evaluation, masks } = passage;
  c.set('remit', evaluation);
  const outgoing = findOutgoing(c);
  if (outgoing !== undefined)
    onceSent(outgoing, (status) => {
      guard.report(evaluation, status);
    });
  if (masks.length === 0) await next();
  else await maskNext(c, next, masks, guard.options);
  // Elsewhere than on Node no sending is seen.
  if (outgoing === undefined) guard.report(evaluation, c.res.status);
  return undefined;
}

/** Finds the response of Node's, which handlers can reach as well, where there is one. */
function findOutgoing({ env }: Context): ServerResponse | undefined {
  const { outgoing } = (env ?? {}) as { readonly outgoing?: Partial<ServerResponse> };
  return typeof outgoing?.writeHead === 'function' ? (outgoing as ServerResponse) : undefined;
}

type MaskOptions = MaskLimits & Pick<GuardOptions<Context>, 'onError'>;

/** Lets the handler answer, and masks its answer. */
async function maskNext(c: Context, next: Next, masks: readonly Obligation[], limits: MaskOptions): Promise<void> {
  for (const name of COMPARING_HEADERS) c.req.raw.headers.delete(name);
  const filter = new HeaderFilter(c.res.headers, limits.unmaskedHeaders);
  const unseal = sealOutgoing(findOutgoing(c), limits);
  await next();
  const masked = await maskResponse(c.res, masks, filter, limits);
  unseal();
  // Headers of the response that there is are otherwise added to the new one.
  c.res = undefined;
  c.res = masked;
}

/** Seals it. @returns opens it again, without what handlers have set on it */
function sealOutgoing(response: ServerResponse | undefined, { unmaskedHeaders }: MaskLimits): () => void {
  if (response === undefined) return () => undefined;
  const filter = new HeaderFilter(Object.entries(response.getHeaders()), unmaskedHeaders);
  const unseal = sealResponse(response);
  return () => {
    dropUnsent(response, filter);
    unseal();
  };
}

function toResponse({ status, headers, body }: Refusal): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

async function maskResponse(
  response: Response,
  masks: readonly Obligation[],
  filter: HeaderFilter,
  { maxMaskedBytes, onError }: MaskOptions,
): Promise<Response> {
  const headers = new Headers(response.headers);
  for (const name of filter.selectUnsent(response.headers)) headers.delete(name);
  if (response.body === null) return new Response(null, { status: response.status, headers });
  const head = {
    contentType: headers.get('content-type') ?? undefined,
    contentEncoding: headers.get('content-encoding') ?? undefined,
    status: response.status,
    leadsElsewhere: headers.has('location'),
  };
  // A stream that fails is no answer, and its error may have what is to be masked.
  const body = await collectStream(response.body, head, maxMaskedBytes).catch((error: unknown) => {
    onError?.(error);
    return undefined;
  });
  const masked = maskBody(body, head, masks);
  return masked === undefined
    ? toResponse(refuseUnmasked(response.status))
    : new Response(masked, { status: response.status, headers });
}
