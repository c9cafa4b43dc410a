/** Finds the word that was probably meant, for messages about a word that doesn't fit. */

/**
 * `did you mean "view"?`; undefined where no candidate is near enough for `word` to be a slip.
 * @param prefix stands before the candidate: `@` of an annotation
 */
export function suggestNearest(word: string, candidates: Iterable<string>, prefix = ''): string | undefined {
  const nearestWord = findNearestWord(word, candidates);
  return nearestWord === undefined ? undefined : `did you mean "${prefix}${nearestWord}"?`;
}

/** The candidate that is nearest to the word; undefined where none is near enough for a slip. */
export function findNearestWord(word: string, candidates: Iterable<string>): string | undefined {
  const lowered = word.toLowerCase();
  let best: string | undefined;
  let limit = lowered.length > 5 ? 3 : 2;
  for (const candidate of candidates) {
    const loweredCandidate = candidate.toLowerCase();
    const edits = editDistance(lowered, loweredCandidate);
    if (edits < limit) [best, limit] = [candidate, edits];
    // A different ending is a slip as well: "duties" for "duty".
    else if (best === undefined && loweredCandidate.length >= 4 && lowered.startsWith(loweredCandidate.slice(0, -1)))
      best = candidate;
  }
  return best;
}

/** Counts the edits between two words; two letters that change places are one (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let previousRow: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const nextRow = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let fewest = Math.min(substitution, (row[j] ?? 0) + 1, (nextRow[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        fewest = Math.min(fewest, (previousRow[j - 2] ?? 0) + 1);
      nextRow.push(fewest);
    }
    [previousRow, row] = [row, nextRow];
  }
  return row[b.length] ?? 0;
}
