/**
 * Where in the Cedar schema's source things are declared. Cedar gives no places for what it has read without an
 * error, and errors of ours are about just that: so the declarations are found by their tokens.
 */

export type Kind = 'action' | 'entity';

/** Line (1-based) of a declaration, or of a member within it, such as `context`, `can` or an attribute. */
export interface Places {
  find(kind: Kind, space: string, name: string, member?: string): number | undefined;
}

interface Token {
  /** Strings without their quotes. */
  readonly text: string;
  readonly quoted: boolean;
  readonly line: number;
}

const TOKENS = /\/\/[^\n\r]*|"((?:\\[\s\S]|[^"\\])*)"|[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)*|[^\s\w]/g;

export function findPlaces(source: string): Places {
  const lines = new Map<string, number>();
  const note = (key: string, line: number): void => {
    if (!lines.has(key)) lines.set(key, line);
  };
  const tokens = tokenize(source);
  let space = '';
  let depth = 0;
  /** Keys of the declaration that is being read; empty between declarations. */
  let declared: string[] = [];
  for (let i = 0; i < tokens.length; i += 1) {
    const { text, quoted } = tokens[i] as Token;
    if (quoted) continue;
    const level = space === '' ? 0 : 1;
    if (text === '@') i = afterAnnotation(tokens, i);
    else if (text === '{') depth += 1;
    else if (text === '}') {
      depth -= 1;
      if (depth < level) [space, depth] = ['', 0];
    } else if (text === ';' && depth === level) declared = [];
    else if (text === ':' && declared.length > 0) {
      // A member is what stands before a colon, or before the question mark there.
      const name = tokens[tokens[i - 1]?.text === '?' ? i - 2 : i - 1];
      if (name !== undefined) for (const key of declared) note(`${key} ${name.text}`, name.line);
    } else if (text === 'namespace' && depth === 0 && declared.length === 0) {
      space = tokens[i + 1]?.text ?? '';
      while (i < tokens.length && tokens[i]?.text !== '{') i += 1;
      depth = 1;
    } else if ((text === 'action' || text === 'entity') && depth === level && declared.length === 0) {
      for (const name of names(tokens, i + 1)) {
        const key = `${text} ${space} ${name.text}`;
        note(key, name.line);
        declared.push(key);
      }
      i += 1;
    } else if (text === 'type' && depth === level && declared.length === 0)
      declared = [`type ${space} ${tokens[i + 1]?.text ?? ''}`];
  }
  return {
    find: (kind, of, name, member) => {
      const key = `${kind} ${of} ${name}`;
      return (member === undefined ? undefined : lines.get(`${key} ${member}`)) ?? lines.get(key);
    },
  };
}

/** `a, "b", c`: the names that follow `action` or `entity`. */
function names(tokens: readonly Token[], from: number): Token[] {
  const found: Token[] = [];
  for (let i = from; i < tokens.length; i += 2) {
    found.push(tokens[i] as Token);
    if (tokens[i + 1]?.text !== ',' || tokens[i + 1]?.quoted === true) break;
  }
  return found;
}

/** The index of an annotation's last token: `@name` or `@name("value")`. */
function afterAnnotation(tokens: readonly Token[], at: number): number {
  if (tokens[at + 2]?.text !== '(') return at + 1;
  let i = at + 2;
  while (i < tokens.length && (tokens[i]?.quoted === true || tokens[i]?.text !== ')')) i += 1;
  return i;
}

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let from = 0;
  for (const match of source.matchAll(TOKENS)) {
    line += source.slice(from, match.index).split('\n').length - 1;
    from = match.index;
    if (match[0].startsWith('//')) continue;
    const quoted = match[0].startsWith('"');
    tokens.push({ text: quoted ? (match[1] ?? '') : match[0].replace(/\s/g, ''), quoted, line });
  }
  return tokens;
}
