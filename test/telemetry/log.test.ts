/** The log of a running service: a line of JSON an event, and never a secret in it. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { openLog, redact } from '../../src/telemetry/log.js';
import { Fault } from '../../src/model/faults.js';
import { observeCall, type EngineCall } from '../../src/telemetry/engine-calls.js';
import { clientNamed, startWith, type Running } from '../support/sample.js';

// On a machine that is busy, engines take their time to start, and a decision takes what it takes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

class Lines {
  readonly lines: string[] = [];
  readonly write = (text: string): void => void this.lines.push(text);
  get events(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

describe('redaction', () => {
  const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';
  it.each([
    ['a token', `the token ${TOKEN} is bad`, [TOKEN, 'c2lnbmF0dXJl', 'eyJzdWIi']],
    ['a token that was cut off', TOKEN.slice(0, 30), [TOKEN.slice(0, 30)]],
    ['a token within JSON within JSON', JSON.stringify(JSON.stringify({ token: TOKEN })), [TOKEN]],
    ['a bearer credential', 'authorization: Bearer s3cr3t-key~x', ['s3cr3t']],
    ['a DPoP credential', `DPoP ${TOKEN}`, [TOKEN]],
    ['basic credentials', 'Basic dXNlcjpwYXNz', ['dXNlcjpwYXNz']],
    ['a password in an address', 'connect postgres://remit:s3cr3t@db.example:5432/remit failed', ['s3cr3t']],
    ['a password with an @ and a slash', 'postgres://remit:s3/cr@3t@db.example/remit', ['s3/cr', '3t@']],
    ['a password by its name', 'password=s3cr3t host=db', ['s3cr3t']],
    ['a key by its name, quoted twice', '{\\"api_key\\": \\"s3cr3t\\"}', ['s3cr3t']],
    ['a cookie', '"cookie":"session=s3cr3t"', ['s3cr3t']],
    ['what is known to be secret', 'the server said ps-key-1', ['ps-key-1']],
  ])('takes out %s', (_name, text, secrets) => {
    const redacted = redact(text, ['ps-key-1']);
    for (const secret of secrets) expect(redacted).not.toContain(secret);
    expect(redacted).toContain('[redacted]');
  });

  it('leaves JSON as JSON, and what is no secret as it is', () => {
    const line = JSON.stringify({
      token: null,
      secret: true,
      password: 12,
      cookie: ['a'],
      dpop: { jwt: 'eyJhbGciOiJF' },
    });
    expect(() => JSON.parse(redact(line)) as unknown).not.toThrow();
    for (const text of ['token_missing', 'postgres://db.example:5432/remit: answers again', 'http://127.0.0.1:7480'])
      expect(redact(text)).toBe(text);
  });
});

describe('a running service', () => {
  const out = new Lines();
  let remit: Running;
  let token: string;
  beforeAll(async () => {
    remit = await startWith(
      {
        issuers: [],
        clients: [clientNamed('api', 'remit', 'evaluate', 'admin')],
        limits: { deadline_ms: 60_000 },
      },
      openLog({ format: 'json', level: 'debug' }, out),
    );
    token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
    return () => remit.stop();
  });
  const key = { authorization: 'Bearer api-key' };
  const ask = (over: object = {}, headers: Record<string, string> = {}) =>
    remit.post(
      '/access/v1/evaluation',
      {
        subject: { type: 'user', id: 'alice' },
        action: { name: 'read' },
        resource: { type: 'employee', id: 'erin' },
        context: { token },
        ...over,
      },
      { ...key, ...headers },
    );

  it('says of a request what was asked for, by which name, and the decision that is on record', async () => {
    const response = await ask({}, { 'x-request-id': 'order-7' });
    const { id } = response.json<{ context: { id: string } }>().context;
    expect(out.events.at(-1)).toMatchObject({
      level: 'debug',
      event: 'request',
      method: 'POST',
      route: '/access/v1/evaluation',
      status: 200,
      request_id: 'order-7',
      decision_id: id,
    });
  });

  it('never says a token, a key or a proof, whatever goes wrong', async () => {
    const bad = `${token.slice(0, -6)}AAAAAA`;
    const proof = 'eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.cHJvb2Y';
    const url = 'https://hr.example/x';
    await ask({ context: { token: bad } });
    await ask({ context: { token: 'eyJ.not.a-token-but-secret' } });
    await ask({ context: { token, proof: { jwt: proof, method: 'GET', url } } });
    await ask({}, { cookie: 'session=secret-cookie', dpop: proof });
    await remit.post('/access/v1/evaluation', `{"context": {"token": "${token}", oops`, key);
    await remit.post('/access/v1/evaluation', `{"context":{"token":"${token}","token":"${bad}"}}`, key);
    await remit.post('/access/v1/evaluation', {}, { authorization: `Bearer ${token}` });
    await remit.post('/access/v1/evaluation', {}, { authorization: `Bearer secret-guess`, dpop: proof });
    await ask({}, { 'content-type': 'text/secret-type' });
    await remit.app.inject({ url: `/v1/decisions?access_token=${token}`, headers: { host: '127.0.0.1:7480' } });
    await remit.app.inject({ url: `/${token}`, headers: { host: '127.0.0.1:7480', ...key } });

    // A bug whose message quotes what it was given, and an engine that says with what it was to connect.
    const failing = vi.spyOn(remit.service.decisions, 'findClosed');
    const address = 'postgres://remit:secret-password@db.example:5432/remit';
    failing.mockRejectedValueOnce(new TypeError(`no ${token} with Bearer api-key in ${address}`));
    const path = '/v1/decisions/01a20326-b67f-72cc-a09c-37bdefa62c0a';
    const headers = { host: '127.0.0.1:7480', ...key };
    expect((await remit.app.inject({ url: path, headers })).statusCode).toBe(500);
    const cause = Object.assign(new Error(address), { request: { headers: { authorization: token } } });
    failing.mockRejectedValueOnce(new Fault('database_unavailable', `${address}: password=secret-password refused`, { cause }));
    expect((await remit.app.inject({ url: path, headers })).statusCode).toBe(503);
    failing.mockRestore();

    const text = out.lines.join('');
    const told = [token, bad, proof, 'secret-', 'not.a-token', 'api-key'];
    for (const secret of told) expect(text).not.toContain(secret);
    for (const part of token.split('.')) expect(text).not.toContain(part);
    const trouble = out.events.filter(({ level }) => level === 'error');
    expect(trouble.map(({ msg, fault, status }) => [status ?? msg, fault])).toEqual([
      ['unexpected error', undefined], [500, undefined], ['an engine failed', 'database_unavailable'], [503, 'database_unavailable'],
    ]);
    expect(trouble.at(-1)?.['cause']).toBe('postgres://remit:[redacted]@db.example:5432/remit: password=[redacted] refused');
    expect(JSON.stringify(trouble[0])).toContain('TypeError');
  }); // prettier-ignore

  it('says of a decision that can not be made why, and its caller only that', async () => {
    const { decisions, metrics } = remit.service;
    const told: EngineCall[] = [];
    const watch = (call: EngineCall): void => {
      told.push(call);
      metrics.observeCall(call);
    };
    const error = new Fault('database_unavailable', undefined, { cause: new Error('connect ECONNREFUSED 10.0.0.7:5432') });
    const failing = vi.spyOn(decisions, 'record').mockImplementationOnce(() =>
      observeCall({ engine: 'database', watch, faultOf: () => 'database_unavailable' }, 'run', () => Promise.reject(error)));
    const response = await ask();
    failing.mockRestore();
    expect([response.statusCode, response.body.includes('ECONNREFUSED')]).toEqual([503, false]);
    expect(told).toMatchObject([{ failure: 'connect ECONNREFUSED 10.0.0.7:5432' }]);
    expect(out.events.at(-1)).toMatchObject({
      event: 'request', status: 503, fault: 'database_unavailable', cause: 'connect ECONNREFUSED 10.0.0.7:5432',
    });
  }); // prettier-ignore

  it('is quiet about what goes well, unless asked for more', () => {
    const quiet = new Lines();
    const { logger, log } = openLog({ format: 'json', level: undefined }, quiet);
    logger.debug('a request');
    log('postgres://db:5432/remit: answers again', { event: 'engine_back', engine: 'database' });
    expect(quiet.events).toMatchObject([{ level: 'warn', event: 'engine_back', engine: 'database' }]);
    expect(quiet.events[0]?.['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });
});

it('a person at a terminal reads a sentence', () => {
  const out = new Lines();
  const { log, logger } = openLog({ format: 'text', level: undefined }, out, ['s3cr3t']);
  log('postgres://db:5432/remit: can not answer: s3cr3t', { event: 'engine_away' });
  logger.info('listening');
  expect(out.lines).toEqual(['remit: postgres://db:5432/remit: can not answer: [redacted]\n']);
});
