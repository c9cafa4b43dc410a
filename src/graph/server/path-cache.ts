/**
 * Paths that have been told before. With the next check of the same it is asked whether each relationship of them is
 * still there, in the same call and so at the same revision; then none has to be read. Only of relationships that a check
 * of their relation tells: to a single subject, without a caveat and without an end. What isn't there any more, or can't
 * be told that way, is read.
 */
import { LRUCache } from 'lru-cache';
import { checkOf } from '../relationship-text.js';
import { checkKey } from '../relationship-text.js';
import type { Graph } from '../schema/schema.js';
import type { AskedCheck } from '../../model/checks.js';

const MAX_PATHS = 20_000;
/** A bulk of SpiceDB's takes ten thousand checks: five hundred with as many relationships each. */
const MAX_STEPS = 15;

export interface RememberedPath {
  readonly path: readonly string[];
  /** A check for each relationship, by its key. */
  readonly steps: ReadonlyMap<string, AskedCheck>;
}

export class RememberedPaths {
  private readonly paths = new LRUCache<string, RememberedPath>({ max: MAX_PATHS });
  /** Where all of some must hold, one more may have come: then what was there is not the whole path. */
  private readonly complete: boolean;

  constructor(private readonly graph: Graph) {
    this.complete = !/\.\s*all\s*\(/.test(graph.text);
  }

  of(check: AskedCheck): RememberedPath | undefined {
    return this.paths.get(checkKey(check));
  }

  /** @param path from the resource to the subject, as it was told */
  keep(check: AskedCheck, path: readonly string[]): void {
    const steps = path.flatMap((text) => this.stepOf(text) ?? []);
    const telling = this.complete && steps.length > 0 && steps.length === path.length && steps.length <= MAX_STEPS;
    if (telling) this.paths.set(checkKey(check), { path, steps: new Map(steps.map((step) => [checkKey(step), step])) });
    else this.paths.delete(checkKey(check));
  }

  private stepOf(text: string): AskedCheck | undefined {
    const step = checkOf(text);
    if (step === undefined) return undefined;
    const { resource, permission } = step;
    const tells =
      this.graph.isDirect(resource.type, permission) && !this.graph.reach.reachesExpiration(resource.type, permission);
    return tells ? step : undefined;
  }
}
