/** A key server that fails: whoever's token needs it gets a 503, in time, and a 200 as soon as it is back. */
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { clientNamed, startWith, T, type Answer, type Running } from '../support/sample.js';
import { makeKey, type Key } from '../tokens/keys.js';
import { json, raw, serveKeys, type Answer as KeyAnswer, type KeyServer } from '../tokens/server.js';
import { collectCleanups } from '../support/cleanups.js';

const BACK = { timeout: 25_000, interval: 100 };
const AT_ONCE = 100;

describe('a key server', () => {
  let server: KeyServer;
  let key: Key;
  let remit: Running;
  let good: KeyAnswer;
  /** What has been fetched counts for a minute. */
  let passed = 0;
  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    const steady = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => steady() + passed);
    onSuiteFinished(() => vi.restoreAllMocks());
    server = await serveKeys();
    onSuiteFinished(() => server.close());
    key = await makeKey('ES256', 'corp');
    good = json({ keys: [key.jwk] });
    server.answer = good;
    remit = await startWith({
      issuers: [
        { issuer: 'https://corp.example', audience: 'api', primary: true, jwks_uri: server.url, jwks_network: 'private' },
      ],
      clients: [clientNamed('api', 'api', 'evaluate', 'admin')],
      // The key server's time is held to; that of a busy machine is not what is tested.
      limits: { deadline_ms: 20_000 },
    }); // prettier-ignore
    onSuiteFinished(() => remit.stop());
  });
  afterEach(() => {
    server.answer = good;
  });

  const mint = (jti: string): Promise<string> =>
    key.sign(
      { alg: 'ES256', typ: 'at+jwt', kid: 'corp' },
      {
        iss: 'https://corp.example', aud: 'api', sub: 'alice', act: { sub: 'hr-assistant' }, client_id: 'hr-assistant',
        scope: 'hr.employees.read', jti, iat: T, exp: T + 300,
      },
    ); // prettier-ignore
  const post = (path: string, body: object) => remit.post(path, body, { authorization: 'Bearer api-key' });
  const ask = async (jti: string): Promise<{ status: number; retry: unknown; answer: Answer }> => {
    const response = await post('/access/v1/evaluation', {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: { token: await mint(jti) },
    });
    return { status: response.statusCode, retry: response.headers['retry-after'], answer: response.json<Answer>() };
  };

  let run = 0;
  it.each<[string, KeyAnswer]>([
    ['that hangs up', (response) => response.socket?.destroy()],
    ['that never answers', () => undefined],
    ['whose answer breaks off', raw('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"keys":[')],
    ['that is in trouble', raw('HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n')],
    ['that says something else', json('<html>')],
  ])('%s: 503 for everybody, asked for once; then the same tokens are good, and a revoked one never is', async (_what, bad) => {
    run += 1;
    const name = (i: number): string => `${run}-${i}`;
    expect((await ask(`${run}-before`)).answer.decision).toBe(true);
    expect((await post('/v1/revocations', { jti: `${run}-revoked` })).statusCode).toBe(201);
    passed += 61_000;
    server.answer = bad;
    const hits = server.hits;

    const during = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => ask(name(i))));
    for (const { status, retry, answer } of during) {
      expect([status, retry, answer.decision, answer.context?.error?.code]).toEqual([503, '1', false, 'keys_unavailable']);
    }
    expect(server.hits - hits).toBeLessThanOrEqual(2);
    expect((await ask(`${run}-revoked`)).answer.decision).toBe(false);
    expect(remit.app.health.admission.stats().inFlight).toBe(0);

    server.answer = good;
    await expect.poll(async () => (await ask(name(0))).answer.decision, BACK).toBe(true);
    for (const { answer } of await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => ask(name(i)))))
      expect(answer.decision).toBe(true);
    expect((await ask(`${run}-revoked`)).answer.context?.reasons.map((r) => r.code)).toEqual(['token_revoked']);
  }); // prettier-ignore

  it('a withdrawn key ends within a minute, though the host’s clock was set back meanwhile', async () => {
    expect((await ask('clock-before')).answer.decision).toBe(true);
    const other = await makeKey('ES256', 'other');
    server.answer = json({ keys: [other.jwk] });
    const host = Date.now.bind(Date);
    const back = vi.spyOn(Date, 'now').mockImplementation(() => host() - 3_600_000);
    passed += 61_000;
    expect((await ask('clock-after')).answer.context?.reasons.map((r) => r.code)).toEqual(['token_key_unknown']);
    back.mockRestore();
    server.answer = good;
    passed += 61_000;
    expect((await ask('clock-restored')).answer.decision).toBe(true);
  });
});
