/** A server's tools as actions: titles, classes and namespaces, and the tools that can't be actions. */
import { describe, expect, it } from 'vitest';
import { importTools, namespaceOfServer } from '../../../src/author/mcp/imported-server.js';

const inputSchema = { type: 'object' };
const problemOf = (tool: object): string | undefined =>
  importTools('s', [{ inputSchema, ...tool }]).refused[0]?.problem;

it.each([
  ['github', 'MCP::Github'],
  ['code-search', 'MCP::Code_search'],
  ['tool', 'MCP::Tool'],
])('the namespace of %s is %s', (server, namespace) => {
  expect(namespaceOfServer(server)).toBe(namespace);
});

describe('a title', () => {
  it.each([
    [{ name: 'a', title: 'List things' }, 'List things (s)'],
    [{ name: 'a', annotations: { title: 'List things' } }, 'List things (s)'],
    [{ name: 'a' }, 'a (s)'],
    [{ name: 'a', title: ' \u200B ' }, 'a (s)'],
    [{ name: 'a', title: 'x\n\u202E y' }, 'x y (s)'],
    [{ name: 'a', title: 'x'.repeat(100) }, `${'x'.repeat(80)} (s)`],
  ])('of %j is %j', (tool, title) => {
    expect(importTools('s', [{ inputSchema, ...tool }]).tools[0]?.title).toBe(title);
  });
});

describe('classes', () => {
  const withClass = (className: unknown): object => ({ name: 'a', outputSchema: { anyOf: [{ items: { 'x-remit-class': className } }] } }); // prettier-ignore

  it('are found anywhere in the output schema', () => {
    const { tools } = importTools('s', [{ inputSchema, ...withClass('pii') }]);
    expect(tools[0]?.classes).toEqual(['pii']);
  });

  it.each([7, '', 'PII', 'a b', 'a", x', 'server', 'results', null])(
    '%j is none, and refuses the tool',
    (className) => {
      expect(problemOf(withClass(className))).toContain('x-remit-class');
    },
  );
});

it.each([
  ['all reads', 'has the name of a group of actions'],
  ['tools/call', 'has the name of the action that stands for all tools'],
  ['all deletes', 'has the name of a group of actions'],
  ['ä', 'has a name that policies can not name: it has other characters than those of ASCII'],
])('a tool %j is refused', (name, problem) => {
  expect(problemOf({ name })).toBe(problem);
});

it('a tool of which nothing is said deletes', () => {
  expect(importTools('s', [{ name: 'a', inputSchema }]).tools[0]).toMatchObject({ effect: 'delete', id: 's/a' });
});

it('a tool of the name of another server’s is refused, and one of its own is not', () => {
  const taken = new Map([['search', 'github']]);
  const { tools, refused } = importTools(
    's',
    [
      { name: 'search', inputSchema },
      { name: 'find', inputSchema },
    ],
    taken,
  );
  expect(tools.map(({ definition }) => definition.name)).toEqual(['find']);
  expect(refused).toEqual([{ tool: 'search', problem: 'has the name of a tool of the server "github"' }]);
});
