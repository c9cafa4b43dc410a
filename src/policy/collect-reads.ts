/**
 * Collects what policies read, by following each expression to where its values come from. Types come from the schema,
 * so of each reference it is known what it leads to; an expression is finite, and with it what it can reach.
 */
import { splitOperator, type Expression } from './expressions.js';
import type { Policy } from './policies.js';
import { leadsToEntity, needsEntity, type PolicyReads, type QuestionTypes, type ValueReads } from './policy-reads.js';
import type { CedarType, RecordMembers } from './schema/types.js';
import { formatUid, isActionType, type EntityUid } from './schema/uid.js';
import type { Vocabulary } from './schema/vocabulary.js';
import { unwrapUid } from './scope-match.js';

/** Collects what the policies can read in answering questions of the kind. */
export function collectReads(
  policies: readonly Policy[],
  types: QuestionTypes,
  vocabulary: Pick<Vocabulary, 'entityTypes'>,
): PolicyReads {
  const collector = new ReadsCollector(types, vocabulary);
  for (const policy of policies) collector.addPolicy(policy);
  return collector.result();
}

interface CollectedReads extends ValueReads {
  readonly members: Map<string, CollectedReads>;
  whole: boolean;
  ancestors: boolean;
}

function unread(type: CedarType): CollectedReads {
  return { type, members: new Map(), whole: false, ancestors: false };
}

/**
 * The places that the value of an expression may come from. A value that is computed, such as a Bool, comes from
 * nowhere.
 */
interface ExpressionSources {
  readonly reads: readonly CollectedReads[];
  readonly recordLiterals: readonly ReadonlyMap<string, ExpressionSources>[];
  readonly unknown: boolean;
}

const COMPUTED: ExpressionSources = { reads: [], recordLiterals: [], unknown: false };
/** Operators whose value is none that can be taken apart. */
const COMPUTING_OPERATORS = new Set([
  '!', 'neg', '==', '!=', '<', '<=', '>', '>=', '&&', '||', '+', '-', '*', 'like', 'isEmpty',
  'contains', 'containsAll', 'containsAny', 'hasTag',
]); // prettier-ignore

class ReadsCollector {
  private readonly principal: CollectedReads;
  private readonly resource: CollectedReads;
  private readonly context: CollectedReads;
  private readonly action: CollectedReads;
  private readonly literals = new Map<string, { readonly uid: EntityUid; readonly reads: CollectedReads }>();
  private readonly namedEntities = new Set<string>();
  private namesEntity = false;
  private unbounded = false;

  constructor(
    types: QuestionTypes,
    private readonly vocabulary: Pick<Vocabulary, 'entityTypes'>,
  ) {
    this.principal = unread({ kind: 'Entity', name: types.principal.name });
    this.resource = unread({ kind: 'Entity', name: types.resource.name });
    this.action = unread({ kind: 'Entity', name: types.action.uid.type });
    this.context = unread({ kind: 'Record', members: types.action.context });
  }

  result(): PolicyReads {
    const literals = [...this.literals.values()].filter(({ reads }) => needsEntity(reads));
    const { principal, resource, context } = this;
    return {
      principal,
      resource,
      context,
      literals,
      identities: principal.whole || resource.whole || this.namesEntity,
      namedEntities: this.namedEntities,
      followsReferences:
        literals.length > 0 ||
        [principal, resource, context].some((root) => [...root.members.values()].some(leadsToEntity)),
      unbounded: this.unbounded,
    };
  }

  addPolicy({ json }: Policy): void {
    for (const part of ['principal', 'resource'] as const) {
      const scope = json[part];
      const within = scope.op === 'is' && 'in' in scope ? scope.in : scope;
      if (scope.op === 'in' || within !== scope) this[part].ancestors = true;
      if ('entity' in within) this.namedEntities.add(formatUid(unwrapUid(within.entity)));
      else if (scope.op === '==' || scope.op === 'in' || within !== scope) this[part].whole = true;
    }
    for (const { body } of json.conditions) this.use(this.trace(body));
  }

  private trace(expression: Expression): ExpressionSources {
    const [operator, operands] = splitOperator(expression);
    const { left, right, attr } = operands;
    switch (operator) {
      case 'Var':
        return this.traceVariable(String(expression['Var']));
      case 'Value':
        return this.traceLiteral(expression['Value']);
      case '.':
      case 'has':
        if (left === undefined || attr === undefined) break;
        return this.traceAttributes(this.trace(left), [attr].flat(), operator === 'has');
      case 'in':
        if (left === undefined || right === undefined) break;
        return this.traceMembership(left, right);
      case 'is': {
        if (left === undefined) break;
        const within = operands.in;
        // The type alone counts, and the type is known.
        if (within !== undefined) return this.traceMembership(left, within);
        this.trace(left);
        return COMPUTED;
      }
      case 'if-then-else': {
        if (operands.if === undefined || operands.then === undefined || operands.else === undefined) break;
        this.use(this.trace(operands.if));
        return uniteSources([this.trace(operands.then), this.trace(operands.else)]);
      }
      case 'Record': {
        const members = Object.entries(expression['Record'] as Record<string, Expression>);
        const traced = new Map(members.map(([name, member]) => [name, this.trace(member)]));
        return { reads: [], recordLiterals: [traced], unknown: false };
      }
    }
    const value = expression[operator];
    const arguments_ = Array.isArray(value) ? (value as Expression[]) : listSubexpressions(value);
    const sources = arguments_.map((argument) => this.trace(argument));
    // A list is a set's elements, which nothing takes apart, or the arguments of an extension's function.
    if (Array.isArray(value) || COMPUTING_OPERATORS.has(operator)) return this.computed(sources);
    this.computed(sources);
    return { ...COMPUTED, unknown: true };
  }

  private traceVariable(name: string): ExpressionSources {
    const variables = {
      principal: this.principal,
      resource: this.resource,
      context: this.context,
      action: this.action,
    };
    const reads = Object.hasOwn(variables, name) ? variables[name as keyof typeof variables] : undefined;
    return reads === undefined ? { ...COMPUTED, unknown: true } : { ...COMPUTED, reads: [reads] };
  }

  private traceLiteral(value: unknown): ExpressionSources {
    if (typeof value !== 'object' || value === null) return COMPUTED;
    const uid = (value as { readonly __entity?: EntityUid }).__entity;
    if (uid === undefined) {
      // Cedar writes sets and records of literals as expressions; what else it may write is read as if it were one.
      for (const member of Object.values(value)) this.traceLiteral(member);
      return COMPUTED;
    }
    // The entity that is named may be the principal or the resource.
    if (!isActionType(uid.type)) this.namesEntity = true;
    const key = formatUid(uid);
    const literal = this.literals.get(key) ?? { uid, reads: unread({ kind: 'Entity', name: uid.type }) };
    this.literals.set(key, literal);
    return { ...COMPUTED, reads: [literal.reads] };
  }

  private traceAttributes(sources: ExpressionSources, path: readonly string[], tested: boolean): ExpressionSources {
    const reached = path.reduce((from, name) => this.takeMember(from, name), sources);
    return tested ? COMPUTED : reached;
  }

  private takeMember({ reads, recordLiterals, unknown }: ExpressionSources, name: string): ExpressionSources {
    if (unknown) this.unbounded = true;
    return uniteSources([
      { ...COMPUTED, reads: reads.flatMap((from) => this.readMember(from, name) ?? []) },
      ...recordLiterals.flatMap((record) => record.get(name) ?? []),
    ]);
  }

  /** undefined where the schema doesn't declare it: Cedar is never given it, so there is nothing behind it. */
  private readMember(from: CollectedReads, name: string): CollectedReads | undefined {
    const declared = this.membersOf(from.type);
    const type = Object.hasOwn(declared, name) ? declared[name]?.type : undefined;
    if (type === undefined) return undefined;
    const member = from.members.get(name) ?? unread(type);
    from.members.set(name, member);
    return member;
  }

  private membersOf(type: CedarType): RecordMembers {
    if (type.kind === 'Record') return type.members;
    return type.kind === 'Entity' ? (this.vocabulary.entityTypes.get(type.name)?.attributes ?? {}) : {};
  }

  private traceMembership(left: Expression, right: Expression): ExpressionSources {
    const member = this.trace(left);
    if (member.unknown) this.unbounded = true;
    for (const reads of member.reads) if (reads.type.kind === 'Entity') reads.ancestors = true;
    return this.computed([member, this.trace(right)]);
  }

  private computed(used: readonly ExpressionSources[]): ExpressionSources {
    for (const sources of used) this.use(sources);
    return COMPUTED;
  }

  /** Notes that the value is used as it is. */
  private use({ reads, recordLiterals }: ExpressionSources): void {
    for (const read of reads) read.whole = true;
    for (const record of recordLiterals) for (const member of record.values()) this.use(member);
  }
}

function uniteSources(all: readonly ExpressionSources[]): ExpressionSources {
  return {
    reads: all.flatMap(({ reads }) => reads),
    recordLiterals: all.flatMap(({ recordLiterals }) => recordLiterals),
    unknown: all.some(({ unknown }) => unknown),
  };
}

function listSubexpressions(operands: unknown): Expression[] {
  if (typeof operands !== 'object' || operands === null) return [];
  return Object.values(operands).filter(
    (operand): operand is Expression => typeof operand === 'object' && operand !== null && !Array.isArray(operand),
  );
}
