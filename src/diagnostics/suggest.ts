/** "Did you mean": the nearest of the known words, for messages about words that don't fit. */

/** The word of `known` that is nearest to `word`, if one is near enough to be a slip; with its question. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = nearest(word, known);
  return near === undefined ? '' : ` (did you mean "${near}"?)`;
}

export function nearest(word: string, known: Iterable<string>): string | undefined {
  const given = word.toLowerCase();
  let best: string | undefined;
  let least = given.length > 5 ? 3 : 2;
  for (const candidate of known) {
    const other = candidate.toLowerCase();
    const d = distance(given, other);
    if (d < least) [best, least] = [candidate, d];
    // Another ending: "duties" for "duty".
    else if (best === undefined && other.length >= 4 && given.startsWith(other.slice(0, -1))) best = candidate;
  }
  return best;
}

/** Edits between two words, two letters changing places being one (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      next.push(least);
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
