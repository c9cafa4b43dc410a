/**
 * Finds what a permission reaches by the schema alone: the relations that its answer may come through, and the caveats
 * and expirations by which it can change without a write. Caches and proofs depend on it.
 */
import type { ParsedExpression, TypeRef } from '@authzed/spicedb-parser-js';
import type { CaveatType } from './caveat-value-types.js';
import type { SchemaDeclarations } from './parse.js';
import { caveatName, allowsExpiration } from './subject-types.js';

export class Reachability {
  private readonly volatileCache = new Map<string, boolean>();
  private readonly caveatCache = new Map<string, boolean>();
  private readonly expirationCache = new Map<string, boolean>();
  private readonly hiddenExpirationCache = new Map<string, boolean>();
  private readonly gainingExpirationCache = new Map<string, boolean>();
  private readonly parameterCache = new Map<string, ReadonlyMap<string, readonly CaveatType[]>>();

  constructor(
    private readonly declarations: Pick<SchemaDeclarations, 'definitions' | 'caveats' | 'caveatsMayExpire'>,
  ) {}

  /** Whether the answer can change without a write: it reaches an expiration or a caveat. */
  isVolatile(type: string, permission: string): boolean {
    return this.reachesRelation(
      type,
      permission,
      this.volatileCache,
      (t) => t.withCaveat !== undefined || t.withExpiration !== undefined,
    );
  }

  /** Whether an expiration can change the answer. */
  reachesExpiration(type: string, permission: string): boolean {
    return this.reachesRelation(type, permission, this.expirationCache, this.isExpiring);
  }

  /**
   * Whether an expiration can end a yes elsewhere than in the relationships that grant it: where something is subtracted
   * from what is subtracted (`a - (b - c)`: a yes ends with c), or where an `all` over what may expire stands within it.
   */
  hasHiddenExpiration(type: string, permission: string): boolean {
    return this.hasSignedExpiration(type, permission, this.hiddenExpirationCache, (m) => m.adds && m.subtracted);
  }

  /** Whether a no can become a yes without a write: where what is subtracted, or what an `all` asks for, may expire. */
  canGainByExpiration(type: string, permission: string): boolean {
    return this.hasSignedExpiration(type, permission, this.gainingExpirationCache, (m) => !m.adds);
  }

  /** Whether a relation that may expire stands below the permission with a sign that matches. */
  private hasSignedExpiration(
    type: string,
    permission: string,
    cache: Map<string, boolean>,
    matches: (member: SignedMember) => boolean,
  ): boolean {
    const key = `${type}#${permission}`;
    let reachable = cache.get(key);
    if (reachable === undefined) {
      reachable = false;
      const visited = new Set<string>();
      const pending: SignedMember[] = [{ type, name: permission, adds: true, subtracted: false }];
      for (let member = pending.pop(); member !== undefined && !reachable; member = pending.pop()) {
        const state = JSON.stringify(member);
        if (visited.has(state)) continue;
        visited.add(state);
        const types = this.relationTypes(member.type, member.name) ?? [];
        reachable = matches(member) && types.some(this.isExpiring);
        for (const t of types)
          if (t.relationName !== undefined) pending.push({ ...member, type: t.path, name: t.relationName });
        const expression = this.expressionOf(member.type, member.name);
        if (expression !== undefined) pending.push(...this.signedMembers(member, expression));
      }
      cache.set(key, reachable);
    }
    return reachable;
  }

  /** Whether `type#relation` can be held through a userset of `usersetType`, over any number of usersets. */
  reachesUserset(type: string, relation: string, usersetType: string): boolean {
    return this.reachesRelation(
      type,
      relation,
      new Map(),
      (t) => t.path === usersetType && t.relationName !== undefined,
    );
  }

  /** Whether the answer can depend on a request's context. */
  reachesCaveat(type: string, permission: string): boolean {
    return this.reachesRelation(type, permission, this.caveatCache, (t) => caveatName(t) !== undefined);
  }

  /** The parameters of caveats within reach, with their types: the members of a request's context that they can ask for. */
  caveatParameters(type: string, permission: string): ReadonlyMap<string, readonly CaveatType[]> {
    const key = `${type}#${permission}`;
    let parameters = this.parameterCache.get(key);
    if (parameters === undefined) {
      const types = new Map<string, Set<CaveatType>>();
      this.reachesRelation(type, permission, new Map(), (t) => {
        for (const parameter of this.declarations.caveats.get(caveatName(t) ?? '') ?? [])
          types.set(parameter.name, (types.get(parameter.name) ?? new Set()).add(parameter.type));
        return false; // Every type is looked at.
      });
      parameters = new Map([...types].map(([name, ofName]) => [name, [...ofName]]));
      this.parameterCache.set(key, parameters);
    }
    return parameters;
  }

  /** The subject types that can hold `type#member` at all: maybe too many, never too few. */
  holderTypes(type: string, member: string): ReadonlySet<string> {
    const typesByMember = new Map<string, Set<string>>();
    const typesOf = (memberType: string, member: string): Set<string> => {
      const key = `${memberType}#${member}`;
      const types = typesByMember.get(key) ?? new Set<string>();
      typesByMember.set(key, types);
      return types;
    };
    typesOf(type, member);
    // Repeats until nothing is added: a member that is met on the way is looked at in the next round.
    for (let previousSize = -1; previousSize !== totalSize(typesByMember);) {
      previousSize = totalSize(typesByMember);
      for (const [key, types] of [...typesByMember]) {
        const [memberType = '', member = ''] = key.split('#');
        for (const t of this.relationTypes(memberType, member) ?? [])
          for (const subject of t.relationName === undefined || t.relationName === '...'
            ? [t.path]
            : typesOf(t.path, t.relationName))
            types.add(subject);
        const expression = this.expressionOf(memberType, member);
        if (expression !== undefined)
          for (const subject of this.expressionHolderTypes(memberType, expression, typesOf)) types.add(subject);
      }
    }
    return typesOf(type, member);
  }

  private expressionHolderTypes(
    type: string,
    expression: ParsedExpression,
    typesOf: (type: string, name: string) => Set<string>,
  ): Set<string> {
    switch (expression.kind) {
      case 'nil':
        return new Set();
      case 'relationref':
        return typesOf(type, expression.relationName);
      case 'binary': {
        const [leftTypes, rightTypes] = [
          this.expressionHolderTypes(type, expression.left, typesOf),
          this.expressionHolderTypes(type, expression.right, typesOf),
        ];
        if (expression.operator === 'intersection')
          return new Set([...leftTypes].filter((subject) => rightTypes.has(subject)));
        return expression.operator === 'exclusion' ? leftTypes : new Set([...leftTypes, ...rightTypes]);
      }
      case 'arrow':
      case 'namedarrow': {
        const types = this.relationTypes(type, expression.sourceRelation.relationName) ?? [];
        return new Set(types.flatMap((t) => [...typesOf(t.path, expression.targetRelationOrPermission)]));
      }
    }
  }

  /** The relations, as `type#relation`, whose relationships an answer of the member can depend on. */
  reachableRelations(type: string, member: string): ReadonlySet<string> {
    const relations = new Set<string>();
    for (const [memberType, name] of this.reachableMembers(type, member))
      if (this.relationTypes(memberType, name) !== undefined) relations.add(`${memberType}#${name}`);
    return relations;
  }

  /** Whether one relationship of the relation gives the member, whatever else is written: over unions and aliases alone. */
  isGivenBy(type: string, member: string, relation: string, visited: ReadonlySet<string> = new Set()): boolean {
    if (this.relationTypes(type, member) !== undefined) return member === relation;
    const expression = visited.has(member) ? undefined : this.expressionOf(type, member);
    const isGiven = (part: ParsedExpression): boolean => {
      if (part.kind === 'relationref')
        return this.isGivenBy(type, part.relationName, relation, new Set([...visited, member]));
      return part.kind === 'binary' && part.operator === 'union' && (isGiven(part.left) || isGiven(part.right));
    };
    return expression !== undefined && isGiven(expression);
  }

  /** Whether an answer of `type#member` can depend on `otherType#otherMember`; a member reaches itself. */
  reachesMember(type: string, member: string, otherType: string, otherMember: string): boolean {
    for (const [memberType, name] of this.reachableMembers(type, member))
      if (memberType === otherType && name === otherMember) return true;
    return false;
  }

  /** Whether any relation that `type#name` can lead to has a matching subject type. */
  private reachesRelation(
    type: string,
    name: string,
    cache: Map<string, boolean>,
    matches: (type: TypeRef) => boolean,
  ): boolean {
    const key = `${type}#${name}`;
    const cached = cache.get(key);
    if (cached !== undefined) return cached;
    let reached = false;
    for (const [memberType, member] of this.reachableMembers(type, name)) {
      const types = this.relationTypes(memberType, member) ?? [];
      reached = types.filter(matches).length > 0; // Every type is passed to `matches`, which may collect them.
      if (reached) break;
    }
    cache.set(key, reached);
    return reached;
  }

  /** The members that `type#name` can lead to, itself first. Each is visited once, cycles too. */
  private *reachableMembers(type: string, name: string): Generator<readonly [string, string]> {
    const visited = new Set<string>();
    const pending: (readonly [string, string])[] = [[type, name]];
    for (let member = pending.pop(); member !== undefined; member = pending.pop()) {
      if (visited.has(member.join('#'))) continue;
      visited.add(member.join('#'));
      yield member;
      for (const t of this.relationTypes(...member) ?? [])
        if (t.relationName !== undefined) pending.push([t.path, t.relationName]);
      const expression = this.expressionOf(...member);
      if (expression !== undefined) pending.push(...this.referencedMembers(member[0], expression));
    }
  }

  /** The members that an expression reads, each with whether it can add to a yes or take from it. */
  private signedMembers(member: SignedMember, expression: ParsedExpression): SignedMember[] {
    switch (expression.kind) {
      case 'nil':
        return [];
      case 'relationref':
        return [{ ...member, name: expression.relationName }];
      case 'binary': {
        const right =
          expression.operator === 'exclusion' ? { ...member, adds: !member.adds, subtracted: true } : member;
        return [...this.signedMembers(member, expression.left), ...this.signedMembers(right, expression.right)];
      }
      case 'arrow':
      case 'namedarrow': {
        const source = { ...member, name: expression.sourceRelation.relationName };
        const types = this.relationTypes(member.type, source.name) ?? [];
        // One that expires is one less that an `all` asks for.
        const requiresAll = expression.kind === 'namedarrow' && expression.functionName === 'all';
        return [
          source,
          ...(requiresAll ? [{ ...source, adds: !member.adds, subtracted: true }] : []),
          ...types.map((t) => ({ ...member, type: t.path, name: expression.targetRelationOrPermission })),
        ];
      }
    }
  }

  /** The members that an expression reads, on its own definition and across arrows. */
  private referencedMembers(type: string, expression: ParsedExpression): (readonly [string, string])[] {
    switch (expression.kind) {
      case 'nil':
        return [];
      case 'relationref':
        return [[type, expression.relationName]];
      case 'binary':
        return [...this.referencedMembers(type, expression.left), ...this.referencedMembers(type, expression.right)];
      case 'arrow':
      case 'namedarrow': {
        const source = expression.sourceRelation.relationName;
        const types = this.declarations.definitions.get(type)?.relations.get(source) ?? [];
        return [[type, source], ...types.map((t) => [t.path, expression.targetRelationOrPermission] as const)];
      }
    }
  }

  private readonly isExpiring = (type: TypeRef): boolean => allowsExpiration(type, this.declarations.caveatsMayExpire);

  private relationTypes(type: string, relation: string): readonly TypeRef[] | undefined {
    return this.declarations.definitions.get(type)?.relations.get(relation);
  }

  private expressionOf(type: string, permission: string): ParsedExpression | undefined {
    return this.declarations.definitions.get(type)?.permissions.get(permission);
  }
}

interface SignedMember {
  readonly type: string;
  readonly name: string;
  /** Whether more of it can only add to a yes; otherwise it can only take from it. */
  readonly adds: boolean;
  /** Whether it stands within what is subtracted. */
  readonly subtracted: boolean;
}

function totalSize(sets: ReadonlyMap<string, ReadonlySet<string>>): number {
  return [...sets.values()].reduce((sum, set) => sum + set.size, sets.size);
}
