/** The digest of arguments: one for each call, in whatever order its members stand, and of no use without the key. */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { digestArguments } from '../../src/mcp/argument-digest.js';

const key = Buffer.from('a deployment of its own secret');
const call = { server: 'shop', tool: 'refund', arguments: { amount: 5, note: 'ä' } };

it('is HMAC-SHA256 of the call by RFC 8785', () => {
  const canonical = '{"arguments":{"amount":5,"note":"ä"},"server":"shop","tool":"refund"}';
  expect(digestArguments(key, call)).toBe(createHmac('sha256', key).update(canonical).digest('base64url'));
});

it('is another with another server, tool or key', () => {
  const digests = [
    digestArguments(key, call),
    digestArguments(key, { ...call, server: 'other' }),
    digestArguments(key, { ...call, tool: 'other' }),
    digestArguments(Buffer.from('another secret'), call),
  ];
  expect(new Set(digests).size).toBe(4);
});

it('is the same for the same values in another order, and another for other values', () => {
  const members = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true });
  fc.assert(
    fc.property(members, members, (a, b) => {
      const reversed = Object.fromEntries(Object.entries(a).reverse());
      const digest = (stated: Record<string, unknown>): string => digestArguments(key, { ...call, arguments: stated });
      expect(digest(reversed)).toBe(digest(a));
      const isSame = JSON.stringify(sortMembers(a)) === JSON.stringify(sortMembers(b));
      expect(digest(a) === digest(b)).toBe(isSame);
    }),
  );
});

/** The value with the members of its objects in order; -0 is 0 in JSON. */
function sortMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMembers);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => [name, sortMembers(member)]);
}
