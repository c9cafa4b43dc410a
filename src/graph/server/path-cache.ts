/**
 * Paths that have been told before. With the next check of the same it is asked whether each relationship of them is
 * still there, in the same call and so at the same revision; then none has to be read. Only of relationships that a check
 * of their relation tells: to a single subject, without a caveat and without an end. What isn't there any more, or can't
 * be told that way, is read.
 */
import { LRUCache } from 'lru-cache';
import { parseCheckKey } from '../relationship-text.js';
import { checkKey } from '../relationship-text.js';
import type { GraphSchema } from '../schema/schema.js';
import type { CheckRequest } from '../../model/checks.js';

const MAX_CACHED_PATHS = 20_000;
/** A bulk of SpiceDB's takes ten thousand checks: five hundred with as many relationships each. */
const MAX_PATH_STEPS = 15;

export interface CachedPath {
  readonly path: readonly string[];
  /** A check for each relationship, by its key. */
  readonly steps: ReadonlyMap<string, CheckRequest>;
}

export class PathCache {
  private readonly paths = new LRUCache<string, CachedPath>({ max: MAX_CACHED_PATHS });
  /** Where all of some must hold, one more may have come: then what was there is not the whole path. */
  private readonly canReuse: boolean;

  constructor(private readonly schema: GraphSchema) {
    this.canReuse = !schema.hasAllArrows();
  }

  get(check: CheckRequest): CachedPath | undefined {
    return this.paths.get(checkKey(check));
  }

  /** @param path from the resource to the subject, as it was told */
  set(check: CheckRequest, path: readonly string[]): void {
    const steps = path.flatMap((text) => this.toStepCheck(text) ?? []);
    const isReusable =
      this.canReuse && steps.length > 0 && steps.length === path.length && steps.length <= MAX_PATH_STEPS;
    if (isReusable)
      this.paths.set(checkKey(check), { path, steps: new Map(steps.map((step) => [checkKey(step), step])) });
    else this.paths.delete(checkKey(check));
  }

  private toStepCheck(text: string): CheckRequest | undefined {
    const step = parseCheckKey(text);
    if (step === undefined) return undefined;
    const { resource, permission } = step;
    const isConclusive =
      this.schema.isDirectRelation(resource.type, permission) &&
      !this.schema.reachability.reachesExpiration(resource.type, permission);
    return isConclusive ? step : undefined;
  }
}
