/**
 * Which cached answers a write may change. The caches of both engines ask it, so that people who write relationships don't
 * make decisions slow: a relationship to a single subject changes only answers about that subject, unless an arrow leads over
 * it; any other changes only answers of permissions that reach its relation.
 */
import type { EntityRef } from '../model/ids.js';
import type { RelationshipUpdate } from '../model/relationships.js';
import type { GraphSchema } from './schema/schema.js';

/** Subjects whose last write is known; beyond that all subjects count as written. */
const MAX_TRACKED_SUBJECTS = 50_000;

export class WriteEffects {
  /** The number of the last event: each write and each expiration is one. */
  private events = 0;
  /** The last event that may have changed every answer. */
  private lastOfAll = 0;
  /** The last write to each type of resource. */
  private readonly lastByType = new Map<string, number>();
  /** The last write within reach of each relation and permission, as `type#member`. */
  private readonly lastByMember = new Map<string, number>();
  /** The same, without writes that change answers about one subject only. */
  private readonly lastSharedByMember = new Map<string, number>();
  private readonly lastBySubject = new Map<string, number>();
  /** The last write about a subject that isn't tracked any longer. */
  private lastOfUntracked = 0;
  /** The relations and permissions, as `type#member`, that reach each relation. */
  private readonly dependents = new Map<string, string[]>();

  constructor(private readonly schema: GraphSchema) {
    for (const type of schema.definitionNames())
      for (const member of schema.memberNames(type))
        for (const relation of schema.reachability.reachableRelations(type, member)) {
          const dependents = this.dependents.get(relation) ?? [];
          dependents.push(`${type}#${member}`);
          this.dependents.set(relation, dependents);
        }
  }

  /** The number of the last event. An answer that was asked for then is true while no later one affects it. */
  get now(): number {
    return this.events;
  }

  noteWrite(updates: readonly RelationshipUpdate[]): void {
    this.events += 1;
    for (const { relationship } of updates) {
      const { resource, relation, subject, wildcard } = relationship;
      const isOfOneSubject =
        wildcard !== true && subject.relation === undefined && !this.schema.isArrowSource(resource.type, relation);
      this.lastByType.set(resource.type, this.events);
      for (const member of this.dependents.get(`${resource.type}#${relation}`) ?? []) {
        this.lastByMember.set(member, this.events);
        if (!isOfOneSubject) this.lastSharedByMember.set(member, this.events);
      }
      if (isOfOneSubject) this.noteSubject(subject);
    }
  }

  /** Takes note of an event that may change every answer. */
  noteChangeOfAll(): void {
    this.events += 1;
    this.lastOfAll = this.events;
  }

  /** The last event that may have changed whether the subject has the permission on objects of the type. */
  lastForSubject(type: string, permission: string, subject: EntityRef): number {
    return Math.max(
      this.lastOfAll,
      this.lastSharedByMember.get(`${type}#${permission}`) ?? 0,
      this.lastBySubject.get(toSubjectKey(subject)) ?? this.lastOfUntracked,
    );
  }

  /** The last event that may have changed who has the permission on objects of the type. */
  lastForAnySubject(type: string, permission: string): number {
    return Math.max(this.lastOfAll, this.lastByMember.get(`${type}#${permission}`) ?? 0);
  }

  /** The last event that may have changed the relationships of objects of the type. */
  lastForRelationships(type: string): number {
    return Math.max(this.lastOfAll, this.lastByType.get(type) ?? 0);
  }

  private noteSubject(subject: EntityRef): void {
    if (this.lastBySubject.size >= MAX_TRACKED_SUBJECTS) {
      this.lastBySubject.clear();
      this.lastOfUntracked = this.events;
    }
    this.lastBySubject.set(toSubjectKey(subject), this.events);
  }
}

function toSubjectKey({ type, id }: EntityRef): string {
  return `${type}:${id}`;
}
