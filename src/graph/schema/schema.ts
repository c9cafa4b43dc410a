/**
 * The SpiceDB schema as Remit uses it: which definitions have which relations and permissions, what these are made of,
 * and what they reach. SpiceDB itself validates the text; policies, lints and both engines read it from here.
 */
import type { ParsedExpression, TypeRef } from '@authzed/spicedb-parser-js';
import { ConfigError } from '../../model/faults.js';
import type { SourceLocation } from '../../diagnostics/diagnostics.js';
import type { SourceFile } from '../../diagnostics/source.js';
import type { CaveatParameter } from './caveat-value-types.js';
import { Reachability } from './reachability.js';
import { parseDeclarations, type SchemaDeclarations } from './parse.js';
import { caveatName } from './subject-types.js';

export type { ParsedExpression as Expression, TypeRef as SubjectType };

export class GraphSchema {
  readonly reachability: Reachability;

  private constructor(
    readonly text: string,
    /** Names the source in errors. */
    readonly file: string,
    private readonly declarations: SchemaDeclarations,
  ) {
    this.reachability = new Reachability(declarations);
  }

  /** @param file names the source in errors. @throws ConfigError */
  static parse(text: string, file: string): GraphSchema {
    const parsed = GraphSchema.tryParse(text, file);
    if (parsed instanceof GraphSchema) return parsed;
    throw new ConfigError(parsed.message, { file, line: parsed.at.line, column: parsed.at.column });
  }

  /** @returns the schema, or why the text can't be read */
  static tryParse(text: string, file: string): GraphSchema | { readonly message: string; readonly at: SourceLocation } {
    const declarations = parseDeclarations(text, file);
    return 'message' in declarations ? declarations : new GraphSchema(text, file, declarations);
  }

  /** The text with the name of its file, for what finds places in it. */
  get source(): SourceFile {
    return { name: this.file, text: this.text };
  }

  /** The location of a definition, or of a member of it; the file's first line where there is none. */
  place(type: string, member?: string): SourceLocation {
    const [line, column] = this.declarations.places.get(member === undefined ? type : `${type}#${member}`) ?? [1, 1];
    return { file: this.file, line, column };
  }

  /** Whether a subject type with a caveat may have an expiration, too. */
  get caveatsMayExpire(): boolean {
    return this.declarations.caveatsMayExpire;
  }

  /** The parameters that a caveat declares; none where there is no such caveat. */
  caveatParametersOf(caveat: string): readonly CaveatParameter[] {
    return this.declarations.caveats.get(caveat) ?? [];
  }

  definitionNames(): string[] {
    return [...this.declarations.definitions.keys()];
  }

  hasDefinition(type: string): boolean {
    return this.declarations.definitions.has(type);
  }

  /** The relations and permissions of a definition. */
  memberNames(type: string): string[] {
    const definition = this.declarations.definitions.get(type);
    return definition === undefined ? [] : [...definition.relations.keys(), ...definition.permissions.keys()];
  }

  hasMember(type: string, permission: string): boolean {
    const definition = this.declarations.definitions.get(type);
    return definition !== undefined && (definition.relations.has(permission) || definition.permissions.has(permission));
  }

  /** The subject types that a relation allows, without usersets and wildcards. */
  subjectTypes(type: string, relation: string): string[] {
    const types = this.declarations.definitions.get(type)?.relations.get(relation) ?? [];
    return [...new Set(types.filter((t) => !t.wildcard && t.relationName === undefined).map((t) => t.path))];
  }

  /** Whether it is a relation to single subjects, so that a subject holds it by one relationship or not at all. */
  isDirectRelation(type: string, relation: string): boolean {
    const types = this.relationTypes(type, relation);
    return types?.every((t) => t.relationName === undefined && !t.wildcard && caveatName(t) === undefined) ?? false;
  }

  /** The relations of a definition, without its permissions. */
  relationNames(type: string): string[] {
    return [...(this.declarations.definitions.get(type)?.relations.keys() ?? [])];
  }

  /** The permissions of a definition, without its relations. */
  permissionNames(type: string): string[] {
    return [...(this.declarations.definitions.get(type)?.permissions.keys() ?? [])];
  }

  /** The names that any expression or userset mentions, on whatever definition. */
  mentionedNames(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { relations, permissions } of this.declarations.definitions.values()) {
      for (const types of relations.values())
        for (const { relationName } of types) if (relationName !== undefined) names.add(relationName);
      for (const permission of permissions.values())
        for (const part of expressionParts(permission)) {
          if (part.kind === 'relationref') names.add(part.relationName);
          if (part.kind === 'arrow' || part.kind === 'namedarrow')
            names.add(part.sourceRelation.relationName).add(part.targetRelationOrPermission);
        }
    }
    return names;
  }

  /** The subject types that a relation allows; undefined where it is none. */
  relationTypes(type: string, relation: string): readonly TypeRef[] | undefined {
    return this.declarations.definitions.get(type)?.relations.get(relation);
  }

  /** Whether a relationship of the relation to a subject of that type may have a caveat. */
  mayHaveCaveat(type: string, relation: string, subjectType: string): boolean {
    const types = this.relationTypes(type, relation) ?? [];
    return types.some((reference) => reference.path === subjectType && caveatName(reference) !== undefined);
  }

  /** The expression of a permission; undefined where it is none. */
  permissionExpression(type: string, permission: string): ParsedExpression | undefined {
    return this.declarations.definitions.get(type)?.permissions.get(permission);
  }

  /** Whether the permission can take more than one relationship at once: it has an intersection, or an `all`. */
  hasIntersection(type: string, permission: string): boolean {
    const expression = this.permissionExpression(type, permission);
    if (expression === undefined) return false;
    return [...expressionParts(expression)].some(
      (part) => (part.kind === 'binary' && part.operator === 'intersection') || isAllArrow(part),
    );
  }

  /** Whether any permission has an arrow such as `parent.all(view)`. */
  hasAllArrows(): boolean {
    return [...this.declarations.definitions.values()].some(({ permissions }) =>
      [...permissions.values()].some((permission) => [...expressionParts(permission)].some(isAllArrow)),
    );
  }

  /** Whether an arrow leads from the relation to other objects, so that more depends on it than who its subjects are. */
  isArrowSource(type: string, relation: string): boolean {
    const { permissions } = this.declarations.definitions.get(type) ?? {};
    return [...(permissions?.values() ?? [])].some((permission) =>
      [...expressionParts(permission)].some(
        (part) =>
          (part.kind === 'arrow' || part.kind === 'namedarrow') && part.sourceRelation.relationName === relation,
      ),
    );
  }

  /**
   * The relations of `type` through which an arrow within `permission` may lead to `target` of an object of `targetType`.
   * SpiceDB inlines aliases (`permission a = b`): the arrow may stand in another permission of the definition, and lead
   * to an alias of the target.
   */
  arrowRelations(type: string, permission: string, targetType: string, target: string): string[] {
    const permissions = this.declarations.definitions.get(type)?.permissions;
    const member = this.resolveAlias(targetType, target);
    const findSources = (expression: ParsedExpression): string[] =>
      [...expressionParts(expression)].flatMap((part) =>
        (part.kind === 'arrow' || part.kind === 'namedarrow') &&
        this.relationTypes(type, part.sourceRelation.relationName)?.some(({ path }) => path === targetType) === true &&
        this.resolveAlias(targetType, part.targetRelationOrPermission) === member
          ? [part.sourceRelation.relationName]
          : [],
      );
    const expression = permissions?.get(permission);
    const relations = new Set(expression === undefined ? [] : findSources(expression));
    return relations.size > 0 ? [...relations] : [...new Set([...(permissions?.values() ?? [])].flatMap(findSources))];
  }

  /** The member that an alias stands for, over any number of aliases; any other member is its own. */
  private resolveAlias(type: string, member: string): string {
    const visited = new Set<string>();
    let resolved = member;
    for (
      let expression = this.permissionExpression(type, resolved);
      expression?.kind === 'relationref' && !visited.has(resolved);
      expression = this.permissionExpression(type, resolved)
    ) {
      visited.add(resolved);
      resolved = expression.relationName;
    }
    return resolved;
  }
}

/** The expression and every operand within it. */
function* expressionParts(expression: ParsedExpression): Generator<ParsedExpression> {
  yield expression;
  if (expression.kind !== 'binary') return;
  yield* expressionParts(expression.left);
  yield* expressionParts(expression.right);
}

/** Whether it is an arrow such as `parent.all(view)`. */
export function isAllArrow(expression: ParsedExpression): boolean {
  return expression.kind === 'namedarrow' && expression.functionName === 'all';
}
