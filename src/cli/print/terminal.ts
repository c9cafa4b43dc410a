/** Output of the commands: data as JSON, and texts for people that can't carry commands to their terminal. */

/** Prints indented JSON, for data that people read as well. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Prints JSON on one line, for scripts that read line by line. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Lines of texts that come from elsewhere, escaped, each with its line end. */
export function escapedLines(lines: readonly string[]): string {
  return lines.map((line) => `${escapeForTerminal(line)}\n`).join('');
}

/** Control and format characters as `\u001b`: a token's or caller's text must neither steer the terminal nor reorder it. */
export function escapeForTerminal(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

/** @param maximum in UTF-16 code units */
export function truncateText(text: string, maximum: number): string {
  return text.length > maximum ? `${text.slice(0, maximum)}…` : text;
}
