/**
 * Cedar text as tokens with their offsets, exactly as Cedar's own lexer cuts it: for the code that finds or changes
 * something in the text of a policy or schema, because Cedar's JSON has no places and can't hold all that is written.
 */

export type CedarTokenKind = 'space' | 'comment' | 'string' | 'identifier' | 'number' | 'punctuation' | 'unknown';

export interface CedarToken {
  readonly kind: CedarTokenKind;
  /** Strings with their quotes, comments with their slashes and without the end of the line. */
  readonly text: string;
  /** In UTF-16 code units; the tokens of a text follow each other without a gap. */
  readonly index: number;
}

/**
 * White space is Unicode's White_Space, as in Rust's regular expressions, and not JavaScript's `\s`: the next line
 * character (U+0085) is, a byte order mark (U+FEFF) isn't. The mark counts as space only where a file begins with it.
 * A string without an end takes the rest of the text with it: Cedar reads no further either.
 */
const TOKEN =
  /(?<space>\p{White_Space}+|^\ufeff)|(?<comment>\/\/[^\n\r]*)|(?<string>"[^"\\]*(?:\\[^\n][^"\\]*)*")|(?<identifier>[A-Za-z_][A-Za-z0-9_]*)|(?<number>[0-9]+)|(?<punctuation>::|==|!=|<=|>=|\|\||&&|[@.,;:(){}[\]<>+\-*/%!=?])|(?<unknown>"[^]*|[^])/gu;

/** All tokens of a text, white space and comments included; a character that Cedar doesn't know is `unknown`. */
export function tokenizeCedar(text: string): CedarToken[] {
  return Array.from(text.matchAll(TOKEN), (match) => {
    const groups = Object.entries(match.groups as Record<CedarTokenKind, string | undefined>);
    const kind = groups.find(([, group]) => group !== undefined)?.[0] as CedarTokenKind;
    return { kind, text: match[0], index: match.index };
  });
}

/** The tokens of a text without white space and comments. */
export function significantCedarTokens(text: string): CedarToken[] {
  return tokenizeCedar(text).filter(({ kind }) => kind !== 'space' && kind !== 'comment');
}
