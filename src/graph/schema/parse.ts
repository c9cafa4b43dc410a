/** Reading a SpiceDB schema: its definitions, relations and permissions, by Authzed's own parser. */
import { createRequire } from 'node:module';
import type * as ParserModule from '@authzed/spicedb-parser-js';
import type { ParsedExpression, ParsedObjectDefinition, TypeRef } from '@authzed/spicedb-parser-js';
import type { SourceLocation } from '../../diagnostics/diagnostics.js';

// The package's ES module build doesn't load in Node (a named import of a CommonJS module), its CommonJS build does.
const { parse } = createRequire(import.meta.url)('@authzed/spicedb-parser-js') as typeof ParserModule;

export interface ObjectDefinition {
  readonly relations: ReadonlyMap<string, readonly TypeRef[]>;
  readonly permissions: ReadonlyMap<string, ParsedExpression>;
}

/** What a schema says, as far as Remit needs to know. */
export interface SchemaDeclarations {
  readonly definitions: ReadonlyMap<string, ObjectDefinition>;
  /** Caveats and the names of their parameters. */
  readonly caveats: ReadonlyMap<string, readonly string[]>;
  /** Lines and columns of definitions, and of their members as `definition#member`. */
  readonly places: ReadonlyMap<string, readonly [number, number]>;
}

/** How deep partials may refer to partials. */
const MAX_PARTIAL_DEPTH = 16;

/** What the text defines, or why it can't be read. @param file names the source */
export function parseDeclarations(
  text: string,
  file: string,
): SchemaDeclarations | { readonly message: string; readonly at: SourceLocation } {
  const { schema, error } = parseSyntax(text);
  if (schema === undefined) {
    const { line, column } = error?.index ?? { line: 1, column: 1 };
    return {
      message: error === undefined ? TOO_DEEP_MESSAGE : describeParseError(error.expected),
      at: { file, line, column },
    };
  }
  const places = new Map<string, readonly [number, number]>();
  const partials = new Map(schema.definitions.flatMap((d) => (d.kind === 'partial' ? [[d.name, d] as const] : [])));
  const caveats = new Map(
    schema.definitions.flatMap((d) =>
      d.kind === 'caveatDef' ? [[d.name, d.parameters.map((p) => p.name)] as const] : [],
    ),
  );
  const definitions = new Map<string, ObjectDefinition>();
  for (const definition of schema.definitions) {
    if (definition.kind !== 'objectDef') continue;
    const relations = new Map<string, readonly TypeRef[]>();
    const permissions = new Map<string, ParsedExpression>();
    const addMembers = (
      body: Pick<ParsedObjectDefinition, 'relations' | 'permissions' | 'partialReferences'>,
      depth: number,
    ): void => {
      for (const r of body.relations) relations.set(r.name, r.allowedTypes.types);
      for (const p of body.permissions) permissions.set(p.name, p.expr);
      for (const { name, range } of [...body.relations, ...body.permissions])
        places.set(`${definition.name}#${name}`, [range.startIndex.line, range.startIndex.column]);
      for (const reference of body.partialReferences) {
        const partial = partials.get(reference.name);
        if (partial !== undefined && depth < MAX_PARTIAL_DEPTH) addMembers(partial, depth + 1);
      }
    };
    const { line, column } = definition.range.startIndex;
    places.set(definition.name, [line, column]);
    addMembers(definition, 0);
    definitions.set(definition.name, { relations, permissions });
  }
  return { definitions, caveats, places };
}

const TOO_DEEP_MESSAGE = 'the SpiceDB schema is nested too deeply';

function parseSyntax(text: string): Pick<ReturnType<typeof parse>, 'schema' | 'error'> {
  try {
    return parse(maskCaveatBodies(text));
  } catch {
    return { schema: undefined, error: undefined };
  }
}

/** @param expected what the parser would have gone on with: `':'`, or a pattern, which like a dozen words tells nothing */
function describeParseError(expected: readonly string[]): string {
  const words = expected.filter((word) => /^'.*'$/.test(word)).map((word) => word.slice(1, -1));
  return `the SpiceDB schema could not be read${words.length === 0 || words.length > 3 ? '' : `: expected ${words.join(' or ')}`}`;
}

/**
 * The text with each caveat's expression replaced by `true`, everything else at its place: the parser doesn't know
 * all of CEL (`<=` for one), and nothing here depends on what a caveat says.
 */
function maskCaveatBodies(text: string): string {
  const tokens = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\bcaveat\b|[{}]/g;
  let out = '';
  let from = 0;
  let depth = 0;
  let bodyAt: number | undefined;
  let pending = false;
  for (const match of text.matchAll(tokens)) {
    const token = match[0];
    if (token === 'caveat' && depth === 0) pending = true;
    if (token === '{') {
      depth += 1;
      if (pending && depth === 1) bodyAt = match.index + 1;
    }
    if (token === '}') {
      depth -= 1;
      if (depth === 0 && bodyAt !== undefined) {
        const body = text.slice(bodyAt, match.index);
        out += `${text.slice(from, bodyAt)} true ${body.replace(/[^\n]/g, '')}`;
        from = match.index;
        bodyAt = undefined;
        pending = false;
      }
    }
  }
  return out + text.slice(from);
}
