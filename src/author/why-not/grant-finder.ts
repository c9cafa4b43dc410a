/** Finds relationships that, by SpiceDB's own answer, make a check a yes. */
import { BadRequest } from '../../model/faults.js';
import { formatRef } from '../../model/ids.js';
import type { Check } from '../../model/relationships.js';
import { checkKey, parseRelationship } from '../../graph/relationship-text.js';
import type { Rules } from '../../policy/load.js';
import type { RelationshipChange } from './change.js';
import type { HypotheticalGraph } from './hypothetical-graph.js';
import { findGrantingRelationships } from './granting-relationships.js';

/** Changes that are returned for one check at most. */
const MAX_GRANTS = 3;
/** The weight of a relationship of another object, which grants more than can be counted here. */
const OTHER_OBJECT_WEIGHT = 1000;
/** Candidates that are tried in pairs where no single one helps. */
const MAX_PAIRED_RELATIONSHIPS = 10;

export class GrantFinder {
  private readonly memo = new Map<string, readonly (readonly RelationshipChange[])[]>();

  constructor(
    private readonly hypothetical: HypotheticalGraph,
    private readonly now: Date,
    private readonly context: Readonly<Record<string, unknown>>,
  ) {}

  /** @returns changes on the resource itself first, sorted by how few other permissions they give */
  async findGrants(check: Check, { graph }: Rules): Promise<readonly (readonly RelationshipChange[])[]> {
    const key = checkKey(check);
    const cached = this.memo.get(key);
    if (cached !== undefined) return cached;
    await this.hypothetical.readAround([check.resource]);
    const candidates = findGrantingRelationships(check, graph, this.hypothetical, this.now);
    const otherChecks = graph
      .permissionNames(check.resource.type)
      .map((permission) => ({ resource: check.resource, permission, subject: check.subject }));
    const resourcePrefix = `${formatRef(check.resource)}#`;
    const isElsewhere = ({ relationship }: RelationshipChange): boolean => !relationship.startsWith(resourcePrefix);
    const helping: { readonly changes: readonly RelationshipChange[]; readonly besides: number }[] = [];
    const attempt = async (changes: readonly RelationshipChange[]): Promise<void> => {
      const effects = await this.changedAnswers(changes, [check, ...otherChecks]);
      if (effects.get(key)?.result === 'yes')
        helping.push({ changes, besides: effects.size + changes.filter(isElsewhere).length * OTHER_OBJECT_WEIGHT });
    };
    for (const candidate of candidates) await attempt([candidate]);
    const pairs = candidates
      .slice(0, MAX_PAIRED_RELATIONSHIPS)
      .flatMap((a, i) => candidates.slice(i + 1, MAX_PAIRED_RELATIONSHIPS).map((b) => [a, b]));
    for (const pair of pairs) if (helping.length === 0) await attempt(pair);
    const best = helping
      .sort((a, b) => a.besides - b.besides)
      .slice(0, MAX_GRANTS)
      .map(({ changes }) => changes);
    this.memo.set(key, best);
    return best;
  }

  private async changedAnswers(changes: readonly RelationshipChange[], checks: readonly Check[]) {
    try {
      const updates = changes.map(({ operation, relationship }) => ({
        operation,
        relationship: parseRelationship(relationship),
      }));
      return await this.hypothetical.changedAnswers(updates, checks, this.context);
    } catch (error) {
      if (error instanceof BadRequest) return new Map<string, never>();
      throw error;
    }
  }
}
