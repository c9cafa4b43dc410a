/** The HTTP or TLS servers below the routes, with their limits of time, size and number for callers not yet authenticated. */
import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { Server as TlsServer, type SecureContextOptions } from 'node:tls';
import type { ListenerTls } from '../../config/listener.js';
import { MAX_TOKEN_BYTES } from '../../tokens/jws.js';
import { SECURITY_HEADERS } from './security-headers.js';
import { createProblem } from './errors.js';
import { ListenerConnections } from './listener-connections.js';
import { takeTurns } from './request-turns.js';
import { getAnnouncedLength } from './unread-body.js';

/** Room for a token and its proof, of 8 KiB each, and as much again. Longer tokens of configured issuers get theirs beside. */
const MAX_HEADER_BYTES = 32 * 1024;
/** A slow sender holds a connection, and a credential that was checked at the request's beginning. */
const REQUEST_TIMEOUT_MS = 10_000;
const HEADERS_TIMEOUT_MS = 5_000;
const HANDSHAKE_TIMEOUT_MS = 5_000;
/** The interval at which the timeout of headers is checked. */
const TIMEOUT_CHECK_MS = 1_000;
/** Longer than load balancers keep connections (60 s), so that the balancer closes first and never sends to a closed one. */
const KEEP_ALIVE_MS = 72_000;
/** A connection that neither sends nor reads is closed after this; no decision may take as long. */
const IDLE_TIMEOUT_MS = 120_000;
/** A connection ends after so many requests, since it is trusted as it was at its beginning. */
const MAX_REQUESTS_PER_CONNECTION = 10_000;

/** TLS 1.3, and the suites of TLS 1.2 with forward secrecy and authenticated encryption (Mozilla's "intermediate", no DHE). */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

const SERVER_OPTIONS: ServerOptions = {
  // That of node holds for every request alike: see limitArrival.
  requestTimeout: 0,
  headersTimeout: HEADERS_TIMEOUT_MS,
  connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
};

/** The servers of one listener, one for each address of its name. Their certificates can be replaced. */
export class ListenerServers {
  private readonly servers: Server[] = [];
  /** The generation of certificates that each connection was accepted with. */
  private readonly generations = new WeakMap<object, number>();
  private generation = 0;
  private readonly connections: ListenerConnections;
  private readonly maxHeaderBytes: number;
  /** The timers of requests whose body arrives. */
  private readonly arrivals = new WeakMap<IncomingMessage, NodeJS.Timeout>();

  /**
   * @param limits the number of connections of all servers together, and the length of the longest token that is read
   */
  constructor(
    private readonly tls: ListenerTls | undefined,
    limits: { readonly connections: number; readonly tokenBytes: number },
  ) {
    this.connections = new ListenerConnections(limits.connections);
    this.maxHeaderBytes = MAX_HEADER_BYTES + limits.tokenBytes - MAX_TOKEN_BYTES;
  }

  /** Creates a server that is not listening yet. */
  readonly create = (onRequest: RequestListener): Server => {
    const handle = this.limitArrival(this.connections.countRequests(takeTurns(onRequest)));
    const server = createListenerServer(this.tls, this.maxHeaderBytes, handle);
    this.connections.watch(server);
    // Node would ask for the body (100 Continue), or refuse the expectation and read on: the hooks decide.
    server.on('checkContinue', handle).on('checkExpectation', handle);
    server.on('secureConnection', (socket: object) => this.generations.set(socket, this.generation));
    this.servers.push(server);
    return server;
  };

  /** Lets the body of a request take longer than others may, since who reads it has limits of its own. */
  readOn(request: IncomingMessage): void {
    clearTimeout(this.arrivals.get(request));
    this.arrivals.delete(request);
  }

  /** Makes a listener that ends the connection of a request whose body takes too long. */
  private limitArrival(handle: RequestListener): RequestListener {
    return (request, response) => {
      if (getAnnouncedLength(request) > 0) {
        const { socket } = request;
        const expire = (): void => {
          if (request.complete) return;
          // An answer that is under way can't be followed by another: neither its own, nor that of a request before it.
          if (response.headersSent || response.socket === null) socket.destroy();
          else this.rejectMalformed(Object.assign(new Error('too slow'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket);
        };
        this.arrivals.set(request, setTimeout(expire, REQUEST_TIMEOUT_MS).unref());
        request.once('close', () => {
          this.readOn(request);
        });
      }
      handle(request, response);
    };
  }

  /** Answers a request that is not valid HTTP in the usual format, and closes its connection. */
  readonly rejectMalformed = (error: NodeJS.ErrnoException, socket: Socket): void => {
    rejectMalformedRequest(error, socket, this.maxHeaderBytes);
  };

  /** Replaces the certificates for new connections, and closes idle ones. */
  renewCertificates(tls: ListenerTls): void {
    this.generation += 1;
    for (const server of this.servers) {
      if (server instanceof TlsServer) server.setSecureContext(toSecureContextOptions(tls));
      server.closeIdleConnections();
    }
  }

  /** The caller of a request on the connection is known: it has a better claim to its place from now on. */
  recognizeCaller(socket: Socket): void {
    this.connections.recognize(socket);
  }

  /** Whether a connection was accepted with certificates that have been replaced. */
  isOutdated(socket: object): boolean {
    return (this.generations.get(socket) ?? this.generation) !== this.generation;
  }
}

function createListenerServer(tls: ListenerTls | undefined, maxHeaderSize: number, onRequest: RequestListener): Server {
  const options: ServerOptions = { ...SERVER_OPTIONS, maxHeaderSize };
  const server =
    tls === undefined
      ? createServer(options, onRequest)
      : createTlsServer(
          {
            ...options,
            ...toSecureContextOptions(tls),
            handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
            requestCert: tls.clientCertificates,
            // Without an authority any certificate will do: tokens are bound to its thumbprint (RFC 8705 section 3).
            rejectUnauthorized: tls.clientCa !== undefined,
          },
          onRequest,
        );
  server.setTimeout(IDLE_TIMEOUT_MS);
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  // No limit here: node drops further headers in silence, while the request guard refuses them with a message.
  server.maxHeadersCount = 0;
  return server;
}

function toSecureContextOptions({ certificate, key, clientCa }: ListenerTls): SecureContextOptions {
  return { cert: certificate, key, ca: clientCa, minVersion: 'TLSv1.2', ciphers: CIPHERS };
}

const CLIENT_ERRORS: Readonly<Record<string, (maxHeaderBytes: number) => readonly [number, string, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: () => [408, 'request_timeout', 'The request did not arrive in time.'],
  HPE_HEADER_OVERFLOW: (bytes) => [431, 'headers_too_large', `The headers must be at most ${bytes} bytes long.`],
};
const NOT_HTTP = [400, 'bad_request', 'The request is not valid HTTP.'] as const;

function rejectMalformedRequest(error: NodeJS.ErrnoException, socket: Socket, maxHeaderBytes: number): void {
  const { code: cause = '' } = error;
  // Before TLS is established nothing can be answered, and pending output would keep the connection open.
  if (!cause.startsWith('HPE_') && cause !== 'ERR_HTTP_REQUEST_TIMEOUT') {
    socket.destroy();
    return;
  }
  const [status, code, message] = CLIENT_ERRORS[cause]?.(maxHeaderBytes) ?? NOT_HTTP;
  const body = JSON.stringify(createProblem(code, message));
  const headers = {
    ...SECURITY_HEADERS,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  if (socket.writable) socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
  socket.destroySoon();
}
