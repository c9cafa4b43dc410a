/**
 * What Remit needs to know of the SpiceDB schema: which definitions have which relations and permissions, what these
 * are made of, and what they reach. SpiceDB itself has validated the text before.
 */
import type { ParsedExpression, TypeRef } from '@authzed/spicedb-parser-js';
import { ConfigError } from '../../model/faults.js';
import type { SourceLocation } from '../../diagnostics/diagnostics.js';
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
    this.reachability = new Reachability(declarations, text);
  }

  /** @param file names the source in errors. @throws ConfigError */
  static parse(text: string, file: string): GraphSchema {
    const parsed = GraphSchema.tryParse(text, file);
    if (parsed instanceof GraphSchema) return parsed;
    throw new ConfigError(parsed.message, `${file}:${parsed.at.line}:${parsed.at.column}`);
  }

  /** The graph, or why the text can't be read. */
  static tryParse(text: string, file: string): GraphSchema | { readonly message: string; readonly at: SourceLocation } {
    const declarations = parseDeclarations(text, file);
    return 'message' in declarations ? declarations : new GraphSchema(text, file, declarations);
  }

  /** Where a definition is, or a member of it. */
  place(type: string, member?: string): SourceLocation {
    const [line, column] = this.declarations.places.get(member === undefined ? type : `${type}#${member}`) ?? [1, 1];
    return { file: this.file, line, column };
  }

  definitionNames(): string[] {
    return [...this.declarations.definitions.keys()];
  }

  hasDefinition(type: string): boolean {
    return this.declarations.definitions.has(type);
  }

  /** Relations and permissions of a definition. */
  memberNames(type: string): string[] {
    const definition = this.declarations.definitions.get(type);
    return definition === undefined ? [] : [...definition.relations.keys(), ...definition.permissions.keys()];
  }

  hasMember(type: string, permission: string): boolean {
    const definition = this.declarations.definitions.get(type);
    return definition !== undefined && (definition.relations.has(permission) || definition.permissions.has(permission));
  }

  /** The types of subject that a relation takes, without usersets and wildcards. */
  subjectTypes(type: string, relation: string): string[] {
    const types = this.declarations.definitions.get(type)?.relations.get(relation) ?? [];
    return [...new Set(types.filter((t) => !t.wildcard && t.relationName === undefined).map((t) => t.path))];
  }

  /** Whether it is a relation to single subjects, so that holding it is one relationship's being there. */
  isDirectRelation(type: string, relation: string): boolean {
    const types = this.relationTypes(type, relation);
    return types?.every((t) => t.relationName === undefined && !t.wildcard && caveatName(t) === undefined) ?? false;
  }

  /** Relations of a definition, and not its permissions. */
  relationNames(type: string): string[] {
    return [...(this.declarations.definitions.get(type)?.relations.keys() ?? [])];
  }

  /** Permissions of a definition, and not its relations. */
  permissionNames(type: string): string[] {
    return [...(this.declarations.definitions.get(type)?.permissions.keys() ?? [])];
  }

  /** Names that any expression or userset mentions, whatever definition they are of. */
  mentionedNames(): ReadonlySet<string> {
    const names = new Set<string>();
    const walk = (e: ParsedExpression): void => {
      if (e.kind === 'relationref') names.add(e.relationName);
      else if (e.kind === 'binary') [e.left, e.right].forEach(walk);
      else if (e.kind !== 'nil') names.add(e.sourceRelation.relationName).add(e.targetRelationOrPermission);
    };
    for (const { relations, permissions } of this.declarations.definitions.values()) {
      for (const t of [...relations.values()].flat()) if (t.relationName !== undefined) names.add(t.relationName);
      permissions.forEach(walk);
    }
    return names;
  }

  /** What a relation takes as subjects; undefined where it is none. */
  relationTypes(type: string, relation: string): readonly TypeRef[] | undefined {
    return this.declarations.definitions.get(type)?.relations.get(relation);
  }

  /** What a permission is made of; undefined where it is none. */
  permissionExpression(type: string, permission: string): ParsedExpression | undefined {
    return this.declarations.definitions.get(type)?.permissions.get(permission);
  }

  /** Whether holding the permission can take more than one relationship at once: it has an intersection. */
  hasIntersection(type: string, permission: string): boolean {
    const walk = (e: ParsedExpression): boolean =>
      (e.kind === 'binary' && (e.operator === 'intersection' || walk(e.left) || walk(e.right))) ||
      (e.kind === 'namedarrow' && e.functionName === 'all');
    const expression = this.declarations.definitions.get(type)?.permissions.get(permission);
    return expression !== undefined && walk(expression);
  }

  /** The relations of `type` through which an arrow within `permission` may lead to `target` of another object. */
  arrowRelations(type: string, permission: string, target: string): string[] {
    const relations = new Set<string>();
    const walk = (expression: ParsedExpression): void => {
      if (expression.kind === 'binary') {
        walk(expression.left);
        walk(expression.right);
      } else if (expression.kind === 'arrow' || expression.kind === 'namedarrow') {
        if (expression.targetRelationOrPermission === target) relations.add(expression.sourceRelation.relationName);
      }
    };
    const definition = this.declarations.definitions.get(type);
    const expression = definition?.permissions.get(permission);
    if (expression !== undefined) walk(expression);
    // SpiceDB inlines aliases (`permission a = b`), so the arrow may stand in another permission of the definition.
    if (relations.size === 0) definition?.permissions.forEach(walk);
    return [...relations];
  }
}
