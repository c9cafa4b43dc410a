/**
 * Composable SpiceDB schemas: a schema with `use import` and the files that it imports, as one text. SpiceDB's API takes
 * only such a text; its own tools put it together, and so do validation files here.
 */
import { posix } from 'node:path';
import { significantTokens, tokenizeSchema, type SchemaToken } from './lexer.js';
import { parseDeclarations } from './parse.js';

const MAX_IMPORTED_FILES = 500;
const MAX_COMPOSED_LENGTH = 4 * 1024 * 1024;

/** A line of the composed text, where it was read. */
export interface SchemaLine {
  /** The path of an imported file, relative to the first one; the empty text stands for that. */
  readonly path: string;
  readonly line: number;
}

export interface ComposedSchema {
  readonly text: string;
  /** The origin of a line of the text, both counted from 1. */
  readonly locateLine: (line: number) => SchemaLine;
}

/** An import that can't be followed: the message is a sentence about it. */
export class SchemaImportError extends Error {
  constructor(
    message: string,
    readonly at: SchemaLine,
  ) {
    super(message);
  }
}

/**
 * @param readImport reads the file at a path relative to the schema's; it throws where there is none
 * @throws SchemaImportError
 */
export function composeSchema(text: string, readImport: (path: string) => string): ComposedSchema {
  const composer = new Composer(readImport);
  composer.add(text, '', []);
  return composer.compose();
}

interface Statement {
  readonly keyword: 'use' | 'import';
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

class Composer {
  private readonly features = new Set<string>();
  private readonly lines: { readonly text: string; readonly origin: SchemaLine }[] = [];
  private readonly added = new Set<string>();
  private length = 0;

  constructor(private readonly readImport: (path: string) => string) {}

  /** @param trail the files that led here */
  add(text: string, path: string, trail: readonly string[]): void {
    this.added.add(path);
    this.length += text.length;
    const statements = readStatements(tokenizeSchema(text));
    const allowsImports = statements.some(({ keyword, value }) => keyword === 'use' && value === 'import');
    let ownText = text;
    for (const { keyword, value, start, end } of statements) {
      const at = { path, line: text.slice(0, start).split('\n').length };
      // Without `use import` the statement stays, and SpiceDB says what is wrong with it.
      if (keyword === 'import' && !allowsImports) continue;
      if (keyword === 'import') this.addImport(value, at, [...trail, path]);
      else if (value !== 'import') this.features.add(value);
      ownText = ownText.slice(0, start) + text.slice(start, end).replace(/[^\n]/g, ' ') + ownText.slice(end);
    }
    // On its own, so that no definition begins in one file and ends in another.
    const reading = path === '' ? undefined : parseDeclarations(ownText, path);
    if (reading !== undefined && 'message' in reading)
      throw new SchemaImportError(reading.message, { path, line: reading.at.line });
    for (const [i, line] of ownText.split('\n').entries())
      this.lines.push({ text: line, origin: { path, line: i + 1 } });
  }

  compose(): ComposedSchema {
    // SpiceDB wants them before any definition.
    const uses = [...this.features].map((feature) => ({ text: `use ${feature}`, origin: { path: '', line: 1 } }));
    const lines = [...uses, ...this.lines];
    return {
      text: lines.map(({ text }) => text).join('\n'),
      locateLine: (line) => lines[line - 1]?.origin ?? { path: '', line: 1 },
    };
  }

  private addImport(importPath: string, at: SchemaLine, trail: readonly string[]): void {
    if (importPath.split(/[/\\]/).includes('..') || posix.isAbsolute(importPath) || importPath === '')
      throw new SchemaImportError(`"${importPath}" is outside of the schema's directory, where imports have to be`, at);
    const path = posix.join(posix.dirname(at.path), importPath);
    if (trail.includes(path)) throw new SchemaImportError(`"${importPath}" imports, over others, itself`, at);
    if (this.added.has(path)) return;
    if (this.added.size >= MAX_IMPORTED_FILES || this.length > MAX_COMPOSED_LENGTH)
      throw new SchemaImportError('the schema imports more files, or longer ones, than can be read', at);
    this.add(this.readFile(path, importPath, at), path, trail);
  }

  private readFile(path: string, importPath: string, at: SchemaLine): string {
    try {
      return this.readImport(path);
    } catch (error) {
      throw new SchemaImportError(`"${importPath}" can't be imported: ${(error as Error).message}`, at);
    }
  }
}

/** The `use` and `import` statements, which stand outside of every bracket. */
function readStatements(tokens: readonly SchemaToken[]): Statement[] {
  const statements: Statement[] = [];
  let depth = 0;
  const significant = significantTokens(tokens);
  for (const [i, { kind, text, start }] of significant.entries()) {
    if (text === '{' || text === '(') depth += 1;
    if (text === '}' || text === ')') depth -= 1;
    const next = significant[i + 1];
    if (depth !== 0 || kind !== 'word' || next === undefined) continue;
    const end = next.start + next.text.length;
    if (text === 'use' && next.kind === 'word') statements.push({ keyword: 'use', value: next.text, start, end });
    if (text === 'import' && next.kind === 'string')
      statements.push({ keyword: 'import', value: next.text.slice(1, -1), start, end });
  }
  return statements;
}
