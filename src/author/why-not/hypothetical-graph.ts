/**
 * Keeps the relationships around a decision in an embedded SpiceDB of its own, so that SpiceDB itself can answer what a
 * check would be with one relationship more or less.
 */
import { GraphSandbox, type AssertionAnswer } from '../../graph/embedded/sandbox.js';
import { formatRef, isForeignId, type EntityRef } from '../../model/ids.js';
import type { CheckAnswer } from '../../model/checks.js';
import type { Check, Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { checkKey, relationshipKey, parseStoredRelationship } from '../../graph/relationship-text.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import { relationshipProblem } from '../../graph/schema/validate-relationship.js';

/** Reads relationships and entities of the running service. */
export interface WorldReader {
  /** Relationships of one object, at most one page of them. @throws where the service can't be asked */
  relationships(resource: EntityRef): Promise<readonly Relationship[]>;
  /** @returns undefined where nothing is stored */
  entity(
    ref: EntityRef,
  ): Promise<{ readonly attributes: Record<string, unknown>; readonly parents: readonly EntityRef[] } | undefined>;
}

/** Relationships that are read at most, and objects that they are read of. */
const MAX_RELATIONSHIPS = 1000;
const MAX_OBJECTS = 300;
/** The revision of answers that come from this graph and not from the service's SpiceDB. */
const HYPOTHETICAL_REVISION = 'supposed';

type CaveatContext = Readonly<Record<string, unknown>>;

export class HypotheticalGraph {
  private readonly relationships = new Map<string, Relationship>();
  private readonly visited = new Set<string>();
  private instance: { readonly membership: GraphSandbox; readonly size: number } | undefined;
  private truncated = false;

  /** @param evidence relationships that the decision's evidence names, so that they needn't be read */
  constructor(
    private readonly graph: GraphSchema,
    private readonly world: WorldReader | undefined,
    evidence: readonly string[],
  ) {
    for (const text of evidence) {
      try {
        this.addRelationship(parseStoredRelationship(text));
      } catch {
        // A relationship that can't be parsed is left out.
      }
    }
  }

  close(): void {
    this.instance?.membership.close();
    this.instance = undefined;
  }

  /** Whether everything within reach was read: an unread relationship may grant, or exclude. */
  get complete(): boolean {
    return this.world !== undefined && !this.truncated;
  }

  /** The known relationships of an object. */
  relationshipsOf({ type, id }: EntityRef): Relationship[] {
    return [...this.relationships.values()].filter(({ resource }) => resource.type === type && resource.id === id);
  }

  /** Reads the relationships within reach of the objects, the nearest first. */
  async readAround(objects: readonly EntityRef[]): Promise<void> {
    const { world } = this;
    if (world === undefined) return;
    const open = [...objects];
    for (let next = open.shift(); next !== undefined; next = open.shift()) {
      if (this.visited.has(formatRef(next))) continue;
      if (this.relationships.size >= MAX_RELATIONSHIPS || this.visited.size >= MAX_OBJECTS) {
        this.truncated = true;
        return;
      }
      this.visited.add(formatRef(next));
      const neighbours = await world.relationships(next);
      this.truncated ||= this.relationships.size + neighbours.length > MAX_RELATIONSHIPS;
      for (const relationship of neighbours) {
        this.addRelationship(relationship);
        const { type, id } = relationship.subject;
        if (this.graph.memberNames(type).length === 0 || relationship.wildcard === true) continue;
        // A request can't name an object with another application's id, so what it leads to stays unread.
        if (isForeignId(id)) this.truncated = true;
        else open.push({ type, id });
      }
    }
  }

  /** Answers checks by the known relationships. */
  async answerChecks(checks: readonly Check[], context: CaveatContext): Promise<readonly CheckAnswer[]> {
    await this.readAround(checks.map(({ resource }) => resource));
    const { membership } = await this.startMembership();
    return (await membership.check(this.toAssertions(checks, context))).map(toCheckAnswer);
  }

  /**
   * @returns the checks that the updates would answer otherwise, by their keys
   * @throws BadRequest where SpiceDB refuses an update
   */
  async changedAnswers(
    updates: readonly RelationshipUpdate[],
    checks: readonly Check[],
    context: CaveatContext,
  ): Promise<ReadonlyMap<string, CheckAnswer>> {
    const before = await this.answerChecks(checks, context);
    const { membership } = await this.startMembership();
    const restoring = updates.flatMap(
      ({ relationship }) => this.relationships.get(relationshipKey(relationship)) ?? [],
    );
    const after = await membership.checkWithUpdates(updates, restoring, this.toAssertions(checks, context));
    return new Map(
      checks.flatMap((check, i) => {
        const answer = toCheckAnswer(after[i]);
        return answer.result === before[i]?.result ? [] : [[checkKey(check), answer]];
      }),
    );
  }

  private toAssertions(
    checks: readonly Check[],
    context: CaveatContext,
  ): object[] & Parameters<GraphSandbox['check']>[0] {
    return checks.map((check) =>
      this.graph.reachability.reachesCaveat(check.resource.type, check.permission) ? { ...check, context } : check,
    );
  }

  private addRelationship(relationship: Relationship): void {
    if (this.relationships.size < MAX_RELATIONSHIPS && relationshipProblem(relationship, this.graph) === undefined)
      this.relationships.set(relationshipKey(relationship), relationship);
  }

  private async startMembership(): Promise<{ readonly membership: GraphSandbox }> {
    if (this.instance?.size === this.relationships.size) return this.instance;
    this.close();
    const membership = await GraphSandbox.start(this.graph.text, [...this.relationships.values()], this.graph.file);
    this.instance = { membership, size: this.relationships.size };
    return this.instance;
  }
}

function toCheckAnswer(answer: AssertionAnswer | undefined): CheckAnswer {
  if (answer === 'yes' || answer === 'no') return { result: answer, revision: HYPOTHETICAL_REVISION };
  if (answer === 'conditional') return { result: answer, revision: HYPOTHETICAL_REVISION, missing: [] };
  return { result: 'unanswerable', message: answer?.refused ?? 'no answer' };
}
