/** Connection: the headers that a call sends over the wire, and the report of each call. */
import { createServer, type IncomingHttpHeaders, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { v1 } from '@authzed/authzed-node';
import { beforeAll, expect, it } from 'vitest';
import { Connection } from '../../../src/graph/server/connection.js';
import type { EngineCall } from '../../../src/telemetry/engine-calls.js';
import { RequestTracer } from '../../../src/telemetry/request-tracer.js';
import { runInSpan } from '../../../src/telemetry/active-span.js';

/** A server that records every call and refuses it as overloaded (gRPC's RESOURCE_EXHAUSTED). */
let server: Http2Server;
let connection: Connection;
const heard: IncomingHttpHeaders[] = [];
const calls: EngineCall[] = [];
beforeAll(async () => {
  server = createServer();
  server.on('stream', (stream, headers) => {
    heard.push(headers);
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '8', 'grpc-message': 'full' },
      { endStream: true },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  connection = new Connection({ endpoint, key: 'k', ca: undefined, plaintext: true }, 30_000, (call) =>
    calls.push(call),
  );
  return () => {
    connection.close();
    server.close();
  };
});

const ask = (): Promise<unknown> =>
  connection.checkBulkPermissions(v1.CheckBulkPermissionsRequest.create({ items: [] })).catch(() => undefined);

it('of which trace it is part, where it is of one, and nothing otherwise', async () => {
  await ask();
  expect(heard.at(-1)).not.toHaveProperty('traceparent');
  const traces = new RequestTracer(
    { endpoint: 'http://127.0.0.1:9/', sample: 1, followCallers: false },
    () => undefined,
  );
  const caller = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'vendor=1' };
  const trace = traces.startRequest(caller, 'a request', {});
  if (trace === undefined) throw new TypeError('it is traced');
  await runInSpan(trace, ask);
  expect(heard.at(-1)?.['tracestate']).toBe('vendor=1');
  const told = String(heard.at(-1)?.['traceparent']);
  expect(told).toMatch(new RegExp(`^00-${'a'.repeat(32)}-[0-9a-f]{16}-01$`));
  // The span of the call, not that of the request.
  expect(told).not.toContain(trace.spanId);
  await traces.close();
});

it('how long it took, and why it was not answered', async () => {
  await ask();
  expect(calls.at(-1)).toMatchObject({ engine: 'spicedb', call: 'checkBulkPermissions', fault: 'overloaded' });
  expect(calls.at(-1)?.seconds).toBeGreaterThan(0);
});
