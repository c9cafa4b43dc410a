/** No text of zod or of the YAML library reaches people: whatever is wrong, the words are our own. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { testFileFormat } from '../../src/author/test/format.js';
import { configFormat } from '../../src/config/config.js';
import { worldFormat } from '../../src/config/world.js';
import { readYaml } from '../../src/config/yaml.js';
import { evaluationFormat, evaluationsFormat } from '../../src/http/authzen-formats.js';
import { toBadRequest } from '../../src/http/edge/errors.js';
import { BadRequest } from '../../src/model/faults.js';

/** Words of the libraries' messages; ours have none of them. */
const LIBRARY_WORDS =
  /\b(Invalid|Unrecognized|received|Too (small|big)|NaN|undefined|nan|ZodError|Expected|expected \w+ to|union|pattern|regex|discriminator|Unexpected|Unresolved|Implicit|Nested mappings|scalar|flow|collection items)\b/;

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8');
const SERVERS = stringify({
  schema: { relationships: 'a.zed', actions: ['a.cedarschema'] },
  policies: '.',
  listen: { host: '127.0.0.1', port: 1, public_url: 'https://r.example', trusted_proxies: ['10.0.0.0/8'], tls: { certificate: 'a', key: 'b' }, admin: { host: '127.0.0.1', port: 2 } },
  database: { mode: 'postgres', url: 'postgres://a@b/c', tls: 'verify-full', connections: 3 },
  spicedb: { mode: 'server', endpoint: 'a:1', token: 'x', consistency: 'full' },
  issuers: [{ issuer: 'https://i.example', jwks_uri: 'https://i.example/k', audience: 'x', primary: true, shape: ['act'], algorithms: ['ES256'], scopes: { a: 'b' } }],
  clients: [{ id: 'a', key_sha256: 'a'.repeat(64), may: ['evaluate'], rate: 3, default_mode: 'human', answers: 'minimal' }],
  limits: { deadline_ms: 5 }, logs: { level: 'info' }, reload: { policies: 'watch' }, telemetry: { traces: { endpoint: 'https://t.example' } },
}); // prettier-ignore
const FILES: readonly (readonly [string, z.ZodType, string])[] = [
  ['a configuration', configFormat, SERVERS],
  ['the sample’s configuration', configFormat, read('fixtures/acme.remit.yaml')],
  ['a world', worldFormat, read('fixtures/acme.yaml')],
  ['a test file', testFileFormat, read('fixtures/templates/documents/policies/documents_test.yaml')],
];

const oddValue = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0, 1.5, 1e15, '', ' ', 'x', '*', '\u0000', 'ü'.repeat(40), 'a'.repeat(3000), [], {}, [[]], [null], [1, 'x'], { a: 1 }, { '': null }),
  fc.jsonValue({ maxDepth: 2 }),
); // prettier-ignore

/** Replaces, removes or adds a member somewhere in the value; the choice is by numbers from 0 to 1. */
function mutate(value: unknown, picks: readonly number[], odd: unknown): unknown {
  const [pick = 0, ...rest] = picks;
  if (typeof value !== 'object' || value === null || rest.length === 0) return odd;
  const entries = Object.entries(value as Record<string, unknown>);
  const chosen = Math.floor(pick * (entries.length + 1));
  const changed =
    chosen === entries.length
      ? [...entries, ['extra', odd] as const]
      : entries.flatMap(([name, member], i): [string, unknown][] =>
          i !== chosen ? [[name, member]] : pick < 0.1 ? [] : [[name, mutate(member, rest, odd)]],
        );
  return Array.isArray(value) ? changed.map(([, member]) => member) : Object.fromEntries(changed);
}
const picks = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 6 });

function expectOwnWords(message: string, what: unknown): void {
  expect({ message, what, isOurs: !LIBRARY_WORDS.test(message) }).toEqual({ message, what, isOurs: true });
  expect(message).toMatch(/\S/);
}

/** A message without what the file itself says, which may be any text. */
const withoutQuotes = (message: string): string => message.replace(/"[^"]*"|'[^']*'|`[^`]*`/g, '…');

it.each(FILES)('%s with any value in any place is told of in our own words', (_, schema, text) => {
  const content: unknown = parse(text);
  let refused = 0;
  fc.assert(
    fc.property(picks, oddValue, (where, odd) => {
      const changed = stringify(mutate(content, where, odd));
      const { findings } = readYaml({ name: 'f', text: changed }, schema, { rule: 'config-invalid' });
      refused += findings.length;
      for (const { message } of findings) expectOwnWords(withoutQuotes(message), odd);
    }),
    { numRuns: 400, examples: [[[0], { valueOf: 0 }]] },
  );
  expect(refused).toBeGreaterThan(50);
});

it.each(FILES)('%s with any text in any place is told of in our own words', (_, schema, text) => {
  const spoiled = fc.constantFrom('{', '}', '[', ']', ': ', '- ', '&a ', '*a ', '!!x ', '"', "'", '\t', '\n', '|', '>', '? ', '%', '@', '`', '#', '---\n', '...', '\u0085', ','); // prettier-ignore
  fc.assert(
    fc.property(fc.nat({ max: text.length }), fc.array(spoiled, { minLength: 1, maxLength: 3 }), (at, parts) => {
      const changed = text.slice(0, at) + parts.join('') + text.slice(at);
      const { findings } = readYaml({ name: 'f', text: changed }, schema, { rule: 'config-invalid' });
      for (const { message } of findings) expectOwnWords(withoutQuotes(message), parts);
    }),
    { numRuns: 300 },
  );
});

const QUESTION = {
  subject: { type: 'user', id: 'ann', properties: { a: 1 } },
  action: { name: 'read', properties: {} },
  resource: { type: 'document', id: 'plan', properties: {} },
  context: { token: 'x', proof: { jwt: 'x', method: 'GET', url: 'https://a.example' }, agent: 'a', mode: 'human', consistency: { at_least: 'x' }, dry_run: true, supported_obligations: ['mask'] },
}; // prettier-ignore

it('A question with any value in any place is told of in our own words', () => {
  let refused = 0;
  fc.assert(
    fc.property(picks, oddValue, fc.boolean(), (where, odd, isBatch) => {
      const [format, body] = isBatch
        ? [
            evaluationsFormat,
            { ...QUESTION, evaluations: [QUESTION], options: { evaluations_semantic: 'execute_all' } },
          ]
        : [evaluationFormat, QUESTION];
      const parsed = (format as z.ZodType).safeParse(mutate(body, where, odd));
      if (parsed.success) return;
      refused += 1;
      const error = toBadRequest(parsed.error);
      expect(error).toBeInstanceOf(BadRequest);
      expectOwnWords(withoutQuotes(error.message), odd);
    }),
    { numRuns: 1000 },
  );
  expect(refused).toBeGreaterThan(100);
});
