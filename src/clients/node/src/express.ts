/** Guards for Express 4 and 5: `guard({action, resource})` on a route, `open` on a public one, `assertGuarded(app)` at the start. */
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Evaluation } from 'remit-client';
import { captureResponse } from './captured-response.js';
import { listUnguarded } from './express-routes.js';
import { Guard, requireRouteQuestion } from './guard.js';
import type { Refusal } from './refusal.js';
import type { GuardOptions, RouteQuestion } from './route-question.js';
import { onceSent } from './sent-response.js';

declare global {
  // Express's types take members of requests from this namespace.
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace Express {
    interface Request {
      /** The decision that let the request through; undefined on routes that no guard is on. */
      remit?: Evaluation;
    }
  }
}

/** A request that was let through has the decision. */
export type GuardedRequest = Request;

/** A middleware, which says so when it is called without anything. */
export type OpenHandler = RequestHandler & (() => RequestHandler);

export interface ExpressGuard {
  /** The middleware that asks about a request to the route, which it must be the first of. */
  readonly guard: (route: RouteQuestion<Request>) => RequestHandler;
  /** Marks a route as public. */
  readonly open: OpenHandler;
  /** @throws TypeError that names the routes with neither */
  readonly assertGuarded: (app: unknown) => void;
}

/** @throws TypeError where an option is missing */
export function remit(options: GuardOptions<Request>): ExpressGuard {
  const shared = new Guard(options);
  const marked = new WeakSet<object>();
  const guard = (route: RouteQuestion<Request>): RequestHandler => {
    requireRouteQuestion(route);
    const handler: RequestHandler = (request, response, next) => {
      guardExpress(shared, route, request, response, next).catch(next);
    };
    marked.add(handler);
    return handler;
  };
  const open = ((...call: [] | [Request, Response, NextFunction]) => {
    const [, , next] = call;
    if (next === undefined) return open;
    next();
    return undefined;
  }) as OpenHandler;
  marked.add(open);
  const assertGuarded = (app: unknown): void => {
    const unguarded = listUnguarded(app, (handler) => marked.has(handler));
    if (unguarded.length > 0) throw new TypeError(`remit: neither guarded nor open: ${unguarded.join(', ')}`);
  };
  return { guard, open, assertGuarded };
}

async function guardExpress(
  guard: Guard<Request>,
  route: RouteQuestion<Request>,
  request: GuardedRequest,
  response: Response,
  next: NextFunction,
): Promise<void> {
  const passage = await guard.ask(route, request, {
    method: request.method,
    path: request.originalUrl,
    header: (name) => [request.headers[name]].flat()[0],
  });
  if (!passage.isAllowed) {
    send(response, passage.refusal);
    return;
  }
  const { evaluation, masks } = passage;
  request.remit = evaluation;
  onceSent(response, (status) => {
    guard.report(evaluation, status);
  });
  if (masks.length > 0) captureResponse(request, response, masks, guard.options);
  next();
}

function send(response: Response, { status, headers, body }: Refusal): void {
  response.status(status).set(headers).send(JSON.stringify(body));
}
