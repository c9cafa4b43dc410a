/** One contract for all adapters: against the real service, and, for its failures alone, against one that misbehaves. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { createClient, dpopCredential, type Credential, type RemitClient } from 'remit-client';
import { tokenSubject } from 'remit-node';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { mintBoundToken } from '../../support/mint.js';
import { answerJson, answerText, BROKEN_PROMISES, FAILURES, StandIn } from '../../support/stand-in.js';
import { writing, type Api, type ApiAnswer, type ApiOptions, type ApiRequest, type Framework } from './api.js';
import { express4Framework, expressFramework } from './express-api.js';
import { fastifyFramework } from './fastify-api.js';
import { honoFramework } from './hono-api.js';

const { url, key, tokens } = inject('service');
const RECORD = { id: 'erin', name: 'Erin', salary: 125_000, ssn: '000-12-3456' };
const SECRETS = ['125000', '000-12-3456', 'salary', 'ssn'];
const subject = tokenSubject((request: ApiRequest, name) => request.header(name));
const standIn = new StandIn();
beforeAll(() => standIn.start());
afterAll(() => standIn.stop());

describe.each([fastifyFramework, expressFramework, express4Framework, honoFramework])(
  '$name',
  (framework: Framework) => {
    const client = createClient({ url, key, timeoutMs: 20_000, obligations: { notification: () => undefined } });
    const opened: Api[] = [];
    let ran = 0;
    let answer: ApiAnswer = { as: 'json', body: RECORD };
    let seen: ApiRequest | undefined;
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((api) => api.close()));
      ran = 0;
      answer = { as: 'json', body: RECORD };
    });
    async function start(
      more: Partial<ApiOptions> = {},
    ): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
      const api = await framework.start({
        client,
        subject,
        answer: (request) => {
          ran += 1;
          seen = request;
          return answer;
        },
        ...more,
      });
      opened.push(api);
      return (path, init) => fetch(api.url + path, { redirect: 'manual', ...init });
    }
    const by = (token: string, headers: Record<string, string> = {}): { headers: Record<string, string> } => ({
      headers: { authorization: `Bearer ${token}`, ...headers },
    });

    describe('against the service', () => {
      it('lets an allowed request through, and masks what is sent', async () => {
        const ask = await start();
        const response = await ask('/employees/erin', by(tokens.reader));
        expect([response.status, await response.json()]).toEqual([200, { id: 'erin', name: 'Erin' }]);
        expect(response.headers.get('content-type')).toContain('application/json');
        expect(seen?.evaluation).toMatchObject({ allowed: true, obligations: [{ type: 'mask' }] });
      });

      it('refuses a denied one with 403, a text for people and nothing of the policies', async () => {
        const ask = await start();
        const response = await ask('/employees/erin', { method: 'DELETE', ...by(tokens.reader) });
        const body = (await response.json()) as { error: object; decision: string };
        expect([response.status, body.error, ran]).toEqual([
          403,
          { code: 'denied', message: expect.stringContaining('may not') as string },
          0,
        ]);
        expect(body.decision).toMatch(/^[0-9a-f-]{36}$/);
        expect(JSON.stringify(body)).not.toMatch(/cedar|agents-never-delete|rationale/);
      });

      it('tells what scope is missing', async () => {
        const ask = await start();
        const response = await ask('/employees/erin', by(tokens.unscoped));
        expect([response.status, ran]).toEqual([403, 0]);
        expect(response.headers.get('www-authenticate')).toBe(
          'Bearer error="insufficient_scope", scope="hr.employees.read"',
        );
      });

      it.each<[string, (token: string) => string | undefined]>([
        ['no credential', () => undefined],
        ['a scheme that isn’t known', (token) => `Basic ${token}`],
        ['no JWT', () => 'Bearer secret'],
        ['a token that was changed', (token) => `Bearer ${token.slice(0, -6)}AAAAAA`],
        ['a proof of possession that can’t be verified', (token) => `DPoP ${token}`],
        ['two credentials', (token) => `Bearer ${token}, Bearer ${token}`],
      ])('answers 401 to %s', async (_name, spell) => {
        const ask = await start();
        const credential = spell(tokens.reader);
        const response = await ask(
          '/employees/erin',
          credential === undefined ? {} : { headers: { authorization: credential } },
        );
        expect([response.status, ran]).toEqual([401, 0]);
        expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
      });

      it('denies a subject that isn’t the token’s, and a user without a token whom nobody vouches for', async () => {
        const ask = await start({ subject: () => ({ type: 'user', id: 'grace' }) });
        expect((await ask('/employees/erin', by(tokens.reader))).status).toBe(403);
        const asPerson = await start({ subject: () => ({ type: 'user', id: 'grace' }), token: false });
        expect((await asPerson('/employees/erin', by(tokens.reader))).status).toBe(401);
        expect(ran).toBe(0);
      });

      it('asks for people of sessions that the API has verified', async () => {
        const ask = await start({
          subject: () => ({ subject: { type: 'user', id: 'grace' }, context: { mode: 'human' } }),
          token: false,
        });
        const response = await ask('/employees/erin');
        expect([response.status, ran]).toEqual([200, 1]);
      });

      it('answers 400 to a name that can not exist, before the handler', async () => {
        const ask = await start();
        const response = await ask('/employees/a%0Ab', by(tokens.reader));
        expect([response.status, ran]).toEqual([400, 0]);
        expect((await ask(`/employees/${'x'.repeat(2_000)}`, by(tokens.reader))).status).toBeGreaterThanOrEqual(400);
        expect(ran).toBe(0);
      });

      it('passes on the proof for a token that is bound to a key, which counts once and for this address alone', async () => {
        const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
        const token = await mintBoundToken(keys.publicKey);
        const { proof } = dpopCredential(token, keys) as Extract<Credential, { readonly proof: unknown }>;
        const prove = (address: string): Promise<string> =>
          proof.prove({ method: 'GET', url: new URL(address), token });
        const ask = await start({ publicUrl: 'https://api.example' });
        const send = async (dpop: string): Promise<number> =>
          (await ask('/employees/erin?x=1', { headers: { authorization: `DPoP ${token}`, dpop } })).status;
        const good = await prove('https://api.example/employees/erin');
        expect([await send(good), await send(good)]).toEqual([200, 401]);
        expect(await send(await prove('https://evil.example/employees/erin'))).toBe(401);
        expect(await send(await prove('https://api.example/employees/grace'))).toBe(401);
        expect((await ask('/employees/erin', by(token))).status).toBe(401);
      });

      it('leaves a public route open, and is silent about paths that there are not', async () => {
        const ask = await start();
        expect(await (await ask('/health')).json()).toEqual({ ok: true });
        expect((await ask('/nowhere')).status).toBe(404);
      });

      it('asks with the action’s properties from the body', async () => {
        const can = vi.fn(client.can.bind(client));
        const ask = await start({ client: { can, outcome: client.outcome.bind(client) } as unknown as RemitClient });
        const headers = { ...by(tokens.exporter).headers, 'content-type': 'application/json' };
        const response = await ask('/employees/zoe/export', { method: 'POST', headers, body: '{"format":"csv"}' });
        expect([response.status, await response.json()]).toEqual([200, { id: 'erin', name: 'Erin' }]);
        expect(can.mock.calls[0]?.[0]).toMatchObject({
          action: { name: 'export', properties: { format: 'csv' } },
          resource: { id: 'zoe' },
        });
      });

      it.each([
        [200, 'executed'],
        [404, 'abandoned'],
        [500, 'failed'],
      ])('reports the outcome of a response with status %i', async (status, outcome) => {
        answer = { as: 'json', body: { name: 'Erin' }, status };
        const ask = await start();
        await (await ask('/employees/erin', by(tokens.reader))).arrayBuffer();
        const read = async (): Promise<unknown> => {
          const response = await fetch(`${url}/v1/decisions/${seen?.evaluation?.id}`, {
            headers: { authorization: `Bearer ${key}` },
          });
          return ((await response.json()) as { outcome?: { outcome: string } }).outcome?.outcome;
        };
        await vi.waitFor(async () => expect(await read()).toBe(outcome), { timeout: 30_000, interval: 20 });
      });
    });

    describe('what has to be masked', () => {
      const ask = async (sent: ApiAnswer, init: RequestInit = {}, more: Partial<ApiOptions> = {}) => {
        answer = sent;
        const response = await (await start(more))('/employees/erin', { ...by(tokens.reader), ...init });
        const text = await response.text();
        for (const secret of SECRETS) expect(text).not.toContain(secret);
        const headers = JSON.stringify([...response.headers]);
        for (const secret of [
          '000-12-3456',
          createHash('sha1')
            .update(JSON.stringify(sent.body ?? null))
            .digest('base64')
            .slice(0, 10),
        ])
          expect(headers).not.toContain(secret);
        return { status: response.status, text, headers: response.headers };
      };

      it.each(['json', 'text', 'bytes', 'stream'] as const)('is masked when it is sent as %s', async (as) => {
        const body = as === 'text' ? JSON.stringify(RECORD) : RECORD;
        expect(await ask({ as, body })).toMatchObject({ status: 200, text: '{"id":"erin","name":"Erin"}' });
      });

      it.each<[string, unknown, string]>([
        ['a list', [RECORD, RECORD], '[{"id":"erin","name":"Erin"},{"id":"erin","name":"Erin"}]'],
        [
          'an envelope',
          { data: { items: [{ employee: RECORD }] } },
          '{"data":{"items":[{"employee":{"id":"erin","name":"Erin"}}]}}',
        ],
        ['a value with toJSON', { toJSON: () => ({ ssn: RECORD.ssn, name: 'E' }) }, '{"name":"E"}'],
        ['keys spelled by escapes', '{"s\\u0061lary": 125000, "name": "E"}', '{"name":"E"}'],
        [
          'a text that is JSON',
          { body: JSON.stringify(RECORD) },
          '{"body":"{\\"id\\":\\"erin\\",\\"name\\":\\"Erin\\"}"}',
        ],
        ['nothing', null, 'null'],
      ])('is masked in %s', async (_name, body, text) => {
        expect(await ask({ as: typeof body === 'string' ? 'text' : 'stream', body })).toMatchObject({
          status: 200,
          text,
        });
      });

      it.each<[string, ApiAnswer]>([
        ['HTML', { as: 'text', body: `<p>${RECORD.ssn}</p>`, headers: { 'content-type': 'text/html' } }],
        ['plain text', { as: 'text', body: RECORD.ssn, headers: { 'content-type': 'text/plain' } }],
        ['CSV', { as: 'stream', body: `salary\n125000`, headers: { 'content-type': 'text/csv' } }],
        ['bytes', { as: 'bytes', body: RECORD.ssn, headers: { 'content-type': 'application/octet-stream' } }],
        [
          'JSON that says it is text',
          { as: 'text', body: JSON.stringify(RECORD), headers: { 'content-type': 'text/plain' } },
        ],
        ['text that says it is JSON', { as: 'text', body: `ssn: ${RECORD.ssn}` }],
        ['lines of JSON', { as: 'stream', body: `${JSON.stringify(RECORD)}\n${JSON.stringify(RECORD)}` }],
        ['a bare value', { as: 'text', body: '"000-12-3456"' }],
        ['a list of texts', { as: 'json', body: [`The ssn is ${RECORD.ssn}`] }],
        ['rows', { as: 'json', body: { columns: ['id', 'n'], rows: [['erin', RECORD.ssn]] } }],
        ['a bare number', { as: 'text', body: '125000' }],
        [
          'JSON of another charset',
          {
            as: 'bytes',
            body: Buffer.from(JSON.stringify(RECORD), 'utf16le'),
            headers: { 'content-type': 'application/json; charset=utf-16le' },
          },
        ],
        [
          'a key that is given twice',
          { as: 'text', body: '{"ssn": "000-12-3456", "ssn": null, "\\u0073sn": "000-12-3456"}' },
        ],
        [
          'what is compressed already',
          { as: 'bytes', body: gzipSync(JSON.stringify(RECORD)), headers: { 'content-encoding': 'gzip' } },
        ],
        [
          'half of it',
          {
            as: 'text',
            body: JSON.stringify(RECORD).slice(0, -2),
            status: 206,
            headers: { 'content-range': 'bytes 0-50/60' },
          },
        ],
      ])('isn’t sent as %s', async (_name, sent) => {
        const { status, text } = await ask(sent);
        expect([status, JSON.parse(text)]).toEqual([
          500,
          { error: { code: 'not_shown', message: 'The answer can not be shown.' } },
        ]);
      });

      it('isn’t sent as events, which are refused at the first', async () => {
        const sent = { as: 'events', body: RECORD, headers: { 'content-type': 'text/event-stream' } } as const;
        const { status, text } = await ask(sent);
        expect([status, JSON.parse(text)]).toMatchObject([500, { error: { code: 'not_shown' } }]);
        // The handler is told that no reader is left.
        await vi.waitFor(() => expect(writing.count).toBe(0), { timeout: 30_000, interval: 20 });
      });

      it('isn’t sent as the messages of another protocol', async () => {
        const status = async (upgrade: string): Promise<unknown> => {
          answer = { as: 'json', body: RECORD };
          await start();
          const request = httpRequest(`${opened.at(-1)?.url}/employees/erin`, {
            headers: { ...by(tokens.reader).headers, connection: 'upgrade', upgrade },
          });
          request.end();
          const [response] = (await once(request, 'response')) as [IncomingMessage];
          const text = await readText(response);
          for (const secret of SECRETS) expect(text).not.toContain(secret);
          return [response.statusCode, ran];
        };
        expect(await status('websocket')).toEqual([500, 0]);
        expect(await status('h2c, WebSocket')).toEqual([500, 0]);
        expect(await status('h2c')).toEqual([200, 1]);
      });

      it('isn’t sent where it is too long', async () => {
        const body = [RECORD, { name: 'x'.repeat(2_000) }];
        expect(await ask({ as: 'stream', body }, {}, { maxMaskedBytes: 1_000 })).toMatchObject({ status: 500 });
        expect(await ask({ as: 'json', body }, {}, { maxMaskedBytes: 3_000 })).toMatchObject({ status: 200 });
      });

      it('isn’t sent in an error page either, whose status stays', async () => {
        const page = {
          as: 'text',
          body: `<p>${RECORD.ssn}</p>`,
          status: 404,
          headers: { 'content-type': 'text/html' },
        } as const;
        expect(await ask(page)).toMatchObject({ status: 404 });
        expect(await ask({ as: 'json', body: { error: RECORD }, status: 409 })).toMatchObject({ status: 409 });
      });

      it('is not given away by its length or by hashes', async () => {
        const telling = {
          etag: '"000-12-3456"',
          'last-modified': new Date(0).toUTCString(),
          digest: 'sha-256=000-12-3456',
        };
        const { headers, text } = await ask({ as: 'json', body: RECORD, headers: telling });
        for (const name of ['etag', 'last-modified', 'digest']) expect(headers.get(name)).toBeNull();
        expect([null, String(text.length)]).toContain(headers.get('content-length'));
        const head = await ask({ as: 'json', body: RECORD }, { method: 'HEAD' });
        expect(head.status).toBe(200);
        expect([null, '0', String(text.length)]).toContain(head.headers.get('content-length'));
      });

      // prettier-ignore
      it.each(['location', 'content-location', 'link', 'refresh', 'content-disposition', 'server-timing', 'warning', 'x-total', 'x-ratelimit-salary'])(
        'is not in the header %s, unless the API says that it is not masked',
        async (name) => {
          const headers = { [name]: '000-12-3456', 'set-cookie': 'a=b', 'cache-control': 'no-cache', etag: '"1"' };
          const sent = { as: 'json', body: RECORD, headers } as const;
          const masked = await ask(sent);
          expect(masked).toMatchObject({ status: 200, text: '{"id":"erin","name":"Erin"}' });
          expect(['set-cookie', 'cache-control'].map((kept) => masked.headers.get(kept))).toEqual(['a=b', 'no-cache']);
          answer = sent;
          const named = await start({ unmaskedHeaders: [name.toUpperCase(), 'ETag'] });
          const response = await named('/employees/erin', by(tokens.reader));
          expect([response.headers.get(name), response.headers.get('etag')]).toEqual(['000-12-3456', null]);
        },
      );

      it('can not be guessed by asking whether it has changed', async () => {
        let heard: unknown[] = [];
        const listen = {
          answer: (request: ApiRequest): ApiAnswer => {
            heard = ['if-none-match', 'if-modified-since', 'range'].map((name) => request.header(name));
            return { as: 'json', body: RECORD };
          },
        };
        const text = JSON.stringify(RECORD);
        const hash = createHash('sha1').update(text).digest('base64').slice(0, 27);
        const guess = `W/"${text.length.toString(16)}-${hash}"`;
        const headers = by(tokens.reader, {
          'if-none-match': `${guess}, *`,
          'if-modified-since': new Date().toUTCString(),
          range: 'bytes=0-9',
        }).headers;
        expect(await ask({ as: 'json', body: RECORD }, { headers }, listen)).toMatchObject({
          status: 200,
        });
        expect(heard).toEqual([undefined, undefined, undefined]);
      });

      it('is no obstacle to an answer without a body', async () => {
        expect(await ask({ as: 'nothing', status: 204 })).toMatchObject({ status: 204, text: '' });
      });

      it('and an unmasked answer is sent as it is, whatever it is', async () => {
        standIn.react(answerJson({ decision: true }));
        answer = { as: 'text', body: '<p>hello</p>', headers: { 'content-type': 'text/html', etag: '"1"' } };
        const unmasked = await start({ client: createClient({ url: standIn.url, key: 'k' }) });
        const response = await unmasked('/employees/erin', by(tokens.reader));
        expect([response.status, await response.text(), response.headers.get('etag')]).toEqual([
          200,
          '<p>hello</p>',
          '"1"',
        ]);
      });
    });

    describe('a service that fails', () => {
      const failing = (): Promise<(path: string, init?: RequestInit) => Promise<Response>> =>
        start({ client: createClient({ url: standIn.url, key: 'the-key', timeoutMs: 300 }) });

      it.each(Object.entries(FAILURES))('lets nothing through and answers 503: %s', async (_name, reaction) => {
        standIn.react(reaction);
        const response = await (await failing())('/employees/erin', by(tokens.reader));
        expect([response.status, ran]).toEqual([503, 0]);
        const text = await response.text();
        for (const secret of ['the-key', standIn.url, tokens.reader]) expect(text).not.toContain(secret);
      });

      it.each(Object.entries(BROKEN_PROMISES))('answers 403: %s', async (_name, reaction) => {
        standIn.react(reaction);
        expect((await (await failing())('/employees/erin', by(tokens.reader))).status).toBe(403);
        expect(ran).toBe(0);
      });

      it('says when to come again, where it was told', async () => {
        standIn.react(answerText('{}', 503, { 'retry-after': '7' }));
        const response = await (await failing())('/employees/erin', by(tokens.reader));
        expect([response.status, response.headers.get('retry-after')]).toEqual([503, '7']);
      });

      it.each([401, 403, 404, 400])('answers 500 where the API is wrongly set up (%i)', async (status) => {
        standIn.react(answerJson({ error: { code: 'x', message: 'the-key', at: 'context.token' } }, status));
        const response = await (await failing())('/employees/erin', by(tokens.reader));
        expect([response.status, ran]).toEqual([500, 0]);
        expect(await response.text()).not.toContain('the-key');
      });

      it('a challenge of several lines, or a remedy of further steps, is passed on to no one', async () => {
        const reasons = [
          { code: 'scope_insufficient', step: 'delegation' },
          { code: 'policy_forbid', step: 'policy' },
        ];
        const remedies = [
          { type: 'scope', scope: 'a', challenge: 'Bearer\r\nSet-Cookie: a=b' },
          { type: 'approval', permission: 'own' },
        ];
        standIn.react(answerJson({ decision: false, context: { reasons, remedies } }));
        const response = await (await failing())('/employees/erin', by(tokens.reader));
        expect([response.status, response.headers.get('www-authenticate'), response.headers.get('set-cookie')]).toEqual(
          [403, null, null],
        );
        expect(await response.json()).toEqual({ error: { code: 'denied', message: 'This is not allowed.' } });
      });

      it('a stronger sign-in is asked for (RFC 9470)', async () => {
        standIn.react(
          answerJson({
            decision: false,
            context: {
              reasons: [{ code: 'policy_forbid', step: 'policy' }],
              remedies: [{ type: 'step_up', acr: 'mfa' }],
            },
          }),
        );
        const response = await (await failing())('/employees/erin', by(tokens.reader));
        expect([response.status, response.headers.get('www-authenticate')]).toEqual([
          401,
          'Bearer error="insufficient_user_authentication", acr_values="mfa"',
        ]);
      });

      it('an outcome that can’t be told changes no response, and is heard of', async () => {
        const errors: unknown[] = [];
        standIn.react((request, response) => {
          (request.path.endsWith('/outcome')
            ? answerText('{}', 500)
            : answerJson({ decision: true, context: { id: 'd1' } }))(request, response);
        });
        const ask = await start({
          client: createClient({ url: standIn.url, key: 'k' }),
          onError: (error) => errors.push(error),
        });
        expect((await ask('/employees/erin', by(tokens.reader))).status).toBe(200);
        await vi.waitFor(() => expect(errors).toEqual([expect.objectContaining({ kind: 'unavailable' })]), {
          timeout: 30_000,
        });
      });
    });

    describe('functions of the API', () => {
      it('hear of a deny, and change nothing of it', async () => {
        const heard: unknown[] = [];
        const hear = (more: unknown): void => {
          heard.push(more);
        };
        const onDenied = (evaluation: { readonly code: string | undefined }): never => {
          hear(evaluation.code);
          throw new Error('no request');
        };
        const ask = await start({ onDenied, onError: hear });
        expect((await ask('/employees/erin', { method: 'DELETE', ...by(tokens.reader) })).status).toBe(403);
        await vi.waitFor(() => expect(heard).toEqual(['policy_forbid', new Error('no request')]), { timeout: 30_000 });
        expect(ran).toBe(0);
      });

      it('that throw let nothing through', async () => {
        const ask = await start({ subject: () => Promise.reject(new Error('no session')) });
        expect((await ask('/employees/erin', by(tokens.reader))).status).toBe(500);
        expect(ran).toBe(0);
      });

      it.each([undefined, null, { type: 'user', id: '' }, { type: 'user' }])(
        'that know no subject (%j) mean 401',
        async (nobody) => {
          const ask = await start({ subject: () => nobody as never });
          expect((await ask('/employees/erin', by(tokens.reader))).status).toBe(401);
          expect(ran).toBe(0);
        },
      );
    });

    it('takes a token that is bound to a key where the API’s own address is known, whatever Host says', async () => {
      const questions: unknown[] = [];
      standIn.react((request, response) => {
        if (request.path.endsWith('/evaluation')) questions.push(JSON.parse(request.body));
        answerJson({ decision: true })(request, response);
      });
      const ask = await start({
        client: createClient({ url: standIn.url, key: 'k' }),
        publicUrl: 'https://api.example/v1/',
        subject: () => ({ type: 'user', id: 'alice' }),
      });
      await ask('/employees/erin?x=1', {
        headers: { authorization: 'DPoP tok', dpop: 'the.proof.jwt', 'x-forwarded-host': 'evil.example' },
      });
      expect(questions).toMatchObject([
        {
          context: {
            token: 'tok',
            proof: { jwt: 'the.proof.jwt', method: 'GET', url: 'https://api.example/v1/employees/erin' },
          },
        },
      ]);
    });

    it('a route that neither asks nor is public stops the start', async () => {
      const options = { client, subject, answer: () => answer };
      await expect(framework.startUnguarded(options)).rejects.toThrow(/remit: .*\/forgotten/);
      await expect(framework.start({ ...options, client: undefined as never })).rejects.toThrow(/client/);
      await expect(framework.start({ ...options, publicUrl: 'here' })).rejects.toThrow(/publicUrl/);
    });
  },
);
