/** Answers of lists are compressed for who asks for it, and say the same as those that aren't. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { chooseCoding } from '../../../src/http/edge/compression.js';
import { start, type Running } from '../../support/sample.js';

let remit: Running;
beforeAll(async () => {
  remit = await start();
  return () => remit.stop();
});

describe('the coding', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['identity', undefined],
    ['deflate, zstd', undefined],
    ['gzip', 'gzip'],
    ['GZIP;q=0.5', 'gzip'],
    ['gzip, deflate, br', 'gzip'],
    ['br;q=1.0, gzip;q=0.8, *;q=0.1', 'br'],
    ['br', 'br'],
    ['*', 'gzip'],
    ['gzip;q=0, *', 'br'],
    ['gzip;q=0', undefined],
    ['*;q=0', undefined],
    ['gzip;q=2', undefined],
    ['gzip;q=x', undefined],
    ['xgzip', undefined],
    [`gzip${' '.repeat(300)}`, undefined],
  ])('of %j is %s', (header, coding) => {
    expect(chooseCoding(header)).toBe(coding);
  });

  it('is one that the header allows, whatever it says', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (header) => {
        const coding = chooseCoding(header);
        if (coding !== undefined) expect(/[*]/.test(header) || header.toLowerCase().includes(coding)).toBe(true);
      }),
    );
  });
});

describe('an answer', () => {
  const ask = async (items: number, encoding: string | undefined) => {
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
    const shared = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token } };
    const evaluations = Array.from({ length: items }, () => ({ resource: { type: 'employee', id: 'erin' } }));
    return remit.post('/access/v1/evaluations', { ...shared, evaluations }, encoding === undefined ? {} : { 'accept-encoding': encoding }); // prettier-ignore
  };

  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ])('of many decisions is a tenth as long as %s, and says as much', async (encoding, expand) => {
    const [plain, short] = [await ask(200, undefined), await ask(200, encoding)];
    expect([plain.headers['content-encoding'], short.headers['content-encoding']]).toEqual([undefined, encoding]);
    expect(short.headers['content-length']).toBe(String(short.rawPayload.length));
    expect([plain.headers.vary, short.headers.vary]).toEqual(['accept-encoding', 'accept-encoding']);
    expect(short.rawPayload.length * 10).toBeLessThan(plain.rawPayload.length);
    expect(short.headers['remit-decision-id']).toMatch(/^[0-9a-f-]{36}$/);
    const { evaluations } = JSON.parse(expand(short.rawPayload).toString()) as { evaluations: object[] };
    expect(evaluations).toHaveLength(200);
  });

  it('that is short, of one decision, an error, or for a stranger is sent as it is', async () => {
    const { subject, action, resource, context } = { ...(await question()), resource: { type: 'employee', id: 'erin' } };
    const headers = { 'accept-encoding': 'gzip' };
    for (const response of [
      await remit.post('/access/v1/evaluation', { subject, action, resource, context }, headers),
      await remit.post('/v1/filter', { subject, action, context, records: [] }, headers),
      await remit.post('/v1/filter', 'nonsense', headers),
      await remit.post('/v1/filter', {}, { ...headers, authorization: 'Bearer guess' }),
    ])
      expect(response.headers['content-encoding']).toBeUndefined();
  }); // prettier-ignore
  const question = async () => ({
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    context: { token: await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' }) },
  });
});

it.each([
  ['gzip', gunzipSync],
  ['br', brotliDecompressSync],
])('the description of the routes is sent as %s for who asks, strangers too, and says the same', async (encoding, expand) => {
  const get = (url: string, headers: Record<string, string> = {}) =>
    remit.app.inject({ method: 'GET', url, headers: { host: '127.0.0.1:7480', ...headers } });
  for (const url of ['/openapi.json', '/docs/json', '/docs/yaml']) {
    const [plain, short, again] = [await get(url), await get(url, { 'accept-encoding': encoding }), await get(url)];
    expect([plain, short].map(({ headers }) => [headers['content-encoding'], headers.vary])).toEqual([
      [undefined, 'accept-encoding'],
      [encoding, 'accept-encoding'],
    ]);
    expect(short.headers['content-length']).toBe(String(short.rawPayload.length));
    expect(short.rawPayload.length * 5).toBeLessThan(plain.rawPayload.length);
    expect([expand(short.rawPayload).toString(), again.body]).toEqual([plain.body, plain.body]);
  }
}); // prettier-ignore
