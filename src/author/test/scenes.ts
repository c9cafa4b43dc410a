/** What there is when a test's questions are asked: the file's world and clock, or as the test changes them. */
import { relationshipKey } from '../../graph/relationship-text.js';
import { parseRelationship } from '../../graph/relationship-text.js';
import { storable } from '../../policy/entity-validation.js';
import type { Rules } from '../../policy/load.js';
import { didYouMean } from '../../diagnostics/suggest.js';
import type { World } from '../../config/world.js';
import type { Changes, Scene } from './case.js';
import { changed, find } from './entities.js';
import type { Test } from './format.js';
import type { Path, Problems } from './problems.js';

export class Scenes {
  private readonly calm: Scene;

  constructor(
    world: World,
    now: string,
    private readonly rules: Rules,
    private readonly problems: Problems,
  ) {
    this.calm = { world, changes: { with: [], without: [], entities: [] }, now: new Date(now) };
  }

  /** Tests that change nothing share their file's scene. */
  of(test: Test, at: Path): Scene {
    const { world, now } = this.calm;
    const changes = { with: test.with ?? [], without: test.without ?? [], entities: test.entities ?? [] };
    const none = changes.with.length + changes.without.length + changes.entities.length === 0;
    if (none && test.now === undefined) return this.calm;
    this.check(changes, at);
    return { world, changes, now: test.now === undefined ? now : new Date(test.now) };
  }

  private check(changes: Changes, at: Path): void {
    const { world } = this.calm;
    const known = new Set(changes.without.length === 0 ? [] : world.relationships.map(relationshipKey));
    for (const [i, text] of changes.with.entries()) this.relationship([...at, 'with', i], text);
    for (const [i, text] of changes.without.entries()) {
      const path = [...at, 'without', i];
      const key = this.relationship(path, text);
      if (key !== undefined && !known.has(key))
        this.problems.say(path, `the world has no such relationship${didYouMean(key, known)}`);
    }
    for (const [i, change] of changes.entities.entries()) {
      const entity = changed(find(world, change), change);
      const why = entity === undefined ? undefined : storable(entity, this.rules);
      if (why !== undefined) this.problems.say([...at, 'entities', i], why);
      this.problems.id([...at, 'entities', i, 'id'], change.id);
    }
  }

  /** Its key, where it is one. */
  private relationship(path: Path, text: string): string | undefined {
    try {
      return relationshipKey(parseRelationship(text));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.problems.say(path, `"${text}" ${error.message}`);
      return undefined;
    }
  }
}
