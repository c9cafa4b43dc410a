/** Bodies are JSON where a route takes one; where it takes none, an empty body is none, whatever type it is said to have. */
import { connect, type AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { start, type Running } from '../../support/sample.js';

let remit: Running;
let port: number;
beforeAll(async () => {
  remit = await start();
  await remit.app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = remit.app.server.address() as AddressInfo);
  return () => remit.stop();
});

/** The answer to a request, as it stands on the wire. */
const send = (line: string, headers: readonly string[], body = ''): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString())).on('error', reject);
    socket.on('end', () => {
      resolve(answer);
    });
    const key = `Authorization: Bearer ${remit.service.devKey ?? ''}`;
    const head = [`${line} HTTP/1.1`, `Host: 127.0.0.1:${port}`, key, 'Connection: close', ...headers];
    socket.write(`${[...head, '', ''].join('\r\n')}${body}`);
  });
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);

const TYPES = [
  'application/json',
  'application/json; charset=utf-16',
  'application/x-www-form-urlencoded',
  'text/plain',
  'none at all',
];
const SCRIBE = JSON.stringify({ attributes: { name: 'Scribe', suspended: false, kind: 'assistant' } });
/** The ways of sending no byte: without a word of a body, and with its length. */
const NOTHING = [[], ['Content-Length: 0']];

describe('a route that takes no body', () => {
  it.each(TYPES)('has none where nothing is sent as %s', async (type) => {
    for (const framing of NOTHING) {
      const headers = [`Content-Type: ${type}`, ...framing];
      const json = ['Content-Type: application/json', `Content-Length: ${SCRIBE.length}`];
      expect(statusOf(await send('PUT /v1/entities/agent/scribe', json, SCRIBE))).toBe(200);
      expect(statusOf(await send('DELETE /v1/entities/agent/scribe', headers))).toBe(204);
      expect(statusOf(await send('GET /v1/entities/agent/scribe', headers))).toBe(404);
      expect(statusOf(await send('DELETE /v1/sessions/s1', headers))).toBe(204);
      expect(statusOf(await send('GET /v1/decisions', headers))).toBe(200);
    }
  });

  it('has none where a body in chunks has no chunk', async () => {
    const headers = ['Content-Type: application/json', 'Transfer-Encoding: chunked'];
    expect(statusOf(await send('DELETE /v1/sessions/s2', headers, '0\r\n\r\n'))).toBe(204);
  });

  it.each([
    ['application/json', '{', 'malformed_json'],
    ['text/plain', '{}', 'content_type'],
  ])('refuses a body of %s that is none of JSON', async (type, body, code) => {
    const headers = [`Content-Type: ${type}`, `Content-Length: ${body.length}`];
    const answer = await send('DELETE /v1/sessions/s3', headers, body);
    expect([statusOf(answer), answer]).toEqual([400, expect.stringContaining(code)]);
  });
});

it.each(NOTHING)('a route that takes a body needs one', async (...framing) => {
  const answer = await send('POST /v1/revocations', ['Content-Type: application/json', ...framing]);
  expect([statusOf(answer), answer]).toEqual([400, expect.stringContaining('The body is empty.')]);
});

it('each route that takes a body says which type it has to be of, and takes a missing one for no JSON', async () => {
  const { paths = {} } = remit.app.swagger() as { paths?: Record<string, Record<string, { requestBody?: object }>> };
  const routes = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, { requestBody }]) => requestBody !== undefined)
      .map(([method]) => `${method.toUpperCase()} ${path.replaceAll(/\{.*?\}/g, 'x')}`),
  );
  expect(routes.length).toBeGreaterThan(8);
  for (const route of routes) {
    // A route for people and agents refuses a client before it looks at a body.
    const json = ['Content-Type: application/json', 'Content-Length: 2'];
    if (statusOf(await send(route, json, '{}')) === 403) {
      expect(route).toMatch(/\/v1\/(consents|approvals)/);
      continue;
    }
    for (const type of [[], ['Content-Type: application/merge-patch+json'], ['Content-Type: ;']]) {
      const answer = await send(route, [...type, 'Content-Length: 2'], '{}');
      expect([route, statusOf(answer), answer]).toEqual([
        route,
        400,
        expect.stringContaining('"content_type","message":"The Content-Type must be application/json."'),
      ]);
    }
  }
});

it.each([
  ['gzip', 400],
  ['br, gzip', 400],
  ['', 400],
  ['identity', 200],
])('a body that is said to be encoded as "%s" is answered %i', async (encoding, status) => {
  const headers = ['Content-Type: application/json', `Content-Length: ${SCRIBE.length}`];
  const answer = await send('PUT /v1/entities/agent/scribe', [...headers, `Content-Encoding: ${encoding}`], SCRIBE);
  expect(statusOf(answer)).toBe(status);
  if (status === 400) expect(answer).toContain('bodies are never compressed');
});
