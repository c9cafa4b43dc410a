/** What of a call no policy can see: each is named, and nothing else. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkTools } from '../../../src/author/mcp/check-tools.js';
import { companyFiles } from '../../../src/author/mcp/company-files.js';
import { importTools, type ImportedServer } from '../../../src/author/mcp/imported-server.js';
import { serverFiles } from '../../../src/author/mcp/server-files.js';
import { readRules } from '../../../src/policy/load.js';
import type { Vocabulary } from '../../../src/policy/schema/vocabulary.js';

const properties = { id: { type: 'string' }, reason: { type: 'string' } };
const withMapping = (evaluation: object): object => ({ properties, 'x-authzen-mapping': { evaluation } });
const serverOf = (inputSchema: object, name = 'refund'): ImportedServer => importTools('shop', [{ name, inputSchema }]);

/** The vocabulary of a company with the server's tools, its Cedar schema changed. */
function vocabularyOf(server: ImportedServer, change = (text: string) => text): Vocabulary {
  const texts = new Map([...companyFiles([server]), ...serverFiles(server)]);
  const pick = (ending: string): { name: string; text: string }[] =>
    [...texts].flatMap(([name, text]) => (name.endsWith(ending) ? [{ name, text: change(text) }] : []));
  const [relationships = { name: '', text: '' }] = pick('.zed');
  const { rules } = readRules({ relationships, actions: pick('.cedarschema'), policies: pick('.cedar') });
  if (rules === undefined) throw new Error('the rules have errors');
  return rules.vocabulary;
}
const described = (server: ImportedServer, vocabulary: Pick<Vocabulary, 'find'>, ...ignored: string[]): string[] =>
  checkTools([server], vocabulary, new Set(ignored)).map(
    ({ tool, severity, rule, argument = '-' }) => `${tool} ${severity} ${rule} ${argument}`,
  );
const NO_ACTIONS = { find: () => undefined };

describe('a tool without a mapping', () => {
  it('whose arguments have types drops none', () => {
    const server = serverOf({ properties });
    expect(described(server, vocabularyOf(server))).toEqual([]);
  });

  it('drops the arguments that the schema does not declare, but those that are ignored', () => {
    const server = serverOf({ properties: { ...properties, any: {}, either: { type: ['string', 'integer'] } } });
    const vocabulary = vocabularyOf(server);
    expect(described(server, vocabulary)).toEqual(['refund warning argument-dropped any', 'refund warning argument-dropped either']); // prettier-ignore
    expect(described(server, vocabulary, 'shop/refund.any')).toEqual(['refund warning argument-dropped either']);
  });

  it('needs an action, and one with a scope', () => {
    const server = serverOf({ properties });
    expect(described(server, NO_ACTIONS)).toEqual(['refund error action-unknown -']);
    const unscoped = vocabularyOf(server, (text) => text.replace(/ *@scope\(.*\)\n/, ''));
    expect(described(server, unscoped)).toEqual(['refund warning scope-missing -']);
  });

  it('is decided as any call where there is an action for these', () => {
    const general = vocabularyOf(serverOf({}, 'general'), (text) => text.replaceAll('"general"', '"tools/call"'));
    expect(described(serverOf({ properties }), general)).toEqual([
      'refund warning action-unknown -',
      'refund warning argument-dropped id',
      'refund warning argument-dropped reason',
    ]);
  });
});

describe('a tool with a mapping', () => {
  const vocabulary = vocabularyOf(serverOf({}));
  const action = { name: 'refund' };
  const own = { type: 'mcp_tool', id: 'shop/refund' };

  it('of the guide is one', () => {
    const guide = readFileSync(fileURLToPath(new URL('../../../docs/guide/mcp.md', import.meta.url)), 'utf8');
    const [, example = ''] = /```json\n([\s\S]*?)```/.exec(guide) ?? [];
    const server = serverOf({ properties, 'x-authzen-mapping': JSON.parse(example) as object });
    expect(described(server, NO_ACTIONS)).toEqual(['refund error action-unknown -', 'refund warning argument-dropped reason']); // prettier-ignore
  });

  it('that reads every argument drops none', () => {
    const mapping = { action: { ...action, properties: { id: '$params.arguments.id', why: '$params.arguments["reason"]' } }, resource: own }; // prettier-ignore
    expect(described(serverOf(withMapping(mapping)), vocabulary)).toEqual([]);
  });

  it.each([
    ['that reads one', { action: { ...action, properties: { id: '$params.arguments.id' } }, resource: own }, ['reason']],
    ['that reads none', { action, resource: own }, ['id', 'reason']],
    ['that reads a computed one', { action: { ...action, properties: { x: '$params.arguments[params.name]' } }, resource: own }, ['id', 'reason']],
    ['that counts them', { action: { ...action, properties: { x: '$size(params.arguments)' } }, resource: own }, ['id', 'reason']],
    ['that reads claims of their names', { action: { ...action, properties: { x: '$token.id', y: '$params.reason' } }, resource: own }, ['id', 'reason']],
  ])('%s drops the others', (_, mapping, dropped) => {
    expect(described(serverOf(withMapping(mapping)), vocabulary)).toEqual(
      dropped.map((argument) => `refund warning argument-dropped ${argument}`),
    );
  }); // prettier-ignore

  it('names an action that there is', () => {
    const mapping = { action: { name: 'read' }, resource: { type: 'customer', id: '$params.arguments.id + params.arguments.reason' } }; // prettier-ignore
    expect(described(serverOf(withMapping(mapping)), vocabulary)).toEqual(['refund error action-unknown -']);
  });

  it('has to be one', () => {
    const mapping = { action: { name: '$params.matches("x")' }, resource: own };
    expect(described(serverOf(withMapping(mapping)), vocabulary)).toEqual(['refund error mapping-invalid -']);
  });

  it('whichever arguments it reads, exactly the others are named', () => {
    const names = ['a', 'b', 'c', 'd'];
    fc.assert(
      fc.property(fc.subarray(names), (read) => {
        const inputSchema = {
          properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
          'x-authzen-mapping': {
            evaluation: { action, resource: own, context: Object.fromEntries(read.map((name) => [name, `$params.arguments.?${name}`])) },
          },
        }; // prettier-ignore
        const dropped = checkTools([serverOf(inputSchema)], vocabulary, new Set()).map(({ argument }) => argument);
        expect(dropped).toEqual(names.filter((name) => !read.includes(name)));
      }),
    );
  });
});
