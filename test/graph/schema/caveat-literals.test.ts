import { expect, it } from 'vitest';
import { GraphSchema } from '../../../src/graph/schema/schema.js';

/** Why a schema with this caveat is refused, with its place; undefined where it is taken. */
function refusal(expression: string): string | undefined {
  const text = `definition user {}\ncaveat office(ip ipaddress) {\n  ${expression}\n}\n`;
  const schema = GraphSchema.tryParse(text, 'schema.zed');
  if (schema instanceof GraphSchema) return undefined;
  const { message, at } = schema;
  return `${at.line}:${at.column} ${message}`;
}

it.each([
  ['ip.in_cidr("::ffff:10.0.0.0/104")', '3:14', 'write "10.0.0.0/8"'],
  ["ip.in_cidr('::ffff:a00:0/104')", '3:14', 'write "10.0.0.0/8"'],
  ['ip == ipaddress("::FFFF:a00:1")', '3:19', 'write "10.0.0.1"'],
  ['ip.in_cidr(r"::ffff:0:0/90")', '3:14', 'name its IPv4 and its IPv6 addresses apart'],
  ['ip.in_cidr("10.0.0.0/8") || ip.in_cidr("""0:0:0:0:0:ffff:a00:0/104""")', '3:42', 'write "10.0.0.0/8"'],
])('A caveat that names an IPv4 address within IPv6 is refused with its place: %s', (expression, place, cure) => {
  expect(refusal(expression)).toMatch(new RegExp(`^${place} .* is IPv4 within IPv6, which caveats are given as IPv4: `));
  expect(refusal(expression)).toContain(cure);
}); // prettier-ignore

it.each([
  'ip.in_cidr("10.0.0.0/8")',
  'ip.in_cidr("2001:db8::/32") || ip.in_cidr("64:ff9b::/96")',
  'ip.in_cidr("10.0.0.0/8") // not "::ffff:10.0.0.1"',
  '"ffff" == "::ffff"',
])('A caveat that names other addresses, or other texts, is taken: %s', (expression) => {
  expect(refusal(expression)).toBeUndefined();
});
