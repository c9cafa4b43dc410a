/** Instants as text: RFC 3339 only, where JavaScript's own parser would accept other text as well. */

/**
 * Offsets are those that there are, up to 14 hours: engines differ in how much more they take. What is finer than a
 * millisecond would be cut off silently, so digits beyond the third are zeros.
 */
const INSTANT_FORMAT = /^(\d{4}-\d\d-\d\d)T(\d\d):\d\d:\d\d(?:\.\d{1,3}0*)?(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))$/;

/** Parses an instant of the years 0001 to 9999 (in UTC as well); undefined where the text is none. */
export function parseInstant(text: string): Date | undefined {
  const [, date, hour] = INSTANT_FORMAT.exec(text) ?? [];
  if (date === undefined || hour === '24') return undefined;
  // JavaScript takes the 30th of February for the 2nd of March.
  const day = new Date(`${date}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date)) return undefined;
  const at = new Date(text);
  const year = at.getUTCFullYear();
  return year >= 1 && year <= 9999 ? at : undefined;
}
