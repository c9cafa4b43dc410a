/**
 * Tells which cached answers a write may change. The caches of both engines ask it, so that people who write
 * relationships don't make decisions slow: a relationship to a single subject changes only answers about that subject,
 * unless an arrow leads over it; any other changes only answers of permissions that reach its relation.
 */
import type { EntityRef } from '../model/ids.js';
import type { Relationship } from '../model/relationships.js';
import type { GraphSchema } from './schema/schema.js';

/** Subjects whose last write is known; beyond that all subjects count as written. */
const MAX_TRACKED_SUBJECTS = 50_000;

export class WriteEffects {
  /** The number of the last event: each write and each expiration is one. */
  private events = 0;
  /** The last event that may have changed every answer, of those that nothing more is to be learned of. */
  private lastOfAll = 0;
  /** Events of which it isn't known yet what they have changed. */
  private readonly unknownEvents = new Set<number>();
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

  /** @param relationships which a write has made, replaced or deleted */
  noteWrite(relationships: readonly Relationship[]): void {
    this.events += 1;
    this.applyWrite(relationships, this.events);
  }

  /** Takes note of an event that may change every answer until it is told what it has changed. Returns its number. */
  noteUnknownWrite(): number {
    this.events += 1;
    this.unknownEvents.add(this.events);
    return this.events;
  }

  /** @param changed the relationships that the unknown event has made, replaced or deleted; or anything */
  settleUnknownWrite(event: number, changed: readonly Relationship[] | 'everything'): void {
    if (!this.unknownEvents.delete(event)) return;
    if (changed === 'everything') this.lastOfAll = Math.max(this.lastOfAll, event);
    else this.applyWrite(changed, event);
  }

  private applyWrite(relationships: readonly Relationship[], event: number): void {
    const raise = (map: Map<string, number>, key: string): void => {
      map.set(key, Math.max(event, map.get(key) ?? 0));
    };
    for (const { resource, relation, subject, wildcard } of relationships) {
      const isOfOneSubject =
        wildcard !== true && subject.relation === undefined && !this.schema.isArrowSource(resource.type, relation);
      raise(this.lastByType, resource.type);
      for (const member of this.dependents.get(`${resource.type}#${relation}`) ?? []) {
        raise(this.lastByMember, member);
        if (!isOfOneSubject) raise(this.lastSharedByMember, member);
      }
      if (!isOfOneSubject) continue;
      this.makeRoomForSubject();
      raise(this.lastBySubject, toSubjectKey(subject));
    }
  }

  /** Takes note of an event that may change every answer. */
  noteChangeOfAll(): void {
    this.events += 1;
    this.lastOfAll = this.events;
    this.unknownEvents.clear();
  }

  /** The last event that may have changed whether the subject has the permission on objects of the type. */
  lastForSubject(type: string, permission: string, subject: EntityRef): number {
    return Math.max(
      this.lastOfEverything,
      this.lastSharedByMember.get(`${type}#${permission}`) ?? 0,
      this.lastBySubject.get(toSubjectKey(subject)) ?? 0,
      this.lastOfUntracked,
    );
  }

  /** The last event that may have changed who has the permission on objects of the type. */
  lastForAnySubject(type: string, permission: string): number {
    return Math.max(this.lastOfEverything, this.lastByMember.get(`${type}#${permission}`) ?? 0);
  }

  /** The last event that may have changed the relationships of objects of the type. */
  lastForRelationships(type: string): number {
    return Math.max(this.lastOfEverything, this.lastByType.get(type) ?? 0);
  }

  private makeRoomForSubject(): void {
    if (this.lastBySubject.size < MAX_TRACKED_SUBJECTS) return;
    this.lastBySubject.clear();
    this.lastOfUntracked = this.events;
  }

  private get lastOfEverything(): number {
    return Math.max(this.lastOfAll, ...this.unknownEvents);
  }
}

function toSubjectKey({ type, id }: EntityRef): string {
  return `${type}:${id}`;
}
