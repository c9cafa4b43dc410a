/** Administration on a listener of its own, callers' certificates of an authority, and what changes while it runs. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { connect, TLSSocket, type PeerCertificate } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { startReloading } from '../../src/service/reload/start-reloading.js';
import { openListeners, type OpenListeners, type OpenListener } from '../../src/http/listen.js';
import { loadConfig } from '../../src/config/config.js';
import { pem, selfSigned, signedBy, type Pair } from '../support/make-certificates.js';
import { start, T, type Answer, type Running } from '../support/sample.js';
import { makeKey, type Key } from '../tokens/keys.js';
import { collectCleanups } from '../support/cleanups.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
const client = (id: string, may: string[], ...keys: string[]): object => ({
  id,
  audience: 'api',
  key_sha256: keys.map(sha),
  may,
  supported_obligations: ['mask', 'notification'],
});

let directory: string;
let file: string;
let remit: Running;
let listeners: OpenListeners;
let [first, second]: Key[] = [];
let ca: Pair;
let other: Pair;
let server: Pair;
let unhook: () => Promise<void>;
const said: string[] = [];

/** The whole configuration, with members replaced. */
function configure(over: object = {}): object {
  return {
    schema: { relationships: `${root}schema/acme.zed`, actions: `${root}schema/acme.cedarschema` },
    policies: `${root}policies`,
    world: `${root}fixtures/acme.yaml`,
    listen: {
      port: 0,
      tls: { ...server, client_ca: ca.certificate },
      admin: { port: 0 },
    },
    limits: { deadline_ms: 30_000 },
    issuers: [{ issuer: 'https://corp.example', audience: 'remit', primary: true, jwks: { keys: [first?.jwk] } }],
    clients: [
      client('api', ['evaluate'], 'api-old'),
      client('both', ['evaluate', 'admin'], 'both-key'),
      client('admin', ['admin'], 'admin-key'),
    ],
    ...over,
  };
}

const onSuiteFinished = collectCleanups();
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'remit-listeners-'));
  file = join(directory, 'remit.yaml');
  [first, second] = [await makeKey('ES256', 'k1'), await makeKey('ES256', 'k2')];
  [ca, other] = [selfSigned(directory, 'authority'), selfSigned(directory, 'other')];
  server = selfSigned(directory, 'localhost');
  signedBy(ca, directory, 'caller');
  signedBy(other, directory, 'stranger');
  writeFileSync(file, stringify(configure()));
  remit = await start(file, directory);
  onSuiteFinished(() => remit.stop());
  listeners = await openListeners(remit.service);
  onSuiteFinished(() => listeners.close());
  unhook = startReloading(remit.service, listeners.all, () => loadConfig(file, { REMIT_DATA: directory }), (line) => said.push(line));
  onSuiteFinished(() => unhook());
}); // prettier-ignore

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly certificate: PeerCertificate | undefined;
}
type Sent = { key?: string; method?: string; as?: string | undefined; agent?: Agent; body?: object };

/** A request over a connection of its own, unless an agent keeps it; main wants a certificate, the caller's by default. */
function call({ app, listener }: OpenListener, path: string, sent: Sent = {}): Promise<Reply> {
  const { key, method = 'GET', as = 'caller', agent, body } = sent;
  const own = as === '' ? {} : pem({ certificate: join(directory, `${as}.pem`), key: join(directory, `${as}.key`) });
  const tls = listener.tls === undefined ? {} : { ...own, rejectUnauthorized: false, agent: agent ?? false };
  return new Promise((resolve, reject) => {
    const request = (listener.tls === undefined ? httpRequest : httpsRequest)(
      {
        host: '127.0.0.1',
        port: (app.server.address() as AddressInfo).port,
        path,
        method,
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...tls,
      },
      (response) => {
        let text = '';
        const { socket } = response;
        const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, certificate }));
      },
    );
    request.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}
const status = async (where: OpenListener, path: string, sent?: Sent): Promise<number> => (await call(where, path, sent)).status; // prettier-ignore
const question = (token: string): object => ({
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
  context: { token },
});
const token = (by: Key | undefined, aud = 'api'): Promise<string> => {
  if (by === undefined) throw new TypeError('the keys are made first');
  return by.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: by.jwk.kid ?? '' },
    { iss: 'https://corp.example', sub: 'alice', aud, exp: T + 300, iat: T, scope: 'hr.employees.read', act: { sub: 'hr-assistant' } },
  );
}; // prettier-ignore
const EVALUATION = '/access/v1/evaluation';

describe('administration on a listener of its own', () => {
  it.each([
    ['GET', '/v1/relationships?resource_type=team'],
    ['POST', '/v1/relationships'],
    ['GET', '/v1/entities/user/alice'],
    ['PUT', '/v1/entities/user/alice'],
    ['DELETE', '/v1/entities/user/nobody'],
    ['GET', '/v1/policies'],
    ['GET', '/v1/revocations'],
    ['POST', '/v1/revocations'],
  ])('is nowhere else: %s %s', async (method, path) => {
    const sent = { method, ...(method === 'POST' || method === 'PUT' ? { body: { wrong: true } } : {}) };
    expect(await status(listeners.main, path, { ...sent, key: 'both-key' })).toBe(404);
    expect([200, 204, 400, 404]).toContain(listeners.admin && (await status(listeners.admin, path, { ...sent, key: 'admin-key' }))); // prettier-ignore
    expect(listeners.admin && (await status(listeners.admin, path, { ...sent, key: 'api-old' }))).toBe(403);
  });

  it.each([
    ['POST', EVALUATION],
    ['POST', '/access/v1/evaluations'],
    ['POST', '/access/v1/search/resource'],
    ['POST', '/v1/filter'],
    ['GET', '/v1/capabilities'],
    ['POST', '/v1/capabilities'],
    ['GET', '/.well-known/authzen-configuration'],
  ])('decides nothing: %s %s', async (method, path) => {
    expect(listeners.admin && (await status(listeners.admin, path, { method, key: 'both-key' }))).toBe(404);
  });

  it('shows all decisions, and the main one only each client’s own', async () => {
    const asked = await call(listeners.main, EVALUATION, { method: 'POST', key: 'api-old', body: question(await token(first)) }); // prettier-ignore
    const answer = JSON.parse(asked.body) as Answer;
    expect([asked.status, answer.decision]).toEqual([200, true]);
    const path = `/v1/decisions/${answer.context?.id ?? ''}`;
    expect(await status(listeners.main, path, { key: 'api-old' })).toBe(200);
    expect(await status(listeners.main, path, { key: 'both-key' })).toBe(404);
    expect(listeners.admin && (await status(listeners.admin, path, { key: 'both-key' }))).toBe(200);
  });

  it('ends any session there, and on the main one only a user’s own', async () => {
    expect(await status(listeners.main, '/v1/sessions/s1', { method: 'DELETE', key: 'both-key' })).toBe(403);
    expect(listeners.admin && (await status(listeners.admin, '/v1/sessions/s1', { method: 'DELETE', key: 'both-key' }))).toBe(204); // prettier-ignore
    expect(listeners.admin && (await status(listeners.admin, '/v1/sessions/s1', { method: 'DELETE', key: await token(first, 'remit') }))).toBe(403); // prettier-ignore
  });

  it('is what /openapi.json of each says, and /docs and the health are on both', async () => {
    const paths = async (at: OpenListener | undefined): Promise<string[]> =>
      at === undefined ? [] : Object.keys((JSON.parse((await call(at, '/openapi.json')).body) as { paths: object }).paths);
    const [main, admin] = [await paths(listeners.main), await paths(listeners.admin)];
    expect(main).toContain(EVALUATION);
    expect(main.filter((p) => /relationships|entities|revocations|policies/.test(p))).toEqual([]);
    expect(admin.sort()).toEqual([
      '/', '/health/live', '/health/ready', '/metrics', '/v1/agents/{id}/access', '/v1/approvals', '/v1/approvals/{id}',
      '/v1/approvals/{id}/decision',
      '/v1/audit/checkpoint', '/v1/audit/consistency', '/v1/audit/entries', '/v1/audit/key', '/v1/audit/proof/{id}', '/v1/audit/retention', '/v1/audit/unsequenced', '/v1/decisions', '/v1/decisions/{id}', '/v1/decisions/{id}/outcome', '/v1/decisions/{id}/path', '/v1/decisions/{id}/receipt',
      '/v1/decisions/{id}/review', '/v1/entities/{type}', '/v1/entities/{type}/{id}', '/v1/notifications/failed', '/v1/people/{type}/{id}',
      '/v1/policies', '/v1/relationships', '/v1/revocations', '/v1/scopes', '/v1/sessions/{id}', '/v1/usage',
    ]);
    for (const at of listeners.all)
      for (const path of ['/health/live', '/health/ready', '/docs/']) expect(await status(at, path)).toBe(200);
  }); // prettier-ignore
});

describe('callers’ certificates', () => {
  it('of the authority get in, others don’t get so far as to ask', async () => {
    expect(await status(listeners.main, '/health/live')).toBe(200);
    await expect(call(listeners.main, '/health/live', { as: 'stranger' })).rejects.toThrow();
    await expect(call(listeners.main, '/health/live', { as: '' })).rejects.toThrow();
  });

  it('are no credential: a key is needed all the same', async () => {
    expect(await status(listeners.main, EVALUATION, { method: 'POST' })).toBe(401);
  });
});

describe('SIGHUP', () => {
  /** Writes the file, sends the signal, and waits for what is said of it. */
  const again = async (text: string): Promise<string[]> => {
    writeFileSync(file, text);
    said.length = 0;
    process.emit('SIGHUP', 'SIGHUP');
    await expect.poll(() => said.at(-1) ?? '', { timeout: 20_000 }).toMatch(/has been read again|is not taken/);
    return [...said];
  };
  const ask = (key: string, by = first): Promise<Reply> =>
    token(by).then((t) => call(listeners.main, EVALUATION, { method: 'POST', key, body: question(t) }));
  const keys = (...of: string[]): object => ({ clients: [client('api', ['evaluate'], ...of), client('admin', ['admin'], 'admin-key')] }); // prettier-ignore

  it('takes a second key beside the first, and then the second alone', async () => {
    expect((await ask('api-old')).status).toBe(200);
    expect((await ask('api-new')).status).toBe(401);
    expect(await again(stringify(configure(keys('api-old', 'api-new'))))).toContain('clients: changed api, removed both');
    expect([(await ask('api-old')).status, (await ask('api-new')).status]).toEqual([200, 200]);
    expect(await status(listeners.main, '/v1/scopes', { key: 'both-key' })).toBe(401);
    await again(stringify(configure(keys('api-new'))));
    expect([(await ask('api-old')).status, (await ask('api-new')).status]).toEqual([401, 200]);
  }); // prettier-ignore

  it('takes issuers’ keys: a token of one that was withdrawn is refused at once, though it was kept', async () => {
    const decisionOf = async (by: Key | undefined) => (JSON.parse((await ask('api-new', by)).body) as Answer).decision;
    expect([await decisionOf(first), await decisionOf(second)]).toEqual([true, false]);
    const issuer = (...of: (Key | undefined)[]): object => ({
      issuers: [{ issuer: 'https://corp.example', audience: 'remit', primary: true, jwks: { keys: of.map((k) => k?.jwk) } }],
    });
    await again(stringify(configure({ ...keys('api-new'), ...issuer(first, second) })));
    expect([await decisionOf(first), await decisionOf(second)]).toEqual([true, true]);
    expect(await again(stringify(configure({ ...keys('api-new'), ...issuer(second) })))).toContain('issuers: changed https://corp.example'); // prettier-ignore
    expect([await decisionOf(first), await decisionOf(second)]).toEqual([false, true]);
    await again(stringify(configure(keys('api-new'))));
  }); // prettier-ignore

  it.each([
    ['is no YAML', () => '{{{', /remit\.yaml:1/],
    ['says an unknown key', () => stringify(configure({ ...keys('other'), polices: 1 })), /polices: unknown key/],
    ['has one bad client', () => stringify(configure({ clients: [client('api', ['evaluate'], 'other'), { id: 'b', key_sha256: 'x' }] })), /clients\[1\]\.key_sha256/],
    ['has two clients with one key', () => stringify(configure({ clients: [client('a', ['evaluate'], 'other'), client('b', ['evaluate'], 'x', 'other')] })), /two clients have the key_sha256/],
    ['has a client of a type that there is not', () => stringify(configure({ clients: [{ ...client('api', ['evaluate'], 'other'), resources: ['emploee'] }] })), /no resource "emploee"/],
    ['has a weak key', () => stringify(configure({ ...keys('other'), issuers: [{ issuer: 'https://corp.example', audience: 'remit', primary: true, algorithms: ['EdDSA'], jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) }] } }] })), /of small order/],
    ['has no client left', () => stringify(configure({ clients: [] })), /needs a restart/],
    ['has a certificate of another key', () => stringify(configure({ ...keys('other'), listen: { port: 0, tls: { certificate: server.certificate, key: other.key, client_ca: ca.certificate }, admin: { port: 0 } } })), /listen\.tls: key values mismatch/],
    ['has a certificate that isn’t there', () => stringify(configure({ ...keys('other'), listen: { port: 0, tls: { certificate: '/nowhere.pem', key: server.key, client_ca: ca.certificate }, admin: { port: 0 } } })), /there is no such file/],
  ])('takes nothing of a configuration that %s', async (_how, text, why) => {
    const lines = await again(text());
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^the configuration is not taken, all stays as it was: /);
    expect(lines[0]).toMatch(why);
    expect([(await ask('api-new')).status, (await ask('other')).status]).toEqual([200, 401]);
    expect((JSON.parse((await ask('api-new')).body) as Answer).decision).toBe(true);
  }); // prettier-ignore

  it('says of everything else that it needs a restart, and takes the rest', async () => {
    const lines = await again(
      stringify(
        configure({
          ...keys('api-new', 'api-newer'),
          listen: { port: 1, tls: { ...server, client_ca: ca.certificate } },
          policies: join(directory, 'policies'),
          limits: { agent_rate: 7 },
        }),
      ),
    );
    for (const name of ['listen', 'listen.admin', 'policies', 'limits'])
      expect(lines).toContain(`${name}: changed, which needs a restart`);
    // Where the tests run on servers, their file knows nothing of them.
    const others = lines.filter((l) => l.includes('restart') && !/^(spicedb|database|records|audit):/.test(l));
    expect(others).toHaveLength(4);
    expect((await ask('api-newer')).status).toBe(200);
    await again(stringify(configure(keys('api-new'))));
  });

  it('takes a new certificate, and lets in only whom the new authority knows, on open connections too', async () => {
    const kept = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => {
      kept.destroy();
    });
    expect((await call(listeners.main, '/health/live', { agent: kept })).certificate?.subject.CN).toBe('localhost');
    const renewed = selfSigned(directory, 'renewed');
    const lines = await again(stringify(configure({ ...keys('api-new'), listen: { port: 0, tls: { ...renewed, client_ca: other.certificate }, admin: { port: 0 } } }))); // prettier-ignore
    expect(lines.some((line) => /^certificates of .*: read again$/.test(line))).toBe(true);
    expect((await call(listeners.main, '/health/live', { as: 'stranger' })).certificate?.subject.CN).toBe('renewed');
    await expect(call(listeners.main, '/health/live')).rejects.toThrow();
    await expect(call(listeners.main, '/health/live', { agent: kept })).rejects.toThrow();
    await again(stringify(configure(keys('api-new'))));
    expect(await status(listeners.main, '/health/live')).toBe(200);
  });

  it('asks those anew who connected before and hadn’t asked yet', async () => {
    const caller = pem({ certificate: join(directory, 'caller.pem'), key: join(directory, 'caller.key') });
    const { port } = listeners.main.app.server.address() as AddressInfo;
    const early = connect({ host: '127.0.0.1', port, ...caller, rejectUnauthorized: false });
    // What the server sends after the handshake shows that it has taken the certificate.
    await new Promise((taken) => early.once('session', taken));
    await again(stringify(configure(keys('api-new', 'api-newer'))));
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      early.on('data', (chunk: Buffer) => (text += chunk.toString()));
      early.on('error', () => undefined).on('close', () => resolve(text));
      early.write(`GET /v1/scopes HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer api-new\r\n\r\n`);
    });
    expect(answer === '' ? 'closed' : answer.slice(0, 12)).toMatch(/^(closed|HTTP\/1\.1 421)$/);
    await again(stringify(configure(keys('api-new'))));
  });

  it('says nothing of keys', () => {
    expect(said.join('\n')).not.toMatch(/[0-9a-f]{64}|api-(old|new)|PRIVATE/);
    expect(readFileSync(file, 'utf8')).toContain(sha('api-new'));
  });
});
