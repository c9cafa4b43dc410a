/**
 * Cedar text as tokens with their offsets, exactly as Cedar's own lexer cuts it: for the code that finds or changes
 * something in the text of a policy or schema, because Cedar's JSON has no places and can't hold all that is written.
 */

import { findOddCharacter, type OddCharacter } from '../diagnostics/odd-characters.js';

export type CedarTokenKind = 'space' | 'comment' | 'string' | 'identifier' | 'number' | 'punctuation' | 'unknown';

export interface CedarToken {
  readonly kind: CedarTokenKind;
  /** Strings with their quotes, comments with their slashes and without the end of the line. */
  readonly text: string;
  /** The place in UTF-16 code units; the tokens of a text follow each other without a gap. */
  readonly index: number;
}

/**
 * Every token but a string. White space is Unicode's White_Space, as in Rust's regular expressions, and not JavaScript's
 * `\s`: the next line character (U+0085) is, a byte order mark (U+FEFF) isn't.
 */
const TOKEN =
  /(?<space>\p{White_Space}+)|(?<comment>\/\/[^\n\r]*)|(?<identifier>[A-Za-z_][A-Za-z0-9_]*)|(?<number>[0-9]+)|(?<punctuation>::|==|!=|<=|>=|\|\||&&|[@.,;:(){}[\]<>+\-*/%!=?])|(?<unknown>[^])/uy;

/** All tokens of a text, white space and comments included; a character that Cedar doesn't know is `unknown`. */
export function tokenizeCedar(text: string): CedarToken[] {
  const tokens: CedarToken[] = [];
  for (let index = 0; index < text.length;) {
    const token = text[index] === '"' ? readCedarString(text, index) : readCedarToken(text, index);
    tokens.push(token);
    index += token.text.length;
  }
  return tokens;
}

/**
 * Reads a string by hand, since a regular expression overflows the stack where a string has millions of escapes. A
 * string without an end takes the rest of the text with it: Cedar reads no further either.
 */
function readCedarString(text: string, index: number): CedarToken {
  for (let end = index + 1; end < text.length; end += 1) {
    if (text[end] === '"') return { kind: 'string', text: text.slice(index, end + 1), index };
    if (text[end] === '\\') {
      end += 1;
      if (text[end] === '\n') break;
    }
  }
  return { kind: 'unknown', text: text.slice(index), index };
}

function readCedarToken(text: string, index: number): CedarToken {
  TOKEN.lastIndex = index;
  const match = TOKEN.exec(text);
  const groups = Object.entries((match?.groups ?? {}) as Record<CedarTokenKind, string | undefined>);
  const [kind, tokenText] = groups.find(([, group]) => group !== undefined) ?? ['unknown', text[index] ?? ''];
  return { kind: kind as CedarTokenKind, text: tokenText ?? '', index };
}

/** Finds the first character outside strings that a person sees otherwise than Cedar reads it. */
export function findOddCedarCharacter(text: string): OddCharacter | undefined {
  for (const { kind, text: part, index } of tokenizeCedar(text)) {
    if (kind === 'string') continue;
    const odd = findOddCharacter(part, kind === 'comment');
    if (odd !== undefined) return { ...odd, index: index + odd.index };
  }
  return undefined;
}

/** The tokens of a text without white space and comments. */
export function significantCedarTokens(text: string): CedarToken[] {
  return tokenizeCedar(text).filter(({ kind }) => kind !== 'space' && kind !== 'comment');
}
