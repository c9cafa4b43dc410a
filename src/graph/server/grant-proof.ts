/**
 * What grants a yes, read relationship by relationship. A SpiceDB server keeps what it has worked out for as long as
 * nothing is written, past the end of relationships that it came from, and its traces stop where it did; what it reads
 * is never kept. So its answers say where to look, and the relationships that are there say whether it still holds,
 * until when, and why.
 */
import type { EntityRef } from '../../model/ids.js';
import { type Relationship } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';
import type { Expression, Graph, SubjectType } from '../schema/schema.js';
import type { RowFilter } from '../protobuf.js';
import type { AskedCheck } from '../../model/checks.js';

export type Proof =
  | {
      readonly kind: 'proved';
      /** From the resource to the subject; undefined where a caveat decided, which has no path. */
      readonly path: readonly string[] | undefined;
      /** When the first of what grants it ends, RFC 3339. */
      readonly until: string | undefined;
    }
  /** Nothing that is there grants it. */
  | { readonly kind: 'none' }
  /** Something may grant it that can't be followed: a caveat on the way, or too many to look at. */
  | { readonly kind: 'unsure' };

/** SpiceDB, at one revision. */
export interface Reading {
  /** Relationships that have not ended. */
  rows(filter: RowFilter, limit: number): Promise<readonly Relationship[]>;
  /** What SpiceDB says yes to; it may have kept that. */
  holds(checks: readonly AskedCheck[]): Promise<readonly boolean[]>;
  /** The same of one check, whose own relationships it reads anew. */
  holdsNow(check: AskedCheck): Promise<boolean>;
}

/** Of one relation of one object. */
const MAX_ROWS = 1000;
const FEW = 50;
/** SpiceDB itself follows no more. */
const MAX_DEPTH = 50;
/** Questions to SpiceDB for one proof. */
const MAX_READS = 200;

const NONE: Proof = { kind: 'none' };
const UNSURE: Proof = { kind: 'unsure' };

export interface Proving {
  /** Whether a yes that hangs on a caveat is asked about again; otherwise it is `unsure`. */
  readonly caveated: boolean;
  /** By `performance.now()`: nothing more is asked after it, and what isn't proved by then is `unsure`. */
  readonly until: number;
}

/** @param check that SpiceDB says yes to */
export async function prove(
  check: AskedCheck,
  graph: Graph,
  reading: Reading,
  { caveated, until }: Proving,
): Promise<Proof> {
  try {
    const walk = new Walk(check, graph, reading, caveated, until);
    return await walk.member(check.resource, check.permission, []);
  } catch (error) {
    if (error instanceof TooMany) return UNSURE;
    throw error;
  }
}

class TooMany extends Error {}

class Walk {
  private reads = 0;
  private readonly objects = new Map<string, Promise<readonly Relationship[] | undefined>>();

  constructor(
    private readonly asked: AskedCheck,
    private readonly graph: Graph,
    private readonly reading: Reading,
    private readonly caveated: boolean,
    private readonly until: number,
  ) {}

  /** @param trail the members that led here: one that comes again grants nothing new */
  async member(object: EntityRef, name: string, trail: readonly string[]): Promise<Proof> {
    const here = `${object.type}#${name}:${object.id}`;
    if (trail.includes(here)) return NONE;
    if (trail.length >= MAX_DEPTH) return UNSURE;
    const types = this.graph.relationTypes(object.type, name);
    if (types !== undefined) return this.relation(object, name, types, [...trail, here]);
    const expression = this.graph.expressionOf(object.type, name);
    if (expression !== undefined) return this.expression(object, expression, [...trail, here]);
    const { subject } = this.asked;
    const itself = name === 'self' && subject.type === object.type && subject.id === object.id;
    return itself ? { kind: 'proved', path: [], until: undefined } : NONE;
  }

  private async expression(object: EntityRef, e: Expression, trail: readonly string[]): Promise<Proof> {
    switch (e.kind) {
      case 'nil':
        return NONE;
      case 'relationref':
        return this.member(object, e.relationName, trail);
      case 'arrow':
        return this.arrow(object, e.sourceRelation.relationName, e.targetRelationOrPermission, trail);
      case 'namedarrow': {
        const [source, target] = [e.sourceRelation.relationName, e.targetRelationOrPermission];
        return e.functionName === 'all'
          ? this.every(object, source, target, trail)
          : this.arrow(object, source, target, trail);
      }
      case 'binary':
        if (e.operator === 'union') return this.union(object, operands(e), trail);
        // Of what is subtracted SpiceDB's no stands: with time it only becomes truer, or the caller knows better.
        if (e.operator === 'exclusion') return this.expression(object, e.left, trail);
        return both(await this.expression(object, e.left, trail), () => this.expression(object, e.right, trail));
    }
  }

  /** The first that grants; where several may, SpiceDB says of those with a name which needn't be looked at. */
  private async union(object: EntityRef, parts: readonly Expression[], trail: readonly string[]): Promise<Proof> {
    const whole = await this.whole(object);
    const near = whole && this.near(object, parts, whole);
    if (near !== undefined) return near;
    const open = whole === undefined ? parts : parts.filter((part) => this.leadsOn(object.type, part, whole));
    if (open.length === 1) return first(open, (part) => this.expression(object, part, trail));
    const named = open.flatMap((part) => (part.kind === 'relationref' ? [part.relationName] : []));
    const known = named.filter((name) => this.graph.has(object.type, name));
    const held = await this.holds(known.map((permission) => ({ resource: object, permission })));
    const not = new Set(known.filter((_, i) => held[i] !== true));
    const holding = open.filter((part) => part.kind !== 'relationref' || !not.has(part.relationName));
    return first(holding, (part) => this.expression(object, part, trail));
  }

  /** What one relationship of the object's own grants, by any of these parts. */
  private near(object: EntityRef, parts: readonly Expression[], whole: readonly Relationship[]): Proof | undefined {
    const { subject } = this.asked;
    const names = new Set(parts.flatMap((part) => this.relationsOf(object.type, part)));
    const [granting] = whole
      .filter(({ relation, caveat }) => caveat === undefined && names.has(relation))
      .filter((row) => isSubject(row, subject))
      .sort(lastFirst);
    return granting === undefined ? undefined : step(granting, { kind: 'proved', path: [], until: undefined });
  }

  /** The relations that each grant a part by themselves, over unions of unions on the same object. */
  private relationsOf(type: string, part: Expression, depth = 0): string[] {
    if (depth > MAX_DEPTH) return [];
    if (part.kind === 'binary' && part.operator === 'union')
      return operands(part).flatMap((one) => this.relationsOf(type, one, depth + 1));
    if (part.kind !== 'relationref') return [];
    if (this.graph.relationTypes(type, part.relationName) !== undefined) return [part.relationName];
    const expression = this.graph.expressionOf(type, part.relationName);
    return expression === undefined ? [] : this.relationsOf(type, expression, depth + 1);
  }

  /** Whether more than {@link near} sees may come of a part: by a userset, an object that an arrow leads to, a caveat. */
  private leadsOn(type: string, part: Expression, whole: readonly Relationship[], depth = 0): boolean {
    if (depth > MAX_DEPTH) return true;
    switch (part.kind) {
      case 'nil':
        return false;
      case 'arrow':
      case 'namedarrow':
        return whole.some(({ relation }) => relation === part.sourceRelation.relationName);
      case 'binary':
        return part.operator !== 'union' || operands(part).some((one) => this.leadsOn(type, one, whole, depth + 1));
      case 'relationref': {
        const { relationName: name } = part;
        if (this.graph.relationTypes(type, name) !== undefined)
          return whole.some((r) => r.relation === name && (r.subject.relation !== undefined || r.caveat !== undefined));
        const expression = this.graph.expressionOf(type, name);
        return expression === undefined || this.leadsOn(type, expression, whole, depth + 1);
      }
    }
  }

  private async relation(
    object: EntityRef,
    name: string,
    types: readonly SubjectType[],
    trail: readonly string[],
  ): Promise<Proof> {
    const { subject } = this.asked;
    const found = await this.granting({ resourceType: object.type, resourceId: object.id, relation: name }, types);
    const usersets = found.filter((row) => row.subject.relation !== undefined);
    const rows = found.filter((row) => row.subject.relation === undefined);
    // Each of these grants by itself, so the last to end is what counts.
    const [granting] = rows.filter((row) => row.caveat === undefined).sort(lastFirst);
    if (granting !== undefined) return step(granting, { kind: 'proved', path: [], until: undefined });

    const followed = usersets.filter((row) => row.caveat === undefined);
    const about = followed.map((row) => ({ resource: row.subject, permission: row.subject.relation ?? '' }));
    const held = await this.holds(about);
    const holding = followed.filter((_, i) => held[i] === true);
    const through = await first(holding, async (row) =>
      step(row, await this.member(row.subject, row.subject.relation ?? '', trail)),
    );
    if (through.kind !== 'none') return through;
    if (usersets.length > followed.length || usersets.length > MAX_ROWS) return UNSURE;
    if (rows.length === 0) return NONE;
    // Only caveats are left. SpiceDB reads them anew, but what it has kept of usersets would come with the answer.
    if (!this.caveated || (await this.ask(about)).includes(true)) return UNSURE;
    this.count();
    const { context } = this.asked;
    if (!(await this.reading.holdsNow({ resource: object, permission: name, subject, context }))) return NONE;
    return { kind: 'proved', path: undefined, until: earliest(rows.map((row) => row.expiresAt)) };
  }

  /** The relationships of a relation that may grant: to the subject, to everybody, to usersets. */
  private async granting(of: RowFilter, types: readonly SubjectType[]): Promise<readonly Relationship[]> {
    const { subject } = this.asked;
    const kinds = new Map<string, Omit<RowFilter, 'resourceType'>>();
    for (const { path, relationName, wildcard } of types) {
      if (relationName !== undefined)
        kinds.set(`${path}#${relationName}`, { subjectType: path, subjectRelation: relationName });
      else if (path === subject.type)
        kinds.set(wildcard ? '*' : '', {
          subjectType: path,
          subjectRelation: '',
          ...(wildcard ? { everyone: true } : { subjectId: subject.id }),
        });
    }
    // Where the object has too many, the relation may yet have few: those come in one call.
    const few = kinds.size > 1 ? await this.rows(of, FEW + 1) : [];
    if (kinds.size > 1 && few.length <= FEW)
      return few.filter((row) => row.subject.relation !== undefined || isSubject(row, subject));
    return (await Promise.all([...kinds.values()].map((kind) => this.rows({ ...of, ...kind })))).flat();
  }

  private async arrow(object: EntityRef, source: string, target: string, trail: readonly string[]): Promise<Proof> {
    const rows = await this.linked(object, source, target);
    const followed = rows.filter((row) => row.caveat === undefined);
    const held = await this.holds(followed.map((row) => ({ resource: row.subject, permission: target })));
    const holding = followed.filter((_, i) => held[i] === true);
    const proof = await first(holding, async (row) => step(row, await this.member(row.subject, target, trail)));
    const more = rows.length > followed.length || rows.length > MAX_ROWS;
    return proof.kind === 'none' && more ? UNSURE : proof;
  }

  private async every(object: EntityRef, source: string, target: string, trail: readonly string[]): Promise<Proof> {
    const rows = await this.linked(object, source, target);
    if (rows.length > MAX_ROWS || rows.some((row) => row.caveat !== undefined)) return UNSURE;
    let proof: Proof = rows.length === 0 ? NONE : { kind: 'proved', path: [], until: undefined };
    for (const row of rows)
      proof = await both(proof, async () => step(row, await this.member(row.subject, target, trail)));
    return proof;
  }

  /** What an arrow leads to. */
  private async linked(object: EntityRef, source: string, target: string): Promise<Relationship[]> {
    const types = this.graph.relationTypes(object.type, source) ?? [];
    const paths = new Set(types.filter((t) => !t.wildcard && this.graph.has(t.path, target)).map((t) => t.path));
    const of = { resourceType: object.type, resourceId: object.id, relation: source };
    return (await Promise.all([...paths].map((subjectType) => this.rows({ ...of, subjectType })))).flat();
  }

  private async rows(filter: RowFilter, limit = MAX_ROWS + 1): Promise<readonly Relationship[]> {
    const whole = await this.whole({ type: filter.resourceType, id: filter.resourceId ?? '' });
    if (whole !== undefined) return whole.filter((row) => fits(row, filter));
    this.count();
    return this.reading.rows(filter, limit);
  }

  /** All that an object has, in one call, whatever will be asked of it; undefined where that is much. */
  private whole({ type, id }: EntityRef): Promise<readonly Relationship[] | undefined> {
    const key = `${type}:${id}`;
    const known = this.objects.get(key);
    if (known !== undefined) return known;
    this.count();
    const found = this.reading
      .rows({ resourceType: type, resourceId: id }, FEW + 1)
      .then((rows) => (rows.length > FEW ? undefined : rows));
    this.objects.set(key, found);
    return found;
  }

  /** Which of them to follow: one alone is followed anyway, which costs no more than to ask. */
  private async holds(about: readonly Asked[]): Promise<readonly boolean[]> {
    return about.length === 1 ? [true] : this.ask(about);
  }

  /** @throws TooMany */
  private count(): void {
    this.reads += 1;
    if (this.reads > MAX_READS || performance.now() > this.until) throw new TooMany();
  }

  private async ask(about: readonly Asked[]): Promise<readonly boolean[]> {
    if (about.length === 0) return [];
    this.count();
    const { subject, context } = this.asked;
    return this.reading.holds(
      about.map(({ resource: { type, id }, permission }) => ({ resource: { type, id }, permission, subject, context })),
    );
  }
}

type Asked = Pick<AskedCheck, 'resource' | 'permission'>;

/** By itself, or as one of everybody. */
function isSubject({ subject, wildcard }: Relationship, asked: EntityRef): boolean {
  return (
    subject.relation === undefined && subject.type === asked.type && (wildcard === true || subject.id === asked.id)
  );
}

function fits({ relation, subject, wildcard }: Relationship, filter: RowFilter): boolean {
  const { everyone = false, subjectRelation } = filter;
  return (
    (filter.relation === undefined || filter.relation === relation) &&
    (filter.subjectType === undefined || filter.subjectType === subject.type) &&
    (everyone
      ? wildcard === true
      : filter.subjectId === undefined || (wildcard !== true && filter.subjectId === subject.id)) &&
    (subjectRelation === undefined || subjectRelation === (subject.relation ?? ''))
  );
}

/** The parts of a union, of unions too. */
function operands(e: Expression): Expression[] {
  return e.kind === 'binary' && e.operator === 'union' ? [...operands(e.left), ...operands(e.right)] : [e];
}

async function first<T>(ways: readonly T[], look: (way: T) => Promise<Proof>): Promise<Proof> {
  let found = NONE;
  for (const way of ways) {
    const proof = await look(way);
    if (proof.kind === 'proved') return proof;
    if (proof.kind === 'unsure') found = UNSURE;
  }
  return found;
}

async function both(one: Proof, other: () => Promise<Proof>): Promise<Proof> {
  if (one.kind === 'none') return NONE;
  const two = await other();
  if (two.kind === 'none') return NONE;
  if (one.kind === 'unsure' || two.kind === 'unsure') return UNSURE;
  return {
    kind: 'proved',
    path: one.path === undefined || two.path === undefined ? undefined : [...new Set([...one.path, ...two.path])],
    until: earliest([one.until, two.until]),
  };
}

/** The relationship, and what is proved beyond it. */
function step(row: Relationship, beyond: Proof): Proof {
  if (beyond.kind !== 'proved') return beyond;
  const { path, until } = beyond;
  return {
    kind: 'proved',
    path: path === undefined ? undefined : [relationshipKey(row), ...path],
    until: earliest([row.expiresAt, until]),
  };
}

/** In one form, so that as texts they compare as the instants do. */
function earliest(instants: readonly (string | undefined)[]): string | undefined {
  const known = instants.flatMap((at) => (at === undefined ? [] : [Date.parse(at)]));
  return known.length === 0 ? undefined : new Date(Math.min(...known)).toISOString();
}

function lastFirst(a: Relationship, b: Relationship): number {
  const end = ({ expiresAt }: Relationship): number => (expiresAt === undefined ? Infinity : Date.parse(expiresAt));
  return end(a) === end(b) ? 0 : end(b) - end(a);
}
