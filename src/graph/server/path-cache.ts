/**
 * The cache of paths that were found for a check. The next equal check asks in the same call, and so at the same revision,
 * whether each relationship of the path is still there; then none has to be read. Only paths of relationships that a
 * check of their relation proves are cached: to a single subject, with no caveat and no expiration.
 */
import { LRUCache } from 'lru-cache';
import { estimateListBytes, MAX_CACHED_KEY_LENGTH } from '../cache-size.js';
import { checkKey, parseCheckKey } from '../relationship-text.js';
import type { GraphSchema } from '../schema/schema.js';
import type { CheckRequest } from '../../model/checks.js';

const MAX_PATH_BYTES = 16 * 1024 * 1024;
/** SpiceDB takes ten thousand checks in a bulk: five hundred with so many relationships each. */
const MAX_PATH_STEPS = 15;

export interface CachedPath {
  readonly path: readonly string[];
  /** A check for each relationship, by its key. */
  readonly steps: ReadonlyMap<string, CheckRequest>;
}

export class PathCache {
  private readonly paths = new LRUCache<string, CachedPath>({
    maxSize: MAX_PATH_BYTES,
    // Each step is in it as text, as key and as check.
    sizeCalculation: ({ path }, key) => 4 * estimateListBytes(path, key),
  });
  /** False where a permission needs all of some objects: one more may have come, and the cached path would lack it. */
  private readonly canReuse: boolean;

  constructor(private readonly schema: GraphSchema) {
    this.canReuse = !schema.hasAllArrows();
  }

  get(check: CheckRequest): CachedPath | undefined {
    return this.paths.get(checkKey(check));
  }

  /** @param path from the resource to the subject; one that can't be cached takes the place of the former one, too */
  set(check: CheckRequest, path: readonly string[]): void {
    const steps = path.flatMap((text) => this.toStepCheck(text) ?? []);
    const key = checkKey(check);
    const isReusable =
      this.canReuse &&
      key.length <= MAX_CACHED_KEY_LENGTH &&
      steps.length > 0 &&
      steps.length === path.length &&
      steps.length <= MAX_PATH_STEPS;
    if (isReusable) this.paths.set(key, { path, steps: new Map(steps.map((step) => [checkKey(step), step])) });
    else this.paths.delete(key);
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
