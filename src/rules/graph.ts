/**
 * What Remit needs to know of the SpiceDB schema: which definitions have which relations and permissions, which of
 * them depend on time or on a caller's context, and through which relations an arrow may have gone.
 * SpiceDB itself has validated the text before; this reads it with Authzed's own parser.
 */
import { createRequire } from 'node:module';
import type * as ParserModule from '@authzed/spicedb-parser-js';
import type { ParsedExpression, ParsedObjectDefinition, TypeRef } from '@authzed/spicedb-parser-js';
import { ConfigError } from '../model/faults.js';
import type { Relationship } from '../model/relationships.js';
import type { Location } from './findings.js';
import { didYouMean } from './suggest.js';

export type { ParsedExpression as Expression, TypeRef as SubjectType };

// The package's ES module build doesn't load in Node (a named import of a CommonJS module), its CommonJS build does.
const { parse } = createRequire(import.meta.url)('@authzed/spicedb-parser-js') as typeof ParserModule;

interface Definition {
  readonly relations: ReadonlyMap<string, readonly TypeRef[]>;
  readonly permissions: ReadonlyMap<string, ParsedExpression>;
}

export class Graph {
  private readonly volatileMemo = new Map<string, boolean>();
  private readonly caveatMemo = new Map<string, boolean>();
  private readonly expirationMemo = new Map<string, boolean>();
  private readonly unseenMemo = new Map<string, boolean>();
  private readonly parametersMemo = new Map<string, readonly string[]>();

  private constructor(
    readonly text: string,
    /** Names the source in errors. */
    readonly file: string,
    private readonly definitions: ReadonlyMap<string, Definition>,
    /** Caveats and the names of their parameters. */
    private readonly caveats: ReadonlyMap<string, readonly string[]>,
    /** Lines and columns of definitions, and of their members as `definition#member`. */
    private readonly places: ReadonlyMap<string, readonly [number, number]>,
  ) {}

  /** @param file names the source in errors. @throws ConfigError */
  static parse(text: string, file: string): Graph {
    const read = Graph.read(text, file);
    if (read instanceof Graph) return read;
    throw new ConfigError(read.message, `${file}:${read.at.line}:${read.at.column}`);
  }

  /** The graph, or why the text can't be read. */
  static read(text: string, file: string): Graph | { readonly message: string; readonly at: Location } {
    const { schema, error } = readSchema(text);
    if (schema === undefined) {
      const { line, column } = error?.index ?? { line: 1, column: 1 };
      return { message: error === undefined ? TOO_DEEP : messageOf(error.expected), at: { file, line, column } };
    }
    const places = new Map<string, readonly [number, number]>();
    const partials = new Map(schema.definitions.flatMap((d) => (d.kind === 'partial' ? [[d.name, d] as const] : [])));
    const caveats = new Map(
      schema.definitions.flatMap((d) =>
        d.kind === 'caveatDef' ? [[d.name, d.parameters.map((p) => p.name)] as const] : [],
      ),
    );
    const definitions = new Map<string, Definition>();
    for (const definition of schema.definitions) {
      if (definition.kind !== 'objectDef') continue;
      const relations = new Map<string, readonly TypeRef[]>();
      const permissions = new Map<string, ParsedExpression>();
      const add = (
        d: Pick<ParsedObjectDefinition, 'relations' | 'permissions' | 'partialReferences'>,
        depth: number,
      ): void => {
        for (const r of d.relations) relations.set(r.name, r.allowedTypes.types);
        for (const p of d.permissions) permissions.set(p.name, p.expr);
        for (const { name, range } of [...d.relations, ...d.permissions])
          places.set(`${definition.name}#${name}`, [range.startIndex.line, range.startIndex.column]);
        for (const reference of d.partialReferences) {
          const partial = partials.get(reference.name);
          if (partial !== undefined && depth < 16) add(partial, depth + 1);
        }
      };
      const { line, column } = definition.range.startIndex;
      places.set(definition.name, [line, column]);
      add(definition, 0);
      definitions.set(definition.name, { relations, permissions });
    }
    return new Graph(text, file, definitions, caveats, places);
  }

  /** Where a definition is, or a member of it. */
  place(type: string, member?: string): Location {
    const [line, column] = this.places.get(member === undefined ? type : `${type}#${member}`) ?? [1, 1];
    return { file: this.file, line, column };
  }

  definitionNames(): string[] {
    return [...this.definitions.keys()];
  }

  hasDefinition(type: string): boolean {
    return this.definitions.has(type);
  }

  /** Relations and permissions of a definition. */
  memberNames(type: string): string[] {
    const definition = this.definitions.get(type);
    return definition === undefined ? [] : [...definition.relations.keys(), ...definition.permissions.keys()];
  }

  has(type: string, permission: string): boolean {
    const definition = this.definitions.get(type);
    return definition !== undefined && (definition.relations.has(permission) || definition.permissions.has(permission));
  }

  /** The types of subject that a relation takes, without usersets and wildcards. */
  subjectTypes(type: string, relation: string): string[] {
    const types = this.definitions.get(type)?.relations.get(relation) ?? [];
    return [...new Set(types.filter((t) => !t.wildcard && t.relationName === undefined).map((t) => t.path))];
  }

  /** Whether the answer can change without a write: it reaches an expiration or a caveat. */
  isVolatile(type: string, permission: string): boolean {
    return this.reaches(
      type,
      permission,
      this.volatileMemo,
      (t) => t.withCaveat !== undefined || t.withExpiration !== undefined,
    );
  }

  /** Whether the answer can change by an expiration. */
  reachesExpiration(type: string, permission: string): boolean {
    return this.reaches(type, permission, this.expirationMemo, this.expires);
  }

  /**
   * Whether an expiration can take a yes away elsewhere than in what grants it: where something is subtracted from what
   * is subtracted (`a - (b - c)`: a yes ends with c), or where all of what may end is asked for within it.
   */
  endsUnseen(type: string, permission: string): boolean {
    const key = `${type}#${permission}`;
    let known = this.unseenMemo.get(key);
    if (known === undefined) {
      known = false;
      const seen = new Set<string>();
      const open: Signed[] = [{ type, name: permission, adds: true, within: false }];
      for (let at = open.pop(); at !== undefined && !known; at = open.pop()) {
        const state = JSON.stringify(at);
        if (seen.has(state)) continue;
        seen.add(state);
        const types = this.relationTypes(at.type, at.name) ?? [];
        known = at.adds && at.within && types.some(this.expires);
        for (const t of types)
          if (t.relationName !== undefined) open.push({ ...at, type: t.path, name: t.relationName });
        const expression = this.expressionOf(at.type, at.name);
        if (expression !== undefined) open.push(...this.signed(at, expression));
      }
      this.unseenMemo.set(key, known);
    }
    return known;
  }

  /**
   * The parser reads `with expiration` as a caveat of that name, and drops it behind a caveat (`with c and expiration`):
   * where that is anywhere in the text, what has a caveat may expire.
   */
  private readonly expires = ({ withCaveat, withExpiration }: TypeRef): boolean =>
    withExpiration !== undefined ||
    withCaveat?.path === 'expiration' ||
    (withCaveat !== undefined && /\band\s+expiration\b/.test(this.text));

  /** Whether it is a relation to single subjects, so that holding it is one relationship's being there. */
  isDirect(type: string, relation: string): boolean {
    const types = this.relationTypes(type, relation);
    return types?.every((t) => t.relationName === undefined && !t.wildcard && caveatOf(t) === undefined) ?? false;
  }

  /** Why the schema doesn't allow the relationship, in a sentence; undefined where it does. */
  refusal({ resource, relation, subject, wildcard, caveat, expiresAt }: Relationship): string | undefined {
    const definition = this.definitions.get(resource.type);
    if (definition === undefined)
      return `names "${resource.type}", which is no definition${didYouMean(resource.type, this.definitionNames())}`;
    const types = definition.relations.get(relation);
    if (types === undefined) {
      return definition.permissions.has(relation)
        ? `names "${relation}", which is a permission of "${resource.type}": only relations are written`
        : `names "${relation}", which is no relation of "${resource.type}"${didYouMean(relation, definition.relations.keys())}`;
    }
    const alike = types.filter(
      (t) =>
        t.path === subject.type &&
        (t.relationName === '...' ? undefined : t.relationName) === subject.relation &&
        t.wildcard === (wildcard === true),
    );
    const takes = `"${relation}" of "${resource.type}" takes ${types.map(typeText).join(' | ')}`;
    if (alike.length === 0) return `does not fit: ${takes}`;
    if (expiresAt !== undefined && !alike.some(this.expires)) return `has an expiration: ${takes}`;
    if (caveat !== undefined && !alike.some((t) => caveatOf(t) === caveat.name)) return `has a caveat: ${takes}`;
    const complete = alike.some(
      (t) => (caveatOf(t) === undefined || caveat !== undefined) && (!mustExpire(t) || expiresAt !== undefined),
    );
    return complete ? undefined : `lacks what it depends on: ${takes}`;
  }

  /** The types of subject that can hold `type#name` at all, by the schema alone: maybe too many, never too few. */
  holders(type: string, name: string): ReadonlySet<string> {
    const found = new Map<string, Set<string>>();
    const of = (at: string, member: string): Set<string> => {
      const key = `${at}#${member}`;
      const known = found.get(key) ?? new Set<string>();
      found.set(key, known);
      return known;
    };
    of(type, name);
    // Until nothing is added any more; what is met on the way is looked at in the next round.
    for (let before = -1; before !== sizeOf(found);) {
      before = sizeOf(found);
      for (const [key, known] of [...found]) {
        const [at = '', member = ''] = key.split('#');
        for (const t of this.relationTypes(at, member) ?? [])
          for (const subject of t.relationName === undefined || t.relationName === '...'
            ? [t.path]
            : of(t.path, t.relationName))
            known.add(subject);
        const expression = this.expressionOf(at, member);
        if (expression !== undefined) for (const subject of this.holding(at, expression, of)) known.add(subject);
      }
    }
    return of(type, name);
  }

  private holding(type: string, e: ParsedExpression, of: (type: string, name: string) => Set<string>): Set<string> {
    switch (e.kind) {
      case 'nil':
        return new Set();
      case 'relationref':
        return of(type, e.relationName);
      case 'binary': {
        const [left, right] = [this.holding(type, e.left, of), this.holding(type, e.right, of)];
        if (e.operator === 'intersection') return new Set([...left].filter((subject) => right.has(subject)));
        return e.operator === 'exclusion' ? left : new Set([...left, ...right]);
      }
      case 'arrow':
      case 'namedarrow': {
        const types = this.relationTypes(type, e.sourceRelation.relationName) ?? [];
        return new Set(types.flatMap((t) => [...of(t.path, e.targetRelationOrPermission)]));
      }
    }
  }

  /** Permissions of a definition, and not its relations. */
  permissionNames(type: string): string[] {
    return [...(this.definitions.get(type)?.permissions.keys() ?? [])];
  }

  /** Names that any expression or userset mentions, whatever definition they are of. */
  mentioned(): ReadonlySet<string> {
    const names = new Set<string>();
    const walk = (e: ParsedExpression): void => {
      if (e.kind === 'relationref') names.add(e.relationName);
      else if (e.kind === 'binary') [e.left, e.right].forEach(walk);
      else if (e.kind !== 'nil') names.add(e.sourceRelation.relationName).add(e.targetRelationOrPermission);
    };
    for (const { relations, permissions } of this.definitions.values()) {
      for (const t of [...relations.values()].flat()) if (t.relationName !== undefined) names.add(t.relationName);
      permissions.forEach(walk);
    }
    return names;
  }

  /** What a relation takes as subjects; undefined where it is none. */
  relationTypes(type: string, relation: string): readonly TypeRef[] | undefined {
    return this.definitions.get(type)?.relations.get(relation);
  }

  /** What a permission is made of; undefined where it is none. */
  expressionOf(type: string, permission: string): ParsedExpression | undefined {
    return this.definitions.get(type)?.permissions.get(permission);
  }

  /** Whether holding `type#relation` can come of a userset `of#…`, over any number of usersets. */
  reachesUserset(type: string, relation: string, of: string): boolean {
    return this.reaches(type, relation, new Map(), (t) => t.path === of && t.relationName !== undefined);
  }

  /** Whether the answer can depend on a request's context. */
  reachesCaveat(type: string, permission: string): boolean {
    return this.reaches(type, permission, this.caveatMemo, (t) => caveatOf(t) !== undefined);
  }

  /** The members of a request's context that caveats within reach can ask for. */
  caveatParameters(type: string, permission: string): readonly string[] {
    const key = `${type}#${permission}`;
    let known = this.parametersMemo.get(key);
    if (known === undefined) {
      const found = new Set<string>();
      this.reaches(type, permission, new Map(), (t) => {
        for (const parameter of this.caveats.get(caveatOf(t) ?? '') ?? []) found.add(parameter);
        return false; // Look at all of them.
      });
      known = [...found];
      this.parametersMemo.set(key, known);
    }
    return known;
  }

  /** Whether holding the permission can take more than one relationship at once: it has an intersection. */
  needsAll(type: string, permission: string): boolean {
    const walk = (e: ParsedExpression): boolean =>
      (e.kind === 'binary' && (e.operator === 'intersection' || walk(e.left) || walk(e.right))) ||
      (e.kind === 'namedarrow' && e.functionName === 'all');
    const expression = this.definitions.get(type)?.permissions.get(permission);
    return expression !== undefined && walk(expression);
  }

  /** The relations of `type` through which an arrow within `permission` may lead to `target` of another object. */
  arrowRelations(type: string, permission: string, target: string): string[] {
    const found = new Set<string>();
    const walk = (expression: ParsedExpression): void => {
      if (expression.kind === 'binary') {
        walk(expression.left);
        walk(expression.right);
      } else if (expression.kind === 'arrow' || expression.kind === 'namedarrow') {
        if (expression.targetRelationOrPermission === target) found.add(expression.sourceRelation.relationName);
      }
    };
    const definition = this.definitions.get(type);
    const own = definition?.permissions.get(permission);
    if (own !== undefined) walk(own);
    // SpiceDB inlines aliases (`permission a = b`), so the arrow may stand in another permission of the definition.
    if (found.size === 0) definition?.permissions.forEach(walk);
    return [...found];
  }

  /** Whether any relation that `type#name` can lead to satisfies `wanted`; by reachability, so cycles do no harm. */
  private reaches(type: string, name: string, memo: Map<string, boolean>, wanted: (type: TypeRef) => boolean): boolean {
    const key = `${type}#${name}`;
    const known = memo.get(key);
    if (known !== undefined) return known;
    const seen = new Set<string>();
    const open: (readonly [string, string])[] = [[type, name]];
    let found = false;
    for (let at = open.pop(); at !== undefined && !found; at = open.pop()) {
      if (seen.has(at.join('#'))) continue;
      seen.add(at.join('#'));
      const definition = this.definitions.get(at[0]);
      const types = definition?.relations.get(at[1]) ?? [];
      found = types.filter(wanted).length > 0; // All are looked at, for whoever collects.
      for (const t of types) if (t.relationName !== undefined) open.push([t.path, t.relationName]);
      const expression = definition?.permissions.get(at[1]);
      if (expression !== undefined) open.push(...this.steps(at[0], expression));
    }
    memo.set(key, found);
    return found;
  }

  /** The members that an expression reads, each with whether it adds to a yes or takes from it. */
  private signed(at: Signed, e: ParsedExpression): Signed[] {
    switch (e.kind) {
      case 'nil':
        return [];
      case 'relationref':
        return [{ ...at, name: e.relationName }];
      case 'binary': {
        const right = e.operator === 'exclusion' ? { ...at, adds: !at.adds, within: true } : at;
        return [...this.signed(at, e.left), ...this.signed(right, e.right)];
      }
      case 'arrow':
      case 'namedarrow': {
        const source = { ...at, name: e.sourceRelation.relationName };
        const types = this.relationTypes(at.type, source.name) ?? [];
        // Of `all`, one that ends is one less to hold.
        const less = e.kind === 'namedarrow' && e.functionName === 'all';
        return [
          source,
          ...(less ? [{ ...source, adds: !at.adds, within: true }] : []),
          ...types.map((t) => ({ ...at, type: t.path, name: e.targetRelationOrPermission })),
        ];
      }
    }
  }

  /** The members that an expression reads, on its own definition and across arrows. */
  private steps(type: string, e: ParsedExpression): (readonly [string, string])[] {
    switch (e.kind) {
      case 'nil':
        return [];
      case 'relationref':
        return [[type, e.relationName]];
      case 'binary':
        return [...this.steps(type, e.left), ...this.steps(type, e.right)];
      case 'arrow':
      case 'namedarrow': {
        const source = e.sourceRelation.relationName;
        const types = this.definitions.get(type)?.relations.get(source) ?? [];
        return [[type, source], ...types.map((t) => [t.path, e.targetRelationOrPermission] as const)];
      }
    }
  }
}

interface Signed {
  readonly type: string;
  readonly name: string;
  /** More of it can only add to a yes; otherwise it can only take from it. */
  readonly adds: boolean;
  /** Within what is subtracted. */
  readonly within: boolean;
}

function sizeOf(sets: ReadonlyMap<string, ReadonlySet<string>>): number {
  return [...sets.values()].reduce((sum, set) => sum + set.size, sets.size);
}

/** Without one of a caveat's: the parser reads `with expiration` as a caveat of that name. */
function mustExpire({ withCaveat, withExpiration }: TypeRef): boolean {
  return withExpiration !== undefined || withCaveat?.path === 'expiration';
}

/** A type of subject as a schema writes it. */
function typeText(t: TypeRef): string {
  const relation = t.relationName === undefined ? '' : `#${t.relationName}`;
  const caveat = t.withCaveat === undefined ? '' : ` with ${t.withCaveat.path}`;
  const expiration = t.withExpiration === undefined ? '' : ' with expiration';
  return `${t.path}${t.wildcard ? ':*' : ''}${relation}${caveat}${expiration}`;
}

/** The caveat of a type of subject; the parser reads `with expiration` as a caveat of that name. */
function caveatOf(type: TypeRef): string | undefined {
  const path = type.withCaveat?.path;
  return path === 'expiration' ? undefined : path;
}

const TOO_DEEP = 'the SpiceDB schema is nested too deeply';

function readSchema(text: string): Pick<ReturnType<typeof parse>, 'schema' | 'error'> {
  try {
    return parse(maskCaveats(text));
  } catch {
    return { schema: undefined, error: undefined };
  }
}

/** @param expected what the parser would have gone on with: `':'`, or a pattern, which like a dozen words tells nothing */
function messageOf(expected: readonly string[]): string {
  const words = expected.filter((word) => /^'.*'$/.test(word)).map((word) => word.slice(1, -1));
  return `the SpiceDB schema could not be read${words.length === 0 || words.length > 3 ? '' : `: expected ${words.join(' or ')}`}`;
}

/**
 * The text with each caveat's expression replaced by `true`, everything else at its place: the parser doesn't know
 * all of CEL (`<=` for one), and nothing here depends on what a caveat says.
 */
function maskCaveats(text: string): string {
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
