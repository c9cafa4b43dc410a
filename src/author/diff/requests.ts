/**
 * Generates requests for `remit diff`, since tests and records don't ask everything. Where a kind of question has few
 * combinations all are generated; otherwise a sample is, which varies what the changed policies read first.
 */
import type { ReplayableRecord } from '../../model/decision.js';
import { emptyDraft, syntheticRecord } from './synthetic-record.js';
import { buildDimensions } from './dimensions.js';
import { namesReadByChanges, type QuestionKind } from './question-kinds.js';
import type { Dimension } from './dimension.js';
import { seededRandom } from './random.js';

export interface GeneratedRequest {
  readonly record: ReplayableRecord;
  readonly kind: QuestionKind;
  /** The values that aren't usual, such as `principal.kind: "exporter"`. */
  readonly where: readonly string[];
}

export interface SamplingOptions {
  /** Requests of all kinds together, at most; each kind has at least one. */
  readonly count: number;
  readonly seed: number;
}

/** Yields the same requests for the same rules and seed; each kind's first request is the usual one. */
export function* generateRequests(
  kinds: readonly QuestionKind[],
  options: SamplingOptions,
): Generator<GeneratedRequest> {
  const spaces = kinds.map((kind) => {
    const dimensions = buildDimensions(kind);
    return { kind, dimensions, size: dimensions.reduce((size, { values }) => size * values.length, 1) };
  });
  const shares = allocateShares(
    spaces.map(({ size }) => size),
    options.count,
  );
  const random = seededRandom(options.seed);
  for (const [i, { kind, dimensions, size }] of spaces.entries()) {
    const share = shares[i] ?? 1;
    const choices =
      size <= share ? allChoices(dimensions) : sampleChoices(dimensions, share, namesReadByChanges(kind), random);
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
      yield { record: syntheticRecord(id, kind, draft), kind, where };
    }
  }
}

/** Divides the count so that small sizes are covered whole, and large ones share the rest equally. */
function allocateShares(sizes: readonly number[], count: number): number[] {
  const shares = sizes.map(() => 1);
  let remaining = count - sizes.length;
  const bySize = sizes.map((size, i) => [size, i] as const).sort(([a], [b]) => a - b);
  for (const [place, [size, i]] of bySize.entries()) {
    const extra = Math.max(0, Math.min(size - 1, Math.floor(remaining / (sizes.length - place))));
    shares[i] = 1 + extra;
    remaining -= extra;
  }
  return shares;
}

/** The index of the chosen value for each dimension. */
type ValueChoice = readonly number[];

/** Every combination, the usual one first. */
function* allChoices(dimensions: readonly Dimension[]): Generator<ValueChoice> {
  const choice = dimensions.map(() => 0);
  for (;;) {
    yield [...choice];
    let position = 0;
    for (; position < dimensions.length; position += 1) {
      choice[position] = (choice[position] ?? 0) + 1;
      if ((choice[position] ?? 0) < (dimensions[position]?.values.length ?? 0)) break;
      choice[position] = 0;
    }
    if (position === dimensions.length) return;
  }
}

/**
 * Yields the usual choice, then those that differ from it in one dimension, then combinations: all those of the dimensions
 * in focus in turn, with the others as usual or at random.
 * @param focus names that the changed policies read
 */
function* sampleChoices(
  dimensions: readonly Dimension[],
  count: number,
  focus: ReadonlySet<string>,
  random: () => number,
): Generator<ValueChoice> {
  const usual = dimensions.map(() => 0);
  let remaining = count;
  const singles = dimensions.flatMap(({ values }, at) => values.slice(1).map((_, i) => usual.with(at, i + 1)));
  for (const choice of [usual, ...singles]) {
    if (remaining === 0) return;
    remaining -= 1;
    yield choice;
  }
  const isFocused = dimensions.map(({ read }) => focus.has(read));
  const randomValue = (at: number): number => Math.floor(random() * (dimensions[at]?.values.length ?? 1));
  while (remaining > 0)
    for (const focusChoice of allChoices(dimensions.filter((_, at) => isFocused[at]))) {
      if (remaining === 0) return;
      remaining -= 1;
      let next = 0;
      const variesRest = random() < 0.5;
      yield dimensions.map((_, at) => {
        if (isFocused[at] === true) return focusChoice[next++] ?? 0;
        return variesRest ? randomValue(at) : 0;
      });
    }
}
