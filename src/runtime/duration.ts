/** Durations as ISO 8601 writes them, in weeks, days, hours, minutes and seconds: months and years differ in length. */

/** The form of their text, for formats that are shown to editors. */
export const DURATION_TEXT =
  /^P(?=.)(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?=.)(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?$/;
const UNIT_MILLISECONDS = [7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1000];

/** @returns milliseconds; undefined where the text is no duration */
export function parseDuration(text: string): number | undefined {
  const counts: (string | undefined)[] | undefined = DURATION_TEXT.exec(text)?.slice(1);
  return counts?.reduce((sum, count, i) => sum + Number(count ?? 0) * (UNIT_MILLISECONDS[i] ?? 0), 0);
}
