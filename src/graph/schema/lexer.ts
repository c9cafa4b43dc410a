/**
 * The tokens of SpiceDB schema text, with their places: for every caller that looks at the text itself rather than at
 * what Authzed's parser makes of it. Caveat bodies are CEL, so strings are read as CEL reads them.
 */

export interface SchemaToken {
  readonly kind: 'blank' | 'comment' | 'string' | 'word' | 'symbol';
  readonly text: string;
  /** The offset of its first character. */
  readonly start: number;
}

/**
 * One pattern a kind, tried in this order. What isn't closed (a comment, a triple-quoted string) ends with the text, and
 * a string of one line with its line. Raw strings (`r"\"`) know no escapes.
 */
const TOKEN_PATTERNS: readonly (readonly [SchemaToken['kind'], RegExp])[] = [
  ['blank', /[ \t\r\n]+/y],
  ['comment', /\/\/[^\r\n]*|\/\*[^]*?(?:\*\/|$)/y],
  ['string', /[bB]?[rR](?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"[^"\r\n]*"?|'[^'\r\n]*'?)/y],
  ['string', /"""(?:\\[^]|[^\\])*?(?:"""|$)|'''(?:\\[^]|[^\\])*?(?:'''|$)/y],
  ['string', /"(?:\\.|[^"\\\r\n])*"?|'(?:\\.|[^'\\\r\n])*'?/y],
  ['word', /[\p{L}\p{Nd}_]+/uy],
  ['symbol', /\.\.\.|->|\|\||&&|[<>=!]=/y],
];

/** Every token in order, blanks and comments included: their texts together are the text. Never throws. */
export function tokenizeSchema(text: string): SchemaToken[] {
  const tokens: SchemaToken[] = [];
  for (let start = 0; start < text.length;) {
    const token = readToken(text, start);
    tokens.push(token);
    start += token.text.length;
  }
  return tokens;
}

/** The tokens that mean something: all but blanks and comments. */
export function significantTokens(tokens: readonly SchemaToken[]): SchemaToken[] {
  return tokens.filter(({ kind }) => kind !== 'blank' && kind !== 'comment');
}

function readToken(text: string, start: number): SchemaToken {
  for (const [kind, pattern] of TOKEN_PATTERNS) {
    pattern.lastIndex = start;
    const [match] = pattern.exec(text) ?? [];
    if (match !== undefined) return { kind, text: match, start };
  }
  return { kind: 'symbol', text: String.fromCodePoint(text.codePointAt(start) ?? 0), start };
}
