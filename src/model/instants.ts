/** Instants as text: RFC 3339, and nothing that JavaScript's own reader would make of something else. */

const INSTANT_FORMAT = /^(\d{4}-\d\d-\d\d)T(\d\d):\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** The instant, if `text` is one of the years 0001 to 9999, in UTC as well. */
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
