/** Relationships and checks in SpiceDB's terms, with raw ids. */
import type { EntityRef } from './ids.js';

export interface SubjectRef extends EntityRef {
  /** The relation of a userset such as `team:core#member`. */
  readonly relation?: string | undefined;
}

export interface Relationship {
  readonly resource: EntityRef;
  readonly relation: string;
  /** The id `*` of a subject is the wildcard only where `wildcard` says so; as text it is `user:*`. */
  readonly subject: SubjectRef;
  readonly wildcard?: boolean | undefined;
  readonly caveat?: { readonly name: string; readonly context: Record<string, unknown> } | undefined;
  /** RFC 3339, UTC. */
  readonly expiresAt?: string | undefined;
}

export type UpdateOperation = 'touch' | 'create' | 'delete';

export interface RelationshipUpdate {
  readonly operation: UpdateOperation;
  readonly relationship: Relationship;
}

/** A question to the graph: does the subject hold the permission (or relation) on the resource? */
export interface Check {
  readonly resource: EntityRef;
  readonly permission: string;
  readonly subject: EntityRef;
}

const RELATION_NAME = /^[a-z][a-z0-9_]{1,62}[a-z0-9]$/;

/** Says what SpiceDB would refuse in the name of a relation or permission; undefined where nothing. */
export function findRelationNameProblem(name: string): string | undefined {
  return RELATION_NAME.test(name) ? undefined : 'must be a SpiceDB relation or permission name such as "viewer"';
}
