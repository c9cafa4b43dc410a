/**
 * Generated requests: what the rules are asked where nobody has asked yet. A kind of question that has few enough is
 * asked all of them; of the others a sample is taken, what the changed policies read first.
 */
import type { WithFacts } from '../../model/decision.js';
import { emptyDraft, recordOf } from './draft.js';
import { dimensionsOf } from './dimensions.js';
import { readsOf } from '../../policy/slices.js';
import { changedIn, type Kind } from './kinds.js';
import type { Dimension } from './matter.js';
import { generator } from './random.js';

export interface Generated {
  readonly record: WithFacts;
  readonly kind: Kind;
  /** What is not as usual in it: `principal.kind = "exporter"`. */
  readonly where: readonly string[];
}

export interface Wanted {
  /** How many at most, of all kinds. */
  readonly count: number;
  readonly seed: number;
}

/** The same for the same rules and seed. At least the usual one of each kind, however few are wanted. */
export function* requests(kinds: readonly Kind[], wanted: Wanted): Generator<Generated> {
  const spaces = kinds.map((kind) => {
    const dimensions = dimensionsOf(kind);
    return { kind, dimensions, size: dimensions.reduce((size, { values }) => size * values.length, 1) };
  });
  const shares = shared(
    spaces.map(({ size }) => size),
    wanted.count,
  );
  const random = generator(wanted.seed);
  for (const [i, { kind, dimensions, size }] of spaces.entries()) {
    const share = shares[i] ?? 1;
    const choices = size <= share ? all(dimensions) : sample(dimensions, share, readsOf(changedIn(kind)).names, random);
    let number = 0;
    for (const choice of choices) {
      number += 1;
      const draft = emptyDraft();
      const where: string[] = [];
      for (const [j, { name, values }] of dimensions.entries()) {
        const value = values[choice[j] ?? 0];
        value?.put(draft);
        if (value !== undefined && (choice[j] ?? 0) > 0) where.push(`${name}: ${value.text}`);
      }
      const id = `${kind.mode}/${kind.action}/${kind.resource}/${number}`;
      yield { record: recordOf(id, kind, draft), kind, where };
    }
  }
}

/** How many of each, so that the small ones are whole and the large ones have equal parts of the rest. */
function shared(sizes: readonly number[], count: number): number[] {
  const shares = sizes.map(() => 1);
  let left = count - sizes.length;
  const bySize = sizes.map((size, i) => [size, i] as const).sort(([a], [b]) => a - b);
  for (const [place, [size, i]] of bySize.entries()) {
    const more = Math.max(0, Math.min(size - 1, Math.floor(left / (sizes.length - place))));
    shares[i] = 1 + more;
    left -= more;
  }
  return shares;
}

type Choice = readonly number[];

/** Every combination, the usual one first. */
function* all(dimensions: readonly Dimension[]): Generator<Choice> {
  const choice = dimensions.map(() => 0);
  for (;;) {
    yield [...choice];
    let at = 0;
    for (; at < dimensions.length; at += 1) {
      choice[at] = (choice[at] ?? 0) + 1;
      if ((choice[at] ?? 0) < (dimensions[at]?.values.length ?? 0)) break;
      choice[at] = 0;
    }
    if (at === dimensions.length) return;
  }
}

/**
 * The usual one, then those that differ from it in one thing, then combinations: of what is in focus all in turn, with
 * the rest as usual or by chance.
 */
function* sample(
  dimensions: readonly Dimension[],
  count: number,
  focus: ReadonlySet<string>,
  random: () => number,
): Generator<Choice> {
  const usual = dimensions.map(() => 0);
  let left = count;
  const singles = dimensions.flatMap(({ values }, at) => values.slice(1).map((_, i) => usual.with(at, i + 1)));
  for (const choice of [usual, ...singles]) {
    if (left === 0) return;
    left -= 1;
    yield choice;
  }
  const focused = dimensions.map(({ read }) => focus.has(read));
  const chance = (at: number): number => Math.floor(random() * (dimensions[at]?.values.length ?? 1));
  while (left > 0)
    for (const some of all(dimensions.filter((_, at) => focused[at]))) {
      if (left === 0) return;
      left -= 1;
      let next = 0;
      const others = random() < 0.5;
      yield dimensions.map((_, at) => {
        if (focused[at] === true) return some[next++] ?? 0;
        return others ? chance(at) : 0;
      });
    }
}
