/**
 * The tokens of SpiceDB schema text, with their places: for every caller that looks at the text itself rather than at
 * what Authzed's parser makes of it. Caveat bodies are CEL, so strings are read as CEL reads them.
 */

import { findOddCharacter, type OddCharacter } from '../../diagnostics/odd-characters.js';

export interface SchemaToken {
  readonly kind: 'blank' | 'comment' | 'string' | 'word' | 'symbol';
  readonly text: string;
  /** The offset of its first character. */
  readonly start: number;
}

/** One pattern a kind, tried in this order. A comment that isn't closed ends with the text. */
const TOKEN_PATTERNS: readonly (readonly [SchemaToken['kind'], RegExp])[] = [
  ['blank', /[ \t\r\n]+/y],
  ['comment', /\/\/[^\r\n]*|\/\*[^]*?(?:\*\/|$)/y],
  ['word', /[\p{L}\p{Nd}_]+/uy],
  ['symbol', /\.\.\.|->|\|\||&&|[<>=!]=/y],
];
const STRING_START = /([bB]?[rR])?("""|'''|"|')/y;

/** Every token in order, blanks and comments included: their texts together are the text. Never throws. */
export function tokenizeSchema(text: string): SchemaToken[] {
  const tokens: SchemaToken[] = [];
  for (let start = 0; start < text.length;) {
    const token = readSchemaToken(text, start);
    tokens.push(token);
    start += token.text.length;
  }
  return tokens;
}

/** Finds the first character outside strings that a person sees otherwise than SpiceDB reads it. */
export function findOddSchemaCharacter(tokens: readonly SchemaToken[]): OddCharacter | undefined {
  for (const { kind, text, start } of tokens) {
    if (kind === 'string') continue;
    const odd = findOddCharacter(text, kind === 'comment');
    if (odd !== undefined) return { ...odd, index: start + odd.index };
  }
  return undefined;
}

/** The tokens that mean something: all but blanks and comments. */
export function significantTokens(tokens: readonly SchemaToken[]): SchemaToken[] {
  return tokens.filter(({ kind }) => kind !== 'blank' && kind !== 'comment');
}

function readSchemaToken(text: string, start: number): SchemaToken {
  const string = readSchemaString(text, start);
  if (string !== undefined) return { kind: 'string', text: string, start };
  for (const [kind, pattern] of TOKEN_PATTERNS) {
    pattern.lastIndex = start;
    const [match] = pattern.exec(text) ?? [];
    if (match !== undefined) return { kind, text: match, start };
  }
  return { kind: 'symbol', text: String.fromCodePoint(text.codePointAt(start) ?? 0), start };
}

/**
 * Reads a string by hand, since a regular expression overflows the stack where a string has millions of characters. A
 * triple-quoted string that isn't closed ends with the text, a string of one line with its line. Raw strings (`r"\"`)
 * know no escapes.
 * @returns undefined where no string begins
 */
function readSchemaString(text: string, start: number): string | undefined {
  STRING_START.lastIndex = start;
  const [opening, rawPrefix, quote] = STRING_START.exec(text) ?? [];
  if (opening === undefined || quote === undefined) return undefined;
  let end = start + opening.length;
  while (end < text.length) {
    if (text.startsWith(quote, end)) return text.slice(start, end + quote.length);
    const escapes = rawPrefix === undefined && text[end] === '\\';
    const breaksLine = /[\r\n]/.test(text[escapes ? end + 1 : end] ?? '');
    if (quote.length === 1 && breaksLine) break;
    end += escapes ? 2 : 1;
  }
  return text.slice(start, end);
}
