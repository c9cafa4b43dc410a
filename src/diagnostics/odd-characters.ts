/**
 * Characters by which a text shows a person something else than it says to a parser: spaces and ends of line that only
 * one of them takes for such, invisible characters, and those that turn the direction of a line ("Trojan Source",
 * CVE-2021-42574). Policies and schemas may have them in strings only.
 */

/** Space, tab and the two usual ends of line are what every reader agrees on. */
const ODD_IN_CODE = /(?![ \t\r\n])[\p{Cc}\p{Cf}\p{Z}\p{White_Space}]/u;
/** A comment may have any spaces and joiners, as some scripts need them, but ends where its line is seen to end. */
const ODD_IN_COMMENT = /(?![\t\r\n])[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

export interface OddCharacter {
  /** Within the text, in UTF-16 code units. */
  readonly index: number;
  readonly message: string;
}

/** Finds the first odd character of a part of a text that is no string. */
export function findOddCharacter(part: string, isComment: boolean): OddCharacter | undefined {
  const match = (isComment ? ODD_IN_COMMENT : ODD_IN_CODE).exec(part);
  if (match === null) return undefined;
  const code = (match[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  const message = `the character U+${code} is refused outside strings: it is not seen as it is read. Delete it, or write a plain space`;
  return { index: match.index, message };
}
