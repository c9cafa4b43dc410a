/**
 * Where in the Cedar schema's source things are declared. Cedar gives no places for what it has read without an
 * error, and errors of ours are about just that: so the declarations are found by their tokens.
 */

export type DeclarationKind = 'action' | 'entity';

/** Index of a declaration's name, or of what belongs to it. */
export interface DeclarationIndex {
  /**
   * @param part of the declaration: a member such as `salary` or `context.can.edit`, or an annotation such as `@scope`;
   *   where that isn't written there, the declaration counts
   */
  find(kind: DeclarationKind, space: string, name: string, part?: string): number | undefined;
}

interface Token {
  /** Strings without their quotes. */
  readonly text: string;
  readonly quoted: boolean;
  readonly index: number;
}

const TOKENS = /\/\/[^\n\r]*|"((?:\\[\s\S]|[^"\\])*)"|[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)*|[^\s\w]/g;

export function indexDeclarations(source: string): DeclarationIndex {
  const indexes = new Map<string, number>();
  const note = (key: string, index: number): void => {
    if (!indexes.has(key)) indexes.set(key, index);
  };
  const tokens = tokenize(source);
  let space = '';
  let depth = 0;
  /** Keys of the declaration that is being read; empty between declarations. */
  let declarationKeys: string[] = [];
  /** Annotations that stand before it. */
  let annotations: Token[] = [];
  /** The member that each open brace is of. */
  let enclosingMembers: string[] = [];
  let member = '';
  for (let i = 0; i < tokens.length; i += 1) {
    const { text, quoted } = tokens[i] as Token;
    if (quoted) continue;
    const level = space === '' ? 0 : 1;
    if (text === '@') {
      if (declarationKeys.length === 0)
        annotations.push({ ...(tokens[i] as Token), text: `@${tokens[i + 1]?.text ?? ''}` });
      i = skipAnnotation(tokens, i);
    } else if (text === '{') {
      depth += 1;
      enclosingMembers.push(member);
      member = '';
    } else if (text === '}') {
      depth -= 1;
      enclosingMembers.pop();
      if (depth < level) [space, depth] = ['', 0];
    } else if (text === ';' && depth === level) {
      [declarationKeys, annotations, enclosingMembers, member] = [[], [], [], ''];
    } else if (text === ':' && declarationKeys.length > 0) {
      // A member is what stands before a colon, or before the question mark there.
      const name = tokens[tokens[i - 1]?.text === '?' ? i - 2 : i - 1];
      if (name === undefined) continue;
      member = name.text;
      const path = [...enclosingMembers.filter((of) => of !== ''), member].join('.');
      for (const key of declarationKeys) for (const part of [path, member]) note(`${key} ${part}`, name.index);
    } else if (text === 'namespace' && depth === 0 && declarationKeys.length === 0) {
      space = tokens[i + 1]?.text ?? '';
      while (i < tokens.length && tokens[i]?.text !== '{') i += 1;
      depth = 1;
      annotations = [];
    } else if ((text === 'action' || text === 'entity') && depth === level && declarationKeys.length === 0) {
      for (const name of readNames(tokens, i + 1)) {
        const key = `${text} ${space} ${name.text}`;
        note(key, name.index);
        for (const annotation of annotations) note(`${key} ${annotation.text}`, annotation.index);
        declarationKeys.push(key);
      }
      i += 1;
    } else if (text === 'type' && depth === level && declarationKeys.length === 0)
      declarationKeys = [`type ${space} ${tokens[i + 1]?.text ?? ''}`];
  }
  return {
    find: (kind, of, name, part) => {
      const key = `${kind} ${of} ${name}`;
      return (part === undefined ? undefined : indexes.get(`${key} ${part}`)) ?? indexes.get(key);
    },
  };
}

/** `a, "b", c`: the names that follow `action` or `entity`. */
function readNames(tokens: readonly Token[], from: number): Token[] {
  const namesRead: Token[] = [];
  for (let i = from; i < tokens.length; i += 2) {
    namesRead.push(tokens[i] as Token);
    if (tokens[i + 1]?.text !== ',' || tokens[i + 1]?.quoted === true) break;
  }
  return namesRead;
}

/** The index of an annotation's last token: `@name` or `@name("value")`. */
function skipAnnotation(tokens: readonly Token[], at: number): number {
  if (tokens[at + 2]?.text !== '(') return at + 1;
  let i = at + 2;
  while (i < tokens.length && (tokens[i]?.quoted === true || tokens[i]?.text !== ')')) i += 1;
  return i;
}

function tokenize(source: string): Token[] {
  return [...source.matchAll(TOKENS)]
    .filter((match) => !match[0].startsWith('//'))
    .map((match) => {
      const quoted = match[0].startsWith('"');
      return { text: quoted ? (match[1] ?? '') : match[0].replace(/\s/g, ''), quoted, index: match.index };
    });
}
