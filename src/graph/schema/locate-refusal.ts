/**
 * Finds the place in a schema that a refusal of SpiceDB's is about. SpiceDB says line and column of what can't be parsed. Where
 * the parts don't fit together (a type that isn't there, a cycle) it says the names alone, which are looked up here.
 */
import { significantTokens, tokenizeSchema } from './lexer.js';

/** A word of the schema; `acme/doc` is one. */
interface SchemaWord {
  readonly text: string;
  readonly start: number;
}

/** A declaration, with its words from its name on. */
interface DeclarationText {
  readonly keyword: string;
  /** The definition or partial that a relation or permission is in; of others their own name. */
  readonly owner: string;
  readonly name: string;
  readonly words: readonly SchemaWord[];
}

/** The names of a refusal, each undefined where it has none. */
interface RefusedNames {
  readonly owner?: string | undefined;
  readonly member?: string | undefined;
  readonly word?: string | undefined;
}

interface RefusalForm {
  readonly pattern: RegExp;
  readonly locate: (names: RefusedNames, declarations: readonly DeclarationText[]) => number | undefined;
}

/** SpiceDB's sentences, the groups of which are called after what they name. */
const REFUSAL_FORMS: readonly RefusalForm[] = [
  {
    pattern: /duplicate relation\/permission name `(?<member>[^`]+)` under definition `(?<owner>[^`]+)`/,
    locate: (names, declarations) => startOf(select(names, declarations)[1]),
  },
  {
    pattern:
      /duplicate allowed subject type `(?<word>[^`]+)` on relation `(?<member>[^`]+)`(?: under definition `(?<owner>[^`]+)`)?/,
    locate: (names, declarations) => findUses(names.word, select(names, declarations))[1],
  },
  {
    pattern: /under definition `(?<owner>[^`]+)`, there exists a cycle in permissions: (?<member>\w+)/,
    locate: (names, declarations) => startOf(select(names, declarations)[0]),
  },
  {
    pattern: /could not lookup (?:definition|caveat) `(?<word>[^`]+)` for relation `(?<member>[^`]+)`/,
    locate: (names, declarations) => findUses(names.word, select(names, declarations))[0],
  },
  {
    // The word is in a permission of the owner, or in a userset elsewhere: `user#member`.
    pattern: /relation\/permission `(?<word>[^`]+)` not found under definition `(?<owner>[^`]+)`/,
    locate: ({ owner, word }, declarations) =>
      findUses(`${owner ?? ''}#${word ?? ''}`, declarations)[0] ??
      findUses(
        word,
        select({ owner }, declarations).filter(({ keyword }) => keyword === 'permission'),
      )[0],
  },
  {
    pattern: /for relation `(?<member>[^`]+)`: relation\/permission `(?<word>[^`]+)`/,
    locate: (names, declarations) => findUses(names.word, select(names, declarations))[0],
  },
  {
    pattern: /under permission `(?<member>[^`]+)`: relation `(?<owner>[^`#]+)#(?<word>[^`]+)`/,
    locate: (names, declarations) => findUses(names.word, select(names, declarations))[0],
  },
  {
    pattern: /under permission `(?<member>[^`]+)` under definition `(?<owner>[^`]+)`.*\(found `(?<word>[^`]+)`\)/,
    locate: (names, declarations) => findUses(names.word, select(names, declarations))[0],
  },
  {
    pattern: /parameter `(?<word>[^`]+)` for caveat `(?<member>[^`]+)`/,
    locate: (names, declarations) => findUses(names.word, select(names, declarations))[0],
  },
];

/** @returns the offset of the word that is wrong; undefined where the refusal is none of those that are known */
export function locateRefusal(message: string, schemaText: string): number | undefined {
  for (const { pattern, locate } of REFUSAL_FORMS) {
    const names = pattern.exec(message)?.groups as RefusedNames | undefined;
    if (names === undefined) continue;
    const declarations = readDeclarationTexts(readWords(schemaText));
    return locate(names, declarations) ?? startOf(select(names, declarations)[0]);
  }
  return undefined;
}

/** The declarations of these names. What comes of a partial is declared there, under another owner. */
function select({ owner, member }: RefusedNames, declarations: readonly DeclarationText[]): DeclarationText[] {
  const named = declarations.filter(({ name }) => member === undefined || name === member);
  const owned = named.filter((declaration) => declaration.owner === owner);
  return owner === undefined || owned.length === 0 ? named : owned;
}

function startOf(declaration: DeclarationText | undefined): number | undefined {
  return declaration?.words[0]?.start;
}

/** The offsets at which the declarations use a name, which may be of several words: `user with limit`, `group#member`. */
function findUses(name: string | undefined, declarations: readonly DeclarationText[]): number[] {
  const searched = readWords(name ?? '').map(({ text }) => text);
  if (searched.length === 0) return [];
  return declarations.flatMap(({ words }) =>
    words
      .slice(1)
      .flatMap(({ start }, i) => (searched.every((text, k) => words[i + 1 + k]?.text === text) ? [start] : [])),
  );
}

/** The words and symbols of a schema, those of a name with slashes joined. */
function readWords(text: string): SchemaWord[] {
  const words: SchemaWord[] = [];
  for (const { text: word, start } of significantTokens(tokenizeSchema(text))) {
    const previous = words.at(-1);
    const isAdjacent = previous !== undefined && previous.start + previous.text.length === start;
    const isJoined = isAdjacent && (word === '/' ? /\w$/ : /\w\/$/).test(previous.text);
    if (isJoined && /^(\w+|\/)$/.test(word)) words[words.length - 1] = { ...previous, text: previous.text + word };
    else words.push({ text: word, start });
  }
  return words;
}

function readDeclarationTexts(words: readonly SchemaWord[]): DeclarationText[] {
  const declarations: (Omit<DeclarationText, 'words'> & { words: SchemaWord[] })[] = [];
  let depth = 0;
  let owner: string | undefined;
  for (const [i, word] of words.entries()) {
    const keyword = words[i - 1]?.text ?? '';
    const isOutermost = depth === 0 && /^(definition|partial|caveat)$/.test(keyword);
    const isMember = depth === 1 && owner !== undefined && /^(relation|permission)$/.test(keyword);
    if (isOutermost) owner = keyword === 'caveat' ? undefined : word.text;
    if (isOutermost || isMember)
      declarations.push({ keyword, owner: isMember ? (owner ?? '') : word.text, name: word.text, words: [] });
    declarations.at(-1)?.words.push(word);
    if (word.text === '{') depth += 1;
    if (word.text === '}') depth -= 1;
  }
  return declarations;
}
