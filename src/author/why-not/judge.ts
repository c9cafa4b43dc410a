/** Deciding again with changes: by the code that decides, on the facts of the record as they would be. */
import { decideAgain, type Again } from '../../decide/decide.js';
import type { WithFacts } from '../../model/decision.js';
import { BadRequest } from '../../model/faults.js';
import { decodeId, refText, type EntityRef } from '../../model/ids.js';
import { type RelationshipUpdate } from '../../model/relationships.js';
import { checkOf } from '../../graph/relationship-text.js';
import { checkKey } from '../../graph/relationship-text.js';
import { parseRelationship } from '../../graph/relationship-text.js';
import type { Rules } from '../../policy/load.js';
import { DELEGATOR } from '../../policy/schema/vocabulary.js';
import { applied, isHeeded, type Change } from './change.js';
import type { Ground, World } from './ground.js';
import { problemsOf, type Problem } from './problems.js';
import type { Rulebook } from './rulebook.js';

export interface Judgement {
  readonly allowed: boolean;
  /** In the order of the steps; of those behind one that ends the decision nothing is known. */
  readonly problems: readonly Problem[];
  /** What is asked with the changes and neither on record nor to be had. */
  readonly missing: readonly string[];
  readonly again: Again;
  readonly record: WithFacts;
  readonly rules: Rules;
}

/** Decisions that looking for values leaves for what comes after. */
export const KEPT = 200;
/** Parents over any number of steps that are looked up of one entity. */
const MAX_ANCESTORS = 100;

export class Judge {
  private readonly memo = new Map<string, Judgement | undefined>();
  private spent = 0;

  constructor(
    private record: WithFacts,
    private readonly rulebook: Rulebook,
    readonly ground: Ground,
    private readonly world: World | undefined,
    /** Decisions that are made at most. */
    private readonly budget: number,
  ) {}

  get decisions(): number {
    return this.spent;
  }

  /** Decisions that may still be made. */
  get left(): number {
    return this.budget - this.spent;
  }

  /** Undefined where the question or the rules would be at fault with them, or the budget is spent. */
  async decide(changes: readonly Change[]): Promise<Judgement | undefined> {
    const key = JSON.stringify(changes);
    if (!this.memo.has(key)) this.memo.set(key, await this.judged(changes));
    return this.memo.get(key);
  }

  private async judged(changes: readonly Change[]): Promise<Judgement | undefined> {
    if (!changes.every((change) => isHeeded(change, this.record.facts))) return undefined;
    const rules = this.rulebook.with(changes);
    if (rules === undefined) return undefined;
    try {
      const first = await this.once(changes, rules);
      if (first === undefined || first.missing.length === 0 || this.world === undefined) return first;
      await this.lookUp(first.missing, this.world);
      return await this.once(changes, rules);
    } catch (error) {
      if (error instanceof BadRequest) return undefined;
      throw error;
    }
  }

  /** @throws BadRequest */
  private async once(changes: readonly Change[], rules: Rules): Promise<Judgement | undefined> {
    if (this.left <= 0) return undefined;
    this.spent += 1;
    const record = await this.withRelationships(applied(this.record, changes), changes);
    const again = decideAgain(record, rules);
    const { decision, missing } = again;
    return { allowed: decision.decision, problems: problemsOf(again), missing, again, record, rules };
  }

  private async withRelationships(record: WithFacts, changes: readonly Change[]): Promise<WithFacts> {
    const updates = changes.flatMap((change): RelationshipUpdate[] =>
      change.kind === 'relationship'
        ? [{ operation: change.operation, relationship: parseRelationship(change.relationship) }]
        : [],
    );
    if (updates.length === 0) return record;
    const { facts } = record;
    const checks = Object.keys(facts.checks).flatMap((key) => checkOf(key) ?? []);
    const effects = await this.ground.effects(updates, checks, facts.said.context ?? {});
    // Where the user has delegated directly, nobody looks for who passed it on.
    const direct = [...effects].some(([key, { result }]) => result === 'yes' && checkOf(key)?.permission === DELEGATOR);
    const { passed_on, ...others } = facts;
    return {
      ...record,
      facts: {
        ...others,
        checks: { ...facts.checks, ...Object.fromEntries(effects) },
        ...(passed_on === undefined || direct ? {} : { passed_on }),
      },
    };
  }

  /** What nobody asked then is looked up as it is now. */
  private async lookUp(missing: readonly string[], world: World): Promise<void> {
    const { facts } = this.record;
    const checks = missing.flatMap((text) => checkOf(text) ?? []);
    const answers = await this.ground.answers(checks, facts.said.context ?? {});
    const told = checks.flatMap((check, i) => {
      const answer = answers[i];
      return answer === undefined || !this.ground.complete ? [] : [[checkKey(check), answer] as const];
    });
    const entities: [string, NonNullable<typeof facts.entities>[string]][] = [];
    for (const text of missing.filter((one) => !one.includes('#'))) {
      const cut = text.indexOf(':');
      const ref = { type: text.slice(0, cut), id: decodeId(text.slice(cut + 1)) };
      const found = await world.entity(ref);
      entities.push([
        text,
        found === undefined ? null : { attributes: found.attributes, ancestors: await ancestors(found.parents, world) },
      ]);
    }
    this.record = {
      ...this.record,
      facts: {
        ...facts,
        checks: { ...facts.checks, ...Object.fromEntries(told) },
        entities: { ...facts.entities, ...Object.fromEntries(entities) },
      },
    };
  }
}

async function ancestors(parents: readonly EntityRef[], world: World): Promise<EntityRef[]> {
  const found = new Map<string, EntityRef>();
  const open = [...parents];
  for (let next = open.shift(); next !== undefined && found.size < MAX_ANCESTORS; next = open.shift()) {
    if (found.has(refText(next))) continue;
    found.set(refText(next), next);
    open.push(...((await world.entity(next))?.parents ?? []));
  }
  return [...found.values()];
}
