/**
 * Reads a page of what a person may see, from a list of more than that. It looks on past what isn't theirs, so that neither the
 * length of a page nor the number of pages tells how much there is of that; only beyond a bound a page is short and leads on.
 */
export interface PageSource<T, V> {
  /** Lists what follows a key, in order. */
  readonly list: (after: string | undefined, limit: number) => Promise<readonly T[]>;
  /** Says of each what the person sees of it; undefined where they may not see it. */
  readonly see: (listed: readonly T[]) => Promise<readonly (V | undefined)[]>;
  readonly keyOf: (listed: T) => string;
}

export interface PageBounds {
  readonly limit: number;
  /** The most that is looked at in a round, and the rounds. */
  readonly roundSize: number;
  readonly rounds: number;
  /** The time after which no other round begins, in milliseconds. */
  readonly roundsWithinMs: number;
}

/** @returns `next`: where the next page begins; undefined where there is nothing more to see */
export async function readVisiblePage<T, V>(
  { list, see, keyOf }: PageSource<T, V>,
  after: string | undefined,
  { limit, roundSize, rounds, roundsWithinMs }: PageBounds,
): Promise<{ readonly found: readonly V[]; readonly next: string | undefined }> {
  const startedAt = performance.now();
  const found: V[] = [];
  let [last, looked] = [after, after];
  for (let round = 0; round < rounds; round += 1) {
    if (round > 0 && performance.now() - startedAt > roundsWithinMs) break;
    const listed = await list(looked, roundSize);
    const seen = await see(listed);
    for (const [i, one] of listed.entries()) {
      const shown = seen[i];
      looked = keyOf(one);
      if (shown === undefined) continue;
      // One more than fits says that there is another page.
      if (found.length === limit) return { found, next: last };
      found.push(shown);
      last = looked;
    }
    if (listed.length < roundSize) return { found, next: undefined };
  }
  return { found, next: looked };
}
