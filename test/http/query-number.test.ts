import fc from 'fast-check';
import { expect, it } from 'vitest';
import { queryNumber } from '../../src/http/query-number.js';
import { start } from '../support/sample.js';

const format = queryNumber(1, 1000, 100);

it('A number in a query is read from its decimal digits and from nothing else', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), (value) => {
      expect(format.parse(String(value))).toBe(value);
      for (const other of [`0x${value.toString(16)}`, `0${value}`, `+${value}`, ` ${value}`, `${value}.0`, `${value}e0`, `${value}n`])
        expect(format.safeParse(other).success).toBe(false);
    }),
  );
  expect(format.parse(undefined)).toBe(100);
}); // prettier-ignore

it.each(['', '0', '1001', '-1', '0b1', '0o7', '1_0', '٣', 'Infinity', 'NaN', '9'.repeat(40)])(
  'A query with the number %j is refused',
  (text) => {
    expect(format.safeParse(text).success).toBe(false);
  },
);

it('Every route with a limit refuses one that is no whole number, and names it', async () => {
  const remit = await start();
  for (const url of ['/v1/decisions?', '/v1/relationships?resource_type=team&', '/v1/revocations?']) {
    expect([url, (await remit.request('GET', `${url}limit=10`)).statusCode]).toEqual([url, 200]);
    for (const limit of ['0x10', '1e2', '010', '10.0']) {
      const refused = await remit.request('GET', `${url}limit=${limit}`);
      expect([url, limit, refused.statusCode]).toEqual([url, limit, 400]);
      expect(refused.json()).toMatchObject({
        error: { message: expect.stringContaining('must be a whole number from 1 to ') as string },
      });
    }
  }
  await remit.stop();
});
