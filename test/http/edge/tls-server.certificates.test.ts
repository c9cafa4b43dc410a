/** Tokens bound to a certificate (RFC 8705): stated by a client, or seen by Remit on its own connection. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { certificateThumbprint } from '../../../src/tokens/proof-of-possession.js';
import { clientNamed, codes, startWith, T, type Answer, type Running } from '../../support/sample.js';
import { makeKey, type Key } from '../../tokens/keys.js';

const URL_ = '/access/v1/evaluation';
const path = (from: string): string => fileURLToPath(new URL(`../../../${from}`, import.meta.url));
const pem = (name: string): string => readFileSync(path(`test/support/certificates/${name}`), 'utf8');

let remit: Running;
let key: Key;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  remit = await startWith({
    listen: {
      port: 0,
      tls: {
        certificate: path('test/support/certificates/server.pem'),
        key: path('test/support/certificates/server.key'),
        client_certificates: true,
      },
    },
    issuers: [{ issuer: 'https://corp.example', audience: 'remit', primary: true, jwks: { keys: [key.jwk] } }],
    clients: [clientNamed('edge', 'api', 'evaluate', 'asserts_certificate'), clientNamed('plain', 'api', 'evaluate')],
  });
  await remit.app.listen({ host: '127.0.0.1', port: 0 });
  return () => remit.stop();
});

const bound = (aud: string, certificate = 'holder.pem'): Promise<string> =>
  key.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
    {
      iss: 'https://corp.example',
      sub: 'alice',
      aud,
      exp: T + 300,
      iat: T,
      scope: 'hr.employees.read',
      act: { sub: 'hr-assistant' },
      cnf: { 'x5t#S256': certificateThumbprint(pem(certificate)) },
    },
  );
const question = (context: object): object => ({
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
  context,
});

describe('a client that may state certificates', () => {
  const pass = async (certificate: string | undefined, by = 'edge') => {
    const context = { token: await bound('api'), ...(certificate === undefined ? {} : { proof: { certificate } }) };
    const port = (remit.app.server.address() as AddressInfo).port;
    return remit.post(URL_, question(context), { authorization: `Bearer ${by}-key`, host: `127.0.0.1:${port}` });
  };

  it.each([
    ['as PEM', () => pem('holder.pem')],
    ['as DER in base64', () => new X509Certificate(pem('holder.pem')).raw.toString('base64')],
  ])('is believed, %s', async (_form, certificate) => {
    const answer = (await pass(certificate())).json<Answer>();
    expect(codes(answer)).toEqual([]);
    expect(answer.decision).toBe(true);
  });

  it('has to state one, and the right one', async () => {
    expect(codes((await pass(undefined)).json())).toEqual(['proof_missing']);
    expect(codes((await pass(pem('thief.pem'))).json())).toEqual(['proof_invalid']);
  });

  it('has to state one that is one', async () => {
    const response = await pass('certificate');
    expect([response.statusCode, response.json()]).toEqual([
      400,
      {
        error: {
          code: 'bad_request',
          message: 'is not a certificate, as PEM or DER in base64',
          at: 'context.proof.certificate',
        },
      },
    ]);
  });

  it('needs a flag for it', async () => {
    const response = await pass(pem('holder.pem'), 'plain');
    expect([response.statusCode, response.json<{ error: { at: string } }>().error.at]).toEqual([
      400,
      'context.proof.certificate',
    ]);
  });
});

describe('an agent on a connection of its own', () => {
  const call = async (certificate?: string): Promise<{ status: number; body: string }> => {
    const token = await bound('remit');
    const own = certificate === undefined ? {} : { cert: pem(`${certificate}.pem`), key: pem(`${certificate}.key`) };
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: (remit.app.server.address() as AddressInfo).port,
          path: URL_,
          method: 'POST',
          ca: pem('server.pem'),
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          agent: false,
          ...own,
        },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        },
      );
      sent.on('error', reject).end(JSON.stringify(question({})));
    });
  };

  it('proves its token by its certificate', async () => {
    const { status, body } = await call('holder');
    expect(status, body).toBe(200);
    expect((JSON.parse(body) as Answer).decision).toBe(true);
  });

  it.each([['none', undefined], ['another', 'thief']])('with %s is 401', async (_which, certificate) => {
    expect((await call(certificate)).status).toBe(401);
  }); // prettier-ignore

  it('is told that certificates count here', async () => {
    const response = await remit.app.inject({ url: '/.well-known/oauth-protected-resource', headers: { host: `127.0.0.1:${(remit.app.server.address() as AddressInfo).port}` } });
    expect(response.json()).toMatchObject({ tls_client_certificate_bound_access_tokens: true });
    expect(response.json<{ resource: string }>().resource).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  }); // prettier-ignore
});
