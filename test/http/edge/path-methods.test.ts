/** A path that there is, asked with another method: which methods it takes, and nothing that /openapi.json doesn't say. */
import { METHODS, request as sendRequest } from 'node:http';
import { beforeAll, expect, it } from 'vitest';
import { start, type Running } from '../../support/sample.js';

let remit: Running;
let port = 0;
beforeAll(async () => {
  remit = await start();
  await remit.app.listen({ host: '127.0.0.1', port: 0 });
  const address = remit.app.server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  return () => remit.stop();
});

interface Reply {
  readonly status: number;
  readonly allow: string | undefined;
  readonly body: string;
}

const ask = (method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const request = sendRequest({ port, method, path, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, allow: response.headers.allow, body });
      });
    });
    request.on('error', reject).end();
  });

it('Each path of the document answers each method that it has not with those it has, also to a stranger', async () => {
  const { paths = {} } = remit.app.swagger() as { paths?: Record<string, Record<string, unknown>> };
  expect(Object.keys(paths).length).toBeGreaterThan(20);
  // "/v1/consents/requests" is also a consent of that id.
  const operationsAt = (path: string): string[] =>
    Object.entries(paths).flatMap(([pattern, operations]) =>
      new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll(/\{.*?\}/g, '[^/]+')}$`).test(path)
        ? Object.keys(operations)
        : [],
    );
  for (const [pattern, operations] of Object.entries(paths)) {
    const path = pattern.replaceAll(/\{.*?\}/g, 'x%2Fy');
    const documented = Object.keys(operations).map((name) => name.toUpperCase());
    const taken = operationsAt(path).map((name) => name.toUpperCase());
    const allowed = [...documented, ...(documented.includes('GET') ? ['HEAD'] : [])].sort();
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].filter(
      (m) => !allowed.includes(m) && !taken.includes(m),
    )) {
      const { status, allow, body } = await ask(method, `${path}?x=1`);
      expect([method, path, status, allow]).toEqual([method, path, 405, allowed.join(', ')]);
      if (method !== 'HEAD')
        expect(JSON.parse(body)).toEqual({
          error: {
            code: 'method_not_allowed',
            message: `There is no ${method} ${path}: it takes ${allowed.join(', ')}.`,
          },
        });
    }
  }
});

it('Any method that a request can have is answered so, and no 405 is at a path that there is not', async () => {
  for (const method of METHODS.filter((name) => !['CONNECT', 'GET', 'HEAD'].includes(name))) {
    expect([method, (await ask(method, '/health/live')).status]).toEqual([method, 405]);
    expect([method, (await ask(method, '/health')).status]).toEqual([method, 404]);
  }
  expect(await ask('POST', '/openapi.json')).toMatchObject({ status: 405, allow: 'GET, HEAD' });
});

it('A known client learns the same, whatever the body says it is', async () => {
  const headers = { authorization: `Bearer ${remit.service.devKey ?? ''}`, 'content-type': 'text/plain' };
  expect(await ask('PATCH', '/v1/entities/user/ann', headers)).toMatchObject({
    status: 405,
    allow: 'DELETE, GET, HEAD, PUT',
  });
});
