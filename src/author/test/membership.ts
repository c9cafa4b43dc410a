/**
 * The members of a permission as a validation file expects them: every subject that leads to it, with the relations that
 * name it. They are computed from the file's schema and relationships as SpiceDB's own validation does; its API tells
 * neither caveats nor how the parts of a permission combine.
 */
import type { GraphSchema, Expression } from '../../graph/schema/schema.js';
import { encodeId } from '../../model/ids.js';
import type { Relationship } from '../../model/relationships.js';
import {
  EMPTY_SUBJECTS,
  intersectSubjects,
  listSubjects,
  makeConditional,
  singleSubject,
  subtractSubjects,
  uniteSubjects,
  type FoundSubject,
  type SubjectSet,
} from './subject-set.js';

/** The steps from a permission to a subject that SpiceDB's validation follows. */
const MAX_STEPS = 25;

/** The permission has no members that could be told: the text says why, as the rest of a sentence. */
export class MembershipError extends Error {}

interface Expansion {
  readonly subjects: SubjectSet;
  /** The longest way to a subject, in steps. */
  readonly steps: number;
}

interface ExpandedObject {
  readonly type: string;
  readonly id: string;
  /** The permission of it that is being expanded. */
  readonly key: string;
}

const NOTHING: Expansion = { subjects: EMPTY_SUBJECTS, steps: 0 };

export class Membership {
  private readonly rows: ReadonlyMap<string, readonly Relationship[]>;
  /** `undefined` while it is being expanded. */
  private readonly expansions = new Map<string, Expansion | undefined>();

  /** @param now when it is asked about: what has expired by then is no relationship */
  constructor(
    private readonly schema: GraphSchema,
    relationships: readonly Relationship[],
    now: Date,
  ) {
    const current = relationships.filter(({ expiresAt }) => expiresAt === undefined || new Date(expiresAt) > now);
    const rows = new Map<string, Relationship[]>();
    for (const row of current) {
      const key = formatMemberKey(row.resource.type, row.resource.id, row.relation);
      rows.set(key, [...(rows.get(key) ?? []), row]);
    }
    this.rows = rows;
  }

  /** The members, as a validation file writes them, sorted. @throws MembershipError */
  findMembers(type: string, id: string, name: string): string[] {
    if (!this.schema.hasDefinition(type)) throw new MembershipError(`there is no definition "${type}"`);
    if (!this.schema.hasMember(type, name) && name !== '...')
      throw new MembershipError(`"${type}" has no relation or permission "${name}"`);
    const { subjects } = this.expandMember(type, id, name);
    return [...subjects]
      .flatMap(([typeKey, ofType]) => listSubjects(ofType).map((subject) => formatFoundMember(typeKey, subject)))
      .sort();
  }

  private expandMember(type: string, id: string, name: string): Expansion {
    const key = formatMemberKey(type, id, name);
    const expanded = this.expansions.get(key);
    if (expanded !== undefined) return expanded;
    if (this.expansions.has(key)) throw new MembershipError(`"${key}" leads back to itself`);
    this.expansions.set(key, undefined);
    try {
      const expression = this.schema.permissionExpression(type, name);
      const { subjects, steps } =
        expression === undefined ? this.expandRelation(key) : this.expandExpression({ type, id, key }, expression);
      if (steps + 1 > MAX_STEPS) throw new MembershipError(`"${key}" is more than ${MAX_STEPS} steps from a subject`);
      const expansion = { subjects, steps: steps + 1 };
      this.expansions.set(key, expansion);
      return expansion;
    } catch (error) {
      this.expansions.delete(key);
      throw error;
    }
  }

  private expandRelation(key: string): Expansion {
    const parts = (this.rows.get(key) ?? []).flatMap(({ subject, wildcard, caveat }): Expansion[] => {
      const isConditional = caveat !== undefined;
      const typeKey = subject.relation === undefined ? subject.type : `${subject.type}#${subject.relation}`;
      const id = wildcard === true ? '*' : encodeId(subject.id);
      const direct = { subjects: singleSubject(typeKey, id, isConditional, key), steps: 0 };
      if (subject.relation === undefined) return [direct];
      return [direct, conditionOn(isConditional, this.expandMember(subject.type, subject.id, subject.relation))];
    });
    return combine(parts, uniteSubjects);
  }

  private expandExpression(object: ExpandedObject, expression: Expression): Expansion {
    switch (expression.kind) {
      case 'nil':
        return NOTHING;
      case 'relationref':
        return this.expandReference(object, expression.relationName);
      case 'arrow':
      case 'namedarrow': {
        const { targetRelationOrPermission: target } = expression;
        const source = formatMemberKey(object.type, object.id, expression.sourceRelation.relationName);
        const parts = (this.rows.get(source) ?? []).map(({ subject, caveat }) =>
          this.schema.hasMember(subject.type, target)
            ? conditionOn(caveat !== undefined, this.expandMember(subject.type, subject.id, target))
            : NOTHING,
        );
        const isAll = expression.kind === 'namedarrow' && expression.functionName === 'all';
        return combine(parts, isAll ? intersectSubjects : uniteSubjects);
      }
      case 'binary': {
        const parts = [expression.left, expression.right].map((operand) => this.expandExpression(object, operand));
        return combine(parts, COMBINATIONS[expression.operator]);
      }
    }
  }

  /** A relation or permission of the same object, or `self`: the object as a subject. */
  private expandReference({ type, id, key }: ExpandedObject, name: string): Expansion {
    if (this.schema.hasMember(type, name)) return this.expandMember(type, id, name);
    return name === 'self' ? { subjects: singleSubject(type, encodeId(id), false, key), steps: 0 } : NOTHING;
  }
}

const COMBINATIONS = {
  union: uniteSubjects,
  intersection: intersectSubjects,
  exclusion: subtractSubjects,
} as const;

function combine(parts: readonly Expansion[], operation: (a: SubjectSet, b: SubjectSet) => SubjectSet): Expansion {
  return {
    subjects: parts.length === 0 ? EMPTY_SUBJECTS : parts.map(({ subjects }) => subjects).reduce(operation),
    steps: Math.max(0, ...parts.map(({ steps }) => steps)),
  };
}

function conditionOn(isConditional: boolean, { subjects, steps }: Expansion): Expansion {
  return { subjects: isConditional ? makeConditional(subjects) : subjects, steps };
}

function formatMemberKey(type: string, id: string, name: string): string {
  return `${type}:${encodeId(id)}#${name}`;
}

/** @param typeKey the subject's type, with the relation of a userset */
function formatFoundMember(typeKey: string, { id, conditional, exceptions, relations }: FoundSubject): string {
  const [type = '', relation] = typeKey.split('#');
  const name = (subjectId: string): string => `${type}:${subjectId}${relation === undefined ? '' : `#${relation}`}`;
  const excepted = [...exceptions.values()].map((exception) => ({
    subject: name(exception.id),
    conditional: exception.conditional,
  }));
  return formatExpectedMember({ subject: name(id), conditional, exceptions: excepted, relations: [...relations] });
}

export interface ExpectedMember {
  /** `user:ann`, `team:core#member` or `user:*`. */
  readonly subject: string;
  readonly conditional: boolean;
  /** The subjects that a wildcard doesn't cover. */
  readonly exceptions: readonly { readonly subject: string; readonly conditional: boolean }[];
  /** The relations that name the subject, such as `document:plan#viewer`. */
  readonly relations: readonly string[];
}

/** The member as a validation file writes it: the same text for the same member. */
export function formatExpectedMember({ subject, conditional, exceptions, relations }: ExpectedMember): string {
  const condition = (is: boolean): string => (is ? '[...]' : '');
  const excepted = exceptions.map((e) => `${e.subject}${condition(e.conditional)}`).sort();
  const but = excepted.length === 0 ? '' : ` - {${excepted.join(', ')}}`;
  const relationNames = [...new Set(relations)].sort().map((relation) => `<${relation}>`);
  return `[${subject}${condition(conditional)}${but}] is ${relationNames.join('/')}`;
}
