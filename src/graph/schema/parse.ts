/** Parses a SpiceDB schema into its definitions, relations and permissions, by Authzed's own parser. */
import { createRequire } from 'node:module';
import type * as ParserModule from '@authzed/spicedb-parser-js';
import type { ParsedExpression, ParsedObjectDefinition, TypeRef } from '@authzed/spicedb-parser-js';
import type { SourceLocation } from '../../diagnostics/diagnostics.js';
import { locationAt } from '../../diagnostics/source.js';
import { findMappedLiteral } from './caveat-literals.js';
import type { CaveatParameter } from './caveat-value-types.js';
import { findOddSchemaCharacter, significantTokens, tokenizeSchema, type SchemaToken } from './lexer.js';

// The package's ES module build doesn't load in Node (a named import of a CommonJS module), its CommonJS build does.
const { parse } = createRequire(import.meta.url)('@authzed/spicedb-parser-js') as typeof ParserModule;

export interface ObjectDefinition {
  readonly relations: ReadonlyMap<string, readonly TypeRef[]>;
  readonly permissions: ReadonlyMap<string, ParsedExpression>;
}

/** The part of a schema that Remit needs to know. */
export interface SchemaDeclarations {
  readonly definitions: ReadonlyMap<string, ObjectDefinition>;
  /** Caveats and their parameters. */
  readonly caveats: ReadonlyMap<string, readonly CaveatParameter[]>;
  /** Lines and columns of definitions, and of their members as `definition#member`. */
  readonly places: ReadonlyMap<string, readonly [number, number]>;
  /** Whether a subject type with a caveat may have an expiration, too: the parser drops the one in `with c and expiration`. */
  readonly caveatsMayExpire: boolean;
}

type DefinitionBody = Pick<ParsedObjectDefinition, 'relations' | 'permissions' | 'partialReferences'>;

/** The most levels of partials that refer to partials. */
const MAX_PARTIAL_DEPTH = 16;

const TOO_DEEP_MESSAGE = 'the SpiceDB schema is nested too deeply';

/**
 * @param file names the source in locations
 * @returns the declarations, or why the text can't be read
 */
export function parseDeclarations(
  text: string,
  file: string,
): SchemaDeclarations | { readonly message: string; readonly at: SourceLocation } {
  const tokens = tokenizeSchema(text);
  const odd = findOddSchemaCharacter(tokens) ?? findMappedLiteral(tokens);
  if (odd !== undefined) return { message: odd.message, at: locationAt({ name: file, text }, odd.index) };
  const { schema, error } = parseSyntax(maskForParser(tokens));
  if (schema === undefined) {
    const { line, column } = error?.index ?? { line: 1, column: 1 };
    const message = error === undefined ? TOO_DEEP_MESSAGE : describeParseError(error.expected);
    return { message, at: { file, line, column } };
  }
  const partials = new Map<string, DefinitionBody>();
  const caveats = new Map<string, readonly CaveatParameter[]>();
  const definitions = new Map<string, ObjectDefinition>();
  const places = new Map<string, readonly [number, number]>();
  for (const declaration of schema.definitions) {
    if (declaration.kind === 'partial') partials.set(declaration.name, declaration);
    if (declaration.kind === 'caveatDef')
      caveats.set(
        declaration.name,
        declaration.parameters.map(({ name, type }) => ({ name, type })),
      );
  }
  for (const declaration of schema.definitions) {
    if (declaration.kind !== 'objectDef') continue;
    const { line, column } = declaration.range.startIndex;
    places.set(declaration.name, [line, column]);
    const relations = new Map<string, readonly TypeRef[]>();
    const permissions = new Map<string, ParsedExpression>();
    for (const body of resolvePartials(declaration, partials)) {
      for (const { name, allowedTypes } of body.relations) relations.set(name, allowedTypes.types);
      for (const { name, expr } of body.permissions) permissions.set(name, expr);
      for (const { name, range } of [...body.relations, ...body.permissions])
        places.set(`${declaration.name}#${name}`, [range.startIndex.line, range.startIndex.column]);
    }
    definitions.set(declaration.name, { relations, permissions });
  }
  return { definitions, caveats, places, caveatsMayExpire: hasCaveatedExpiration(tokens) };
}

/** The body and those of the partials that it refers to, however far; a reference too deep, or to itself, ends there. */
function* resolvePartials(
  body: DefinitionBody,
  partials: ReadonlyMap<string, DefinitionBody>,
  depth = 0,
): Generator<DefinitionBody> {
  yield body;
  for (const { name } of body.partialReferences) {
    const partial = partials.get(name);
    if (partial !== undefined && depth < MAX_PARTIAL_DEPTH) yield* resolvePartials(partial, partials, depth + 1);
  }
}

function parseSyntax(text: string): Pick<ReturnType<typeof parse>, 'schema' | 'error'> {
  try {
    return parse(text);
  } catch {
    return { schema: undefined, error: undefined };
  }
}

/** @param expected what the parser could have continued with: a literal such as `':'`, or a pattern, which is left out */
function describeParseError(expected: readonly string[]): string {
  const words = expected.filter((word) => /^'.*'$/.test(word)).map((word) => word.slice(1, -1));
  const hint = words.length === 0 || words.length > 3 ? '' : `: expected ${words.join(' or ')}`;
  return `the SpiceDB schema could not be read${hint}`;
}

/**
 * The text with each caveat's expression replaced by `true`, comments by blanks, and every line break kept: the parser
 * doesn't know all of CEL (`<=` for one), nor comments in every place, and nothing here depends on what either says.
 */
function maskForParser(tokens: readonly SchemaToken[]): string {
  let masked = '';
  let depth = 0;
  let isCaveat = false;
  for (const { kind, text } of tokens) {
    if (kind === 'comment') {
      masked += text.replace(/[^\n]/g, ' ');
      continue;
    }
    if (text === 'caveat' && depth === 0) isCaveat = true;
    if (text === '}') depth -= 1;
    masked += isCaveat && depth > 0 ? text.replace(/[^\n]/g, '') : text;
    if (text === '{') {
      if (isCaveat && depth === 0) masked += ' true ';
      depth += 1;
    }
    if (text === '}' && depth === 0) isCaveat = false;
  }
  return masked;
}

function hasCaveatedExpiration(tokens: readonly SchemaToken[]): boolean {
  const texts = significantTokens(tokens).map(({ text }) => text);
  return texts.some((text, i) => text === 'and' && texts[i + 1] === 'expiration');
}
