/** Decides a recorded question again with proposed changes, by the steps of a decision and the facts of the record. */
import { isDeepStrictEqual } from 'node:util';
import { findLiftingRemedies } from '../../decide/lifting-remedies.js';
import { redecide, type Redecision } from '../../records/redecide.js';
import type { ReplayableRecord } from '../../model/decision.js';
import { BadRequest } from '../../model/faults.js';
import { decodeId, formatRef, type EntityRef } from '../../model/ids.js';
import type { RelationshipUpdate } from '../../model/relationships.js';
import { parseCheckKey, checkKey, parseRelationship } from '../../graph/relationship-text.js';
import type { Rules } from '../../policy/load.js';
import { MAX_REFERENCE_DEPTH } from '../../policy/reference-limits.js';
import { DELEGATOR_RELATION } from '../../policy/schema/vocabulary.js';
import { applyChanges, isEffective, type ProposedChange } from './change.js';
import type { HypotheticalGraph, WorldReader } from './hypothetical-graph.js';
import { findProblems, type DenialProblem } from './denial-problems.js';
import type { PolicyVariants } from './policy-variants.js';

export interface ChangeEvaluation {
  readonly allowed: boolean;
  /** Problems in the order of the steps. Steps behind one that ends the decision don't run, so their problems are missing. */
  readonly problems: readonly DenialProblem[];
  /** Facts that the changed question needs and that are neither on record nor readable now. */
  readonly missing: readonly string[];
  readonly redecision: Redecision;
  readonly record: ReplayableRecord;
  readonly rules: Rules;
}

/** Decisions that the search for values leaves to the rest of the search. */
export const RESERVED_DECISIONS = 200;
/** Rounds of look-ups of what a change needs: the gate, the resource, and each reference that policies follow. */
const MAX_LOOKUP_ROUNDS = MAX_REFERENCE_DEPTH + 2;
/** Ancestors that are looked up for one entity, over any number of steps. */
const MAX_ANCESTORS = 100;

export class ChangeEvaluator {
  private readonly memo = new Map<string, ChangeEvaluation | undefined>();
  private spent = 0;

  constructor(
    private record: ReplayableRecord,
    private readonly variants: PolicyVariants,
    readonly hypothetical: HypotheticalGraph,
    private readonly world: WorldReader | undefined,
    /** Decisions at most. */
    private readonly budget: number,
  ) {}

  get decisions(): number {
    return this.spent;
  }

  /** The decisions that are left of the budget. */
  get remaining(): number {
    return this.budget - this.spent;
  }

  /** @returns undefined where the changes make the question or the rules invalid, or the budget is spent */
  async evaluate(changes: readonly ProposedChange[]): Promise<ChangeEvaluation | undefined> {
    const key = JSON.stringify(changes);
    if (!this.memo.has(key)) this.memo.set(key, await this.evaluateAnew(changes));
    return this.memo.get(key);
  }

  private async evaluateAnew(changes: readonly ProposedChange[]): Promise<ChangeEvaluation | undefined> {
    if (!changes.every((change) => isEffective(change, this.record.facts))) return undefined;
    const rules = this.variants.rulesWith(changes);
    if (rules === undefined) return undefined;
    try {
      let evaluation = await this.redecideWith(changes, rules);
      // What is missing may lead on to more: the gate to the resource, and a reference to another entity.
      for (let round = 0; round < MAX_LOOKUP_ROUNDS; round += 1) {
        if (evaluation === undefined || evaluation.missing.length === 0 || this.world === undefined) break;
        const { missing } = evaluation;
        await this.lookUpMissing(missing, this.world);
        evaluation = await this.redecideWith(changes, rules);
        if (isDeepStrictEqual(evaluation?.missing, missing)) break;
      }
      return evaluation;
    } catch (error) {
      if (error instanceof BadRequest) return undefined;
      throw error;
    }
  }

  /** @throws BadRequest */
  private async redecideWith(changes: readonly ProposedChange[], rules: Rules): Promise<ChangeEvaluation | undefined> {
    if (this.remaining <= 0) return undefined;
    this.spent += 1;
    const record = await this.applyRelationships(applyChanges(this.record, changes), changes);
    const redecision = redecide(record, rules);
    const { decision, missing } = redecision;
    const outcome = { missing, redecision, record, rules };
    if (!decision.decision && isLiftedByPeople(redecision, changes)) return { allowed: true, problems: [], ...outcome };
    return { allowed: decision.decision, problems: findProblems(redecision), ...outcome };
  }

  private async applyRelationships(
    record: ReplayableRecord,
    changes: readonly ProposedChange[],
  ): Promise<ReplayableRecord> {
    const updates = changes.flatMap((change): RelationshipUpdate[] =>
      change.kind === 'relationship'
        ? [{ operation: change.operation, relationship: parseRelationship(change.relationship) }]
        : [],
    );
    if (updates.length === 0) return record;
    const { facts } = record;
    const checks = Object.keys(facts.checks).flatMap((key) => parseCheckKey(key) ?? []);
    const effects = await this.hypothetical.changedAnswers(updates, checks, facts.said.context ?? {});
    // A user who delegates directly needs no path of agents that passed the delegation on.
    const direct = [...effects].some(
      ([key, { result }]) => result === 'yes' && parseCheckKey(key)?.permission === DELEGATOR_RELATION,
    );
    const { passed_on, ...otherFacts } = facts;
    return {
      ...record,
      facts: {
        ...otherFacts,
        checks: { ...facts.checks, ...Object.fromEntries(effects) },
        ...(passed_on === undefined || direct ? {} : { passed_on }),
      },
    };
  }

  /** Adds facts that the decision didn't gather to the record, as they are now. */
  private async lookUpMissing(missing: readonly string[], world: WorldReader): Promise<void> {
    const { facts } = this.record;
    const checks = missing.flatMap((text) => parseCheckKey(text) ?? []);
    const answers = await this.hypothetical.answerChecks(checks, facts.said.context ?? {});
    const answered = checks.flatMap((check, i) => {
      const answer = answers[i];
      return answer === undefined || !this.hypothetical.complete ? [] : [[checkKey(check), answer] as const];
    });
    const entities: [string, NonNullable<typeof facts.entities>[string]][] = [];
    // A part of an entity is missing as `type:id.attribute`: then all of the entity is read.
    const missingEntities = missing.flatMap((text) => /^[^:#]+:[^#. ]+(?=$|[. ])/.exec(text)?.[0] ?? []);
    for (const key of new Set(missingEntities)) {
      const cut = key.indexOf(':');
      const ref = { type: key.slice(0, cut), id: decodeId(key.slice(cut + 1)) };
      const entity = await world.entity(ref);
      entities.push([
        key,
        entity === undefined
          ? null
          : { attributes: entity.attributes, ancestors: await findAncestors(entity.parents, world) },
      ]);
    }
    this.record = {
      ...this.record,
      facts: {
        ...facts,
        checks: { ...facts.checks, ...Object.fromEntries(answered) },
        entities: { ...facts.entities, ...Object.fromEntries(entities) },
      },
    };
  }
}

/** Whether the yes that the changes have people say lifts the deny that is left with the other changes. */
function isLiftedByPeople({ evaluation }: Redecision, changes: readonly ProposedChange[]): boolean {
  const said = changes.flatMap((change) => (change.kind === 'people' ? change.remedies : []));
  const needed = said.length === 0 ? undefined : findLiftingRemedies(evaluation);
  return needed?.every((remedy) => said.some((other) => isDeepStrictEqual(other, remedy))) ?? false;
}

async function findAncestors(parents: readonly EntityRef[], world: WorldReader): Promise<EntityRef[]> {
  const visited = new Map<string, EntityRef>();
  const open = [...parents];
  for (let next = open.shift(); next !== undefined && visited.size < MAX_ANCESTORS; next = open.shift()) {
    if (visited.has(formatRef(next))) continue;
    visited.set(formatRef(next), next);
    open.push(...((await world.entity(next))?.parents ?? []));
  }
  return [...visited.values()];
}
