/** What a permission reaches: over which relations its answer may come, and by what it can change. */
import type { ParsedExpression, TypeRef } from '@authzed/spicedb-parser-js';
import type { Definitions } from './parse.js';
import { caveatOf, mayExpire } from './subject-types.js';

export class Reach {
  private readonly volatileMemo = new Map<string, boolean>();
  private readonly caveatMemo = new Map<string, boolean>();
  private readonly expirationMemo = new Map<string, boolean>();
  private readonly unseenMemo = new Map<string, boolean>();
  private readonly parametersMemo = new Map<string, readonly string[]>();

  constructor(
    private readonly schema: Pick<Definitions, 'definitions' | 'caveats'>,
    private readonly text: string,
  ) {}

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
        for (const parameter of this.schema.caveats.get(caveatOf(t) ?? '') ?? []) found.add(parameter);
        return false; // Look at all of them.
      });
      known = [...found];
      this.parametersMemo.set(key, known);
    }
    return known;
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
      const definition = this.schema.definitions.get(at[0]);
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
        const types = this.schema.definitions.get(type)?.relations.get(source) ?? [];
        return [[type, source], ...types.map((t) => [t.path, e.targetRelationOrPermission] as const)];
      }
    }
  }

  private readonly expires = (type: TypeRef): boolean => mayExpire(type, this.text);

  private relationTypes(type: string, relation: string): readonly TypeRef[] | undefined {
    return this.schema.definitions.get(type)?.relations.get(relation);
  }

  private expressionOf(type: string, permission: string): ParsedExpression | undefined {
    return this.schema.definitions.get(type)?.permissions.get(permission);
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
