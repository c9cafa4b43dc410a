/** Annotations: what a server doesn't say, or doesn't say as true or false, counts as the worst. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { effectOfTool, readToolHints } from '../../src/mcp/tool-hints.js';

const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;

it.each([
  [{}, { read_only: false, destructive: true, idempotent: false, open_world: true }, 'delete'],
  [{ readOnlyHint: true }, { read_only: true, destructive: false, idempotent: true, open_world: true }, 'read'],
  [{ readOnlyHint: true, destructiveHint: true }, { read_only: true, destructive: false, idempotent: true, open_world: true }, 'read'],
  [{ destructiveHint: false, openWorldHint: false }, { read_only: false, destructive: false, idempotent: false, open_world: false }, 'write'],
  [{ destructiveHint: null, idempotentHint: true }, { read_only: false, destructive: true, idempotent: true, open_world: true }, 'delete'],
])('%j', (annotations, hints, effect) => {
  expect(readToolHints(annotations)).toEqual(hints);
  expect(effectOfTool(readToolHints(annotations))).toBe(effect);
}); // prettier-ignore

it('a hint that is neither true nor false is as if it were not said', () => {
  const odd = fc.anything().filter((value) => typeof value !== 'boolean');
  fc.assert(
    fc.property(fc.constantFrom(...HINTS), odd, (name, value) => {
      expect(readToolHints({ [name]: value })).toEqual(readToolHints({}));
    }),
  );
});
