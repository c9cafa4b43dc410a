/**
 * Measures JSON as the database gives it back. PostgreSQL writes out a number with an exponent, so a short text may come
 * back in hundreds of times its length.
 */

/** The digits that PostgreSQL may write for a number with an exponent, such as 1e308. */
const MAX_EXPANDED_DIGITS = 324;

/** The bytes of a text of JSON.stringify as jsonb gives it back, but for its blanks. There an exponent has a sign. */
export function measureStoredBytes(text: string): number {
  const exponents = text.match(/\de[+-]\d/g)?.length ?? 0;
  return Buffer.byteLength(text) + exponents * MAX_EXPANDED_DIGITS;
}
