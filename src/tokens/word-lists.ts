/** Lists of words in a claim, which some issuers write as a text with spaces and others as a list. */

/** Joins a list into the form of `scope`. Anything else is left for the claims' schema to reject. */
export function joinWords(value: unknown): unknown {
  return Array.isArray(value) && value.every((v) => typeof v === 'string') ? value.join(' ') : value;
}

export function splitWords(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}
