/** Ids of what MCP servers have: each is one that questions and relationships can name, and no two names share one. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isServerName, mcpResourceId } from '../../src/mcp/resource-id.js';
import { findIdProblem } from '../../src/model/ids.js';
import { hostileName } from './hostile-tools.js';

const wellFormed = fc.oneof(
  hostileName.filter((name) => name.isWellFormed()),
  fc.string({ minLength: 900, maxLength: 1200 }),
);

it('are readable where they can be, and a digest where they are too long or no id', () => {
  expect(mcpResourceId('github', 'create_issue')).toBe('github/create_issue');
  expect(mcpResourceId('files', 'file:///home/ann/ä.txt')).toBe('files/file:///home/ann/ä.txt');
  for (const name of ['x'.repeat(1100), 'ä'.repeat(300), 'a\nb', 'e\u0301'])
    expect(mcpResourceId('files', name)).toMatch(/^files\/sha256-[0-9a-f]{64}$/);
});

it('a name that looks like a digest has one of its own', () => {
  const long = 'x'.repeat(1100);
  const forged = mcpResourceId('files', long).slice('files/'.length);
  expect(mcpResourceId('files', forged)).not.toBe(mcpResourceId('files', long));
});

it('are ids, and no two names have the same one', () => {
  fc.assert(
    fc.property(wellFormed, wellFormed, (a, b) => {
      expect(findIdProblem(mcpResourceId('s', a))).toBeUndefined();
      expect(mcpResourceId('s', a) === mcpResourceId('s', b)).toBe(a === b);
    }),
  );
});

it.each(['github', 'code-search', 'a1', 'x'.repeat(40)])('%s is the name of a server', (name) => {
  expect(isServerName(name)).toBe(true);
});

it.each(['', 'GitHub', 'a_b', 'a--b', '-a', 'a-', '1a', 'a/b', 'a.b', 'x'.repeat(41), 'ä', '../a'])('%s is not', (name) => {
  expect(isServerName(name)).toBe(false);
}); // prettier-ignore
