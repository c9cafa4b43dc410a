/** The subjects that relations on the way to a permission name, as SpiceDB expands them; the sandbox lists holders by it. */
import { v1 } from '@authzed/authzed-node';
import { BadRequest } from '../../model/faults.js';
import { toGraphError } from '../errors.js';
import { FULLY_CONSISTENT } from '../spicedb-api.js';

/** Usersets that are followed; a graph with more is none for a test. */
const MAX_USERSETS = 1000;

export interface ExpansionClient {
  expandPermissionTree(request: v1.ExpandPermissionTreeRequest): Promise<v1.ExpandPermissionTreeResponse>;
}

export interface ExpandedSubject {
  /** `user:ann`, `team:core#member` or `user:*`. */
  readonly name: string;
  readonly reference: v1.SubjectReference;
  /** The relations that name it, such as `document:plan#viewer`, without those that only take away. */
  readonly relations: Set<string>;
}

interface UsersetExpansion {
  readonly object: v1.ObjectReference;
  readonly relation: string;
  /** False within what is subtracted. */
  readonly included: boolean;
}

interface TreeLeaf {
  readonly subject: v1.SubjectReference;
  readonly relation: string;
  readonly included: boolean;
}

/** Every subject by its name, usersets followed. @throws BadRequest where SpiceDB refuses, or they are too many; Fault */
export async function expandSubjects(
  client: ExpansionClient,
  resource: v1.ObjectReference,
  permission: string,
): Promise<ReadonlyMap<string, ExpandedSubject>> {
  const subjects = new Map<string, ExpandedSubject>();
  const visited = new Set<string>();
  const pending: UsersetExpansion[] = [{ object: resource, relation: permission, included: true }];
  for (let userset = pending.pop(); userset !== undefined; userset = pending.pop()) {
    const { object, relation, included } = userset;
    const key = `${object.objectType}:${object.objectId}#${relation} ${included}`;
    if (visited.has(key)) continue;
    visited.add(key);
    if (visited.size > MAX_USERSETS)
      throw new BadRequest(`more than ${MAX_USERSETS} usersets are within reach of the permission`);
    for (const leaf of treeLeaves(await expandTree(client, object, relation), included)) {
      const name = formatSubjectReference(leaf.subject);
      const subject = subjects.get(name) ?? { name, reference: leaf.subject, relations: new Set() };
      subjects.set(name, subject);
      if (leaf.included) subject.relations.add(leaf.relation);
      const { object: subjectObject, optionalRelation } = leaf.subject;
      if (optionalRelation !== '' && subjectObject !== undefined)
        pending.push({ object: subjectObject, relation: optionalRelation, included: leaf.included });
    }
  }
  return subjects;
}

async function expandTree(
  client: ExpansionClient,
  resource: v1.ObjectReference,
  permission: string,
): Promise<v1.PermissionRelationshipTree | undefined> {
  try {
    const request = v1.ExpandPermissionTreeRequest.create({ consistency: FULLY_CONSISTENT, resource, permission });
    return (await client.expandPermissionTree(request)).treeRoot;
  } catch (error) {
    throw toGraphError(error);
  }
}

/** The subjects of a tree, each with the relation that names it. */
function* treeLeaves(
  tree: v1.PermissionRelationshipTree | undefined,
  included: boolean,
  parentRelation = '',
): Generator<TreeLeaf> {
  if (tree === undefined) return;
  const { treeType, expandedObject, expandedRelation } = tree;
  const relation =
    expandedObject === undefined
      ? parentRelation
      : `${expandedObject.objectType}:${expandedObject.objectId}#${expandedRelation}`;
  if (treeType.oneofKind === 'leaf')
    for (const subject of treeType.leaf.subjects) yield { subject, relation, included };
  if (treeType.oneofKind !== 'intermediate') return;
  const { operation, children } = treeType.intermediate;
  const isExclusion = operation === v1.AlgebraicSubjectSet_Operation.EXCLUSION;
  for (const [i, child] of children.entries()) yield* treeLeaves(child, included && !(isExclusion && i > 0), relation);
}

function formatSubjectReference({ object, optionalRelation }: v1.SubjectReference): string {
  const relation = optionalRelation === '' ? '' : `#${optionalRelation}`;
  return `${object?.objectType ?? ''}:${object?.objectId ?? ''}${relation}`;
}
