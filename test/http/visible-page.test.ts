/** Pages of what a person may see: all of it, in its order, and up to the bound nothing that tells of what isn't theirs. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readVisiblePage } from '../../src/http/visible-page.js';

const BOUNDS = { roundSize: 3, rounds: 4, roundsWithinMs: Infinity };
interface Item {
  readonly key: number;
  readonly isTheirs: boolean;
}
const sourceOf = (items: readonly Item[]) => ({
  list: (after: string | undefined, limit: number) =>
    Promise.resolve(items.filter(({ key }) => after === undefined || key > Number(after)).slice(0, limit)),
  see: (listed: readonly Item[]) => Promise.resolve(listed.map(({ key, isTheirs }) => (isTheirs ? key : undefined))),
  keyOf: ({ key }: Item) => String(key),
});

async function readAll(items: readonly Item[], limit: number): Promise<(readonly number[])[]> {
  const pages: (readonly number[])[] = [];
  for (let after: string | undefined, more = true; more;) {
    const page = await readVisiblePage(sourceOf(items), after, { ...BOUNDS, limit });
    pages.push(page.found);
    after = page.next;
    more = after !== undefined;
  }
  return pages;
}
const toItems = (theirs: readonly boolean[]): Item[] => theirs.map((isTheirs, key) => ({ key, isTheirs }));

it('have all that is theirs once, in its order, however much is another’s', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      async (theirs, limit) => {
        const items = toItems(theirs);
        const pages = await readAll(items, limit);
        expect(pages.flat()).toEqual(items.filter(({ isTheirs }) => isTheirs).map(({ key }) => key));
        for (const page of pages) expect(page.length).toBeLessThanOrEqual(limit);
      },
    ),
  );
});

it('are as if there were nothing of others, up to the bound', async () => {
  const bound = BOUNDS.roundSize * BOUNDS.rounds;
  const few = fc.array(fc.boolean(), { maxLength: bound - 1 });
  await fc.assert(
    fc.asyncProperty(few, fc.integer({ min: 1, max: 5 }), async (theirs, limit) => {
      const items = toItems(theirs);
      const own = items.filter(({ isTheirs }) => isTheirs);
      expect(await readAll(items, limit)).toEqual(await readAll(own, limit));
    }),
  );
});

it('are short and lead on beyond the bound, in items and in time', async () => {
  const others = toItems(Array.from({ length: 30 }, () => false));
  expect((await readAll(others, 2)).length).toBe(3);
  const late = await readVisiblePage(sourceOf(others), undefined, { ...BOUNDS, limit: 2, roundsWithinMs: -1 });
  expect(late).toEqual({ found: [], next: '2' });
});
