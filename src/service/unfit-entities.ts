/**
 * Stored entities that the Cedar schema no longer fits, found when a schema comes into force. Decisions don't wait for it:
 * a value of a wrong type or outside an `enum` denies there (`attribute_missing`). But an attribute that isn't declared any
 * more is read by no policy, and nothing else would tell.
 */
import { formatProblem } from '../diagnostics/diagnostics.js';
import { describeRef, type EntityRef } from '../model/ids.js';
import { findEntityProblem } from '../policy/entity-validation.js';
import type { Rules } from '../policy/load.js';
import type { EntityStore } from '../store/entities.js';

/** Entities that are looked at, so that a large store doesn't hold up a start or a reload. */
const MAX_EXAMINED = 10_000;
const PAGE_SIZE = 1000;
/** Entities that are named. */
const MAX_NAMED = 10;

/** Describes those that don't fit, a line each, or why they could not be read; empty where all fit. Never rejects. */
export async function describeUnfitEntities(store: Pick<EntityStore, 'page'>, rules: Rules): Promise<string[]> {
  const lines: string[] = [];
  let unfit = 0;
  let last: EntityRef | undefined;
  try {
    for (let examined = 0; examined < MAX_EXAMINED; examined += PAGE_SIZE) {
      const entities = await store.page(last, PAGE_SIZE);
      for (const entity of entities) {
        const problem = findEntityProblem(entity, rules);
        if (problem === undefined) continue;
        unfit += 1;
        if (unfit <= MAX_NAMED)
          lines.push(
            `the stored entity ${describeRef(entity)} does not fit the Cedar schema: ${formatProblem(problem)}`,
          );
      }
      if (entities.length < PAGE_SIZE) break;
      last = entities.at(-1);
    }
  } catch (error) {
    return [`stored entities could not be held against the Cedar schema: ${(error as Error).message}`];
  }
  return unfit <= MAX_NAMED ? lines : [...lines, `and ${unfit - MAX_NAMED} more stored entities do not fit it`];
}
