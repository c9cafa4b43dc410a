/** A SpiceDB schema as a set of fragments, by which a schema that only adds to another can be told from any other. */
import { significantTokens, tokenizeSchema } from './lexer.js';

/**
 * The text of each declaration by its name: `definition document`, `document: relation viewer`, `caveat by_day`,
 * `use expiration`. Comments and white space are left out, and every other token is part of exactly one fragment.
 */
export type SchemaFragments = ReadonlyMap<string, string>;

export function splitSchema(text: string): SchemaFragments {
  // A bare carriage return ends a comment for SpiceDB and not for CEL, so what the text means can hang on it.
  if (/\r(?!\n)/.test(text)) return new Map([['the text', text]]);
  const fragments = new Map<string, string>();
  let block = '';
  let key = '';
  let depth = 0;
  const tokens = significantTokens(tokenizeSchema(text)).map((token) => token.text);
  for (const [i, token] of tokens.entries()) {
    const following = tokens.slice(i + 1, i + 4);
    if (depth === 0 && TOP_LEVEL_WORDS.has(token)) key = block = `${token} ${declaredName(following)}`;
    if (depth === 1 && block.startsWith('definition ') && MEMBER_WORDS.has(token) && isName(following[0]))
      key = `${token} ${following[0] ?? ''} of ${block}`;
    if (token === '{') depth += 1;
    if (token === '}') {
      depth -= 1;
      if (depth === 0) key = block;
    }
    fragments.set(key, `${fragments.get(key) ?? ''} ${token}`);
  }
  return fragments;
}

const TOP_LEVEL_WORDS: ReadonlySet<string> = new Set(['definition', 'caveat', 'use', 'partial', 'import']);
const MEMBER_WORDS: ReadonlySet<string> = new Set(['relation', 'permission']);

/** `team` or, with its prefix, `acme/team`. */
function declaredName([first = '', separator, second = '']: readonly string[]): string {
  return separator === '/' ? `${first}/${second}` : first;
}

function isName(token: string | undefined): boolean {
  return token !== undefined && /^\w+$/.test(token);
}

/** The names of the fragments of `before` that `after` lacks or has otherwise. */
export function compareFragments(before: SchemaFragments, after: SchemaFragments): string[] {
  return [...before].flatMap(([name, text]) => (after.get(name) === text ? [] : [name]));
}
