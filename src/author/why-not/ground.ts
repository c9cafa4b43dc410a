/**
 * The relationships around a decision in a SpiceDB of their own, where others can be supposed: what a check would answer
 * with one more relationship, or with one less, SpiceDB says itself.
 */
import { Membership, type Answer } from '../../graph/membership.js';
import { refText, type EntityRef } from '../../model/ids.js';
import type { CheckAnswer } from '../../model/checks.js';
import { type Check, type Relationship, type RelationshipUpdate } from '../../model/relationships.js';
import { checkKey } from '../../graph/relationship-text.js';
import { relationshipKey } from '../../graph/relationship-text.js';
import { parseRelationship } from '../../graph/relationship-text.js';
import type { Graph } from '../../graph/schema/schema.js';
import { refusalOf } from '../../graph/schema/validate-relationship.js';

/** Where relationships and entities are read. */
export interface World {
  /** Of one object, at most as many as the source gives at once. @throws where it can't be asked */
  relationships(resource: EntityRef): Promise<readonly Relationship[]>;
  /** Undefined where nothing is stored. */
  entity(
    ref: EntityRef,
  ): Promise<{ readonly attributes: Record<string, unknown>; readonly parents: readonly EntityRef[] } | undefined>;
}

/** Relationships that are read in all, and objects of which they are. */
const MAX_RELATIONSHIPS = 1000;
const MAX_OBJECTS = 300;
/** Of an answer that SpiceDB gave here and not there. */
const REVISION = 'supposed';

type Context = Readonly<Record<string, unknown>>;

export class Ground {
  private readonly known = new Map<string, Relationship>();
  private readonly looked = new Set<string>();
  private db: { readonly membership: Membership; readonly size: number } | undefined;
  private full = false;

  /** @param told relationships that are certain without reading: those that evidence names */
  constructor(
    private readonly graph: Graph,
    private readonly world: World | undefined,
    told: readonly string[],
  ) {
    for (const text of told) {
      try {
        this.keep(parseRelationship(text));
      } catch {
        // Evidence that can't be read is no ground.
      }
    }
  }

  close(): void {
    this.db?.membership.close();
    this.db = undefined;
  }

  /** Whether all that is within reach was read, so that an answer is certain: what is unread may grant, or stand in the way. */
  get complete(): boolean {
    return this.world !== undefined && !this.full;
  }

  /** Relationships of an object, as far as they are known. */
  of({ type, id }: EntityRef): Relationship[] {
    return [...this.known.values()].filter(({ resource }) => resource.type === type && resource.id === id);
  }

  /** Reads what is within reach of the objects, the nearest first. */
  async reach(objects: readonly EntityRef[]): Promise<void> {
    const { world } = this;
    if (world === undefined) return;
    const open = [...objects];
    for (let next = open.shift(); next !== undefined; next = open.shift()) {
      if (this.looked.has(refText(next))) continue;
      if (this.known.size >= MAX_RELATIONSHIPS || this.looked.size >= MAX_OBJECTS) {
        this.full = true;
        return;
      }
      this.looked.add(refText(next));
      const read = await world.relationships(next);
      this.full ||= this.known.size + read.length > MAX_RELATIONSHIPS;
      for (const relationship of read) {
        this.keep(relationship);
        const { type, id } = relationship.subject;
        if (this.graph.memberNames(type).length > 0 && relationship.wildcard !== true) open.push({ type, id });
      }
    }
  }

  /** As things are. */
  async answers(checks: readonly Check[], context: Context): Promise<readonly CheckAnswer[]> {
    await this.reach(checks.map(({ resource }) => resource));
    const { membership } = await this.started();
    return (await membership.check(this.assertions(checks, context))).map(toAnswer);
  }

  /** Of the checks, those that would be answered otherwise, by their keys. @throws BadRequest where SpiceDB refuses one */
  async effects(
    updates: readonly RelationshipUpdate[],
    checks: readonly Check[],
    context: Context,
  ): Promise<ReadonlyMap<string, CheckAnswer>> {
    const before = await this.answers(checks, context);
    const { membership } = await this.started();
    const restoring = updates.flatMap(({ relationship }) => this.known.get(relationshipKey(relationship)) ?? []);
    const after = await membership.supposing(updates, restoring, this.assertions(checks, context));
    return new Map(
      checks.flatMap((check, i) => {
        const answer = toAnswer(after[i]);
        return answer.result === before[i]?.result ? [] : [[checkKey(check), answer]];
      }),
    );
  }

  private assertions(checks: readonly Check[], context: Context): object[] & Parameters<Membership['check']>[0] {
    return checks.map((check) =>
      this.graph.reach.reachesCaveat(check.resource.type, check.permission) ? { ...check, context } : check,
    );
  }

  private keep(relationship: Relationship): void {
    if (this.known.size < MAX_RELATIONSHIPS && refusalOf(relationship, this.graph) === undefined)
      this.known.set(relationshipKey(relationship), relationship);
  }

  private async started(): Promise<{ readonly membership: Membership }> {
    if (this.db?.size === this.known.size) return this.db;
    this.close();
    const membership = await Membership.start(this.graph.text, [...this.known.values()], this.graph.file);
    this.db = { membership, size: this.known.size };
    return this.db;
  }
}

function toAnswer(answer: Answer | undefined): CheckAnswer {
  if (answer === 'yes' || answer === 'no') return { result: answer, revision: REVISION };
  if (answer === 'conditional') return { result: answer, revision: REVISION, missing: [] };
  return { result: 'unanswerable', message: answer?.refused ?? 'no answer' };
}
