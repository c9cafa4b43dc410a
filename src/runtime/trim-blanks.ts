/**
 * Trims what people see as nothing: spaces, tabs and ends of line. JavaScript's own `trim` also takes byte order marks,
 * no-break spaces and the like, so that a text that isn't accepted would become one that is.
 */
const BLANKS = ' \t\r\n';

/** The text without spaces, tabs and ends of line around it. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && BLANKS.includes(text.charAt(start))) start += 1;
  while (end > start && BLANKS.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}
