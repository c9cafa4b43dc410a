/** A queue by turns: nothing is lost or overtaken by its own caller's, and no caller waits for more than a turn of each other. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FairQueue } from '../../src/runtime/fair-queue.js';

interface Item {
  readonly groups: readonly string[];
  readonly number: number;
}

const groups = fc.constantFrom<readonly string[]>([], ['a'], ['b'], ['i', 'u'], ['i', 'v'], ['j', 'u']);
/** What is done to a queue: something is brought, or the next is taken. */
const action = fc.oneof(groups, fc.constant('take' as const));

const drain = (queue: FairQueue<Item>): Item[] => {
  const taken: Item[] = [];
  for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
    expect(queue.shift()).toBe(next);
    taken.push(next);
  }
  expect(queue.isEmpty).toBe(true);
  expect(queue.shift()).toBeUndefined();
  return taken;
};

it('gives everything once, and of one caller in its order', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const queue = new FairQueue<Item>();
      const taken: Item[] = [];
      for (const [number, what] of actions.entries()) {
        if (what !== 'take') queue.push(what, { groups: what, number });
        else taken.push(...[queue.shift() ?? []].flat());
      }
      taken.push(...drain(queue));
      const brought = actions.flatMap((what, number) => (what === 'take' ? [] : [number]));
      expect(taken.map(({ number }) => number).sort((a, b) => a - b)).toEqual(brought);
      for (const one of taken) {
        const own = taken.filter((other) => other.groups.join(' ') === one.groups.join(' ')).map(({ number }) => number);
        expect(own).toEqual([...own].sort((a, b) => a - b));
      }
    }),
  );
}); // prettier-ignore

it('has each group wait for one turn of each other at most, whatever they have brought', () => {
  fc.assert(
    fc.property(fc.array(groups, { minLength: 1, maxLength: 80 }), (brought) => {
      const queue = new FairQueue<Item>();
      for (const [number, one] of brought.entries()) queue.push(one, { groups: one, number });
      const taken = drain(queue);
      // The widest groups first, and then the callers within one: between two turns of one, no other has two.
      for (const level of [taken, taken.filter(({ groups: [widest] }) => widest === 'i')]) {
        const names = level.map(({ groups: [widest, within] }) => (level === taken ? widest : within));
        for (const [start, name] of names.entries()) {
          const end = names.indexOf(name, start + 1);
          const between = names.slice(start + 1, end === -1 ? start + 1 : end);
          expect(new Set(between).size).toBe(between.length);
        }
      }
    }),
  );
});

it('has turns of one weight, however heavy the items of one are', () => {
  const weights = fc.array(fc.tuple(groups, fc.constantFrom(1, 3, 10, 40)), { minLength: 1, maxLength: 80 });
  const TURN = 10;
  fc.assert(
    fc.property(weights, (brought) => {
      const queue = new FairQueue<Item & { readonly weight: number }>({ weigh: ({ weight }) => weight, weight: TURN });
      for (const [number, [one, weight]] of brought.entries()) queue.push(one, { groups: one, number, weight });
      const taken: (Item & { readonly weight: number })[] = [];
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) taken.push(next);
      expect(taken).toHaveLength(brought.length);
      // While two have something left, neither has taken more than a turn and an item beyond what the other has.
      const widest = [...new Set(taken.map(({ groups: [group] }) => group))];
      for (const one of widest)
        for (const other of widest) {
          const last = Math.min(...[one, other].map((group) => taken.findLastIndex(({ groups: [g] }) => g === group)));
          let ahead = 0;
          for (const item of taken.slice(0, last)) {
            if (item.groups[0] === one) ahead += item.weight;
            else if (item.groups[0] === other) ahead -= item.weight;
            if (one !== other) expect(Math.abs(ahead)).toBeLessThanOrEqual(2 * TURN + 40);
          }
        }
    }),
  );
});
