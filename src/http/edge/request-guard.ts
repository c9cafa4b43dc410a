/**
 * Checks the head of a request before the caller is authenticated: its target, its headers and its Host, and whether there
 * is such a route. What is refused here is answered before anything of a body is read.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Listener } from '../../config/listener.js';
import { isLoopback } from '../../runtime/ip-address.js';
import { getListenerUrl } from '../listener-url.js';
import { readRequestId } from '../request-context.js';
import { createProblem, sendRouteNotFound, type ProblemBody } from './errors.js';
import type { PathMethods } from './path-methods.js';
import { setSecurityHeaders } from './security-headers.js';
import type { ListenerServers } from './tls-server.js';
import { endAfterAnswer } from './unread-body.js';

const MAX_HEADERS = 100;
/** Headers that must appear once: two values would be read differently by us and by a proxy. */
const SINGLE_HEADERS = new Set([
  'host',
  'authorization',
  'dpop',
  'content-type',
  'content-length',
  'transfer-encoding',
]);

/** Undefined where the head is acceptable. @param hosts the Host values that are served; undefined: any */
export function findRequestProblem(
  { url = '', headers, rawHeaders }: IncomingMessage,
  hosts: ReadonlySet<string> | undefined,
): { readonly status: number; readonly problem: ProblemBody } | undefined {
  // An absolute target could name another host than the header (RFC 9112 section 3.2.2). Clients never send a fragment,
  // and a proxy could route the target by another path than we do.
  if (!url.startsWith('/') || url.includes('#'))
    return { status: 400, problem: createProblem('bad_request', 'The target must be a path.') };
  if (rawHeaders.length > 2 * MAX_HEADERS)
    return {
      status: 431,
      problem: createProblem('headers_too_large', `There must be at most ${MAX_HEADERS} headers.`),
    };
  const repeated = findRepeatedHeader(rawHeaders);
  if (repeated !== undefined)
    return { status: 400, problem: createProblem('bad_request', `The header ${repeated} must be given once.`) };
  // A proxy that reads another coding would see another length (RFC 9112 section 6.1).
  if ((headers['transfer-encoding'] ?? 'chunked').toLowerCase() !== 'chunked')
    return { status: 400, problem: createProblem('bad_request', 'The only transfer coding is chunked.') };
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue')
    return { status: 417, problem: createProblem('expectation_failed', 'The only expectation is 100-continue.') };
  if (hosts?.has(headers.host ?? '') === false)
    return { status: 421, problem: createProblem('host_refused', 'This Host is not served here.') };
  return undefined;
}

/** @param rawHeaders names and values in turn */
function findRepeatedHeader(rawHeaders: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (!SINGLE_HEADERS.has(name)) continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

/** Sets the headers that every answer has, and refuses requests with an unacceptable head or an outdated connection. */
export function guardRequests(
  app: FastifyInstance,
  listener: Listener,
  { transport, pathMethods }: { readonly transport: ListenerServers; readonly pathMethods: PathMethods },
): void {
  let hosts = listAllowedHosts(app, listener);
  app.addHook('onListen', async () => {
    hosts = listAllowedHosts(app, listener); // Port 0 is known only now.
  });
  app.addHook('onRequest', (request, reply, done) => {
    setSecurityHeaders(reply, listener.tls !== undefined);
    const requestId = readRequestId(request);
    if (requestId !== undefined) void reply.header('x-request-id', requestId);
    if (transport.isOutdated(request.raw.socket)) {
      void reply.header('connection', 'close');
      if (listener.tls?.clientCa !== undefined) {
        void reply.code(421).send(createProblem('connection_outdated', 'The certificates have changed: connect anew.'));
        return;
      }
    }
    const rejection = findRequestProblem(request.raw, hosts);
    if (rejection !== undefined) void reply.code(rejection.status).send(rejection.problem);
    // Fastify would first read and parse the body.
    else if (request.is404)
      app.rateLimiter.limitNetwork.call(app, request, reply, () => {
        void sendRouteNotFound(request, reply, pathMethods.find(request.url));
      });
    else done();
  });
}

/** The Host values that are served; undefined: any. On loopback a web page could reach Remit by DNS rebinding. */
function listAllowedHosts(app: FastifyInstance, listener: Listener): ReadonlySet<string> | undefined {
  const { host, publicUrl } = listener;
  if (!isLoopback(host)) return undefined;
  const { port } = new URL(getListenerUrl(app, listener));
  const suffix = port === '' ? '' : `:${port}`;
  const local = ['localhost', '127.0.0.1', '[::1]', host].map((name) => `${name}${suffix}`);
  return new Set([...local, ...(publicUrl === undefined ? [] : [new URL(publicUrl).host])]);
}

/** Answers a target that can't be routed; no hook runs for it. @param maxPartLength in characters */
export function sendUnroutable(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  { maxPartLength, isTls }: { readonly maxPartLength: number; readonly isTls: boolean },
): void {
  setSecurityHeaders(reply, isTls);
  endAfterAnswer(request, reply);
  const isTooLong = error.statusCode === 414;
  void reply
    .code(isTooLong ? 414 : 400)
    .send(
      isTooLong
        ? createProblem('target_too_long', `A part of the path must have at most ${maxPartLength} characters.`)
        : createProblem('bad_request', 'The path is not well-formed.'),
    );
}
