/** Relationships that SpiceDB says would make a check a yes. */
import { BadRequest } from '../../model/faults.js';
import { refText } from '../../model/ids.js';
import { type Check } from '../../model/relationships.js';
import { checkKey } from '../../graph/relationship-text.js';
import { parseRelationship } from '../../graph/relationship-text.js';
import type { Rules } from '../../policy/load.js';
import type { Change } from './change.js';
import type { Ground } from './ground.js';
import { waysTo } from './ways.js';

type Written = Extract<Change, { kind: 'relationship' }>;

/** Of those that help. */
const BEST = 3;
/** What is written of another object gives more than can be counted here. */
const ELSEWHERE = 1000;
/** Where no single one does, pairs of these. */
const PAIRED = 10;

export class Granting {
  private readonly memo = new Map<string, readonly (readonly Written[])[]>();

  constructor(
    private readonly ground: Ground,
    private readonly now: Date,
    private readonly context: Readonly<Record<string, unknown>>,
  ) {}

  /** Those on the resource itself first, and of these such as give the least besides. */
  async granting(check: Check, { graph }: Rules): Promise<readonly (readonly Written[])[]> {
    const key = checkKey(check);
    const known = this.memo.get(key);
    if (known !== undefined) return known;
    await this.ground.reach([check.resource]);
    const ways = waysTo(check, graph, this.ground, this.now);
    const others = graph
      .permissionNames(check.resource.type)
      .map((permission) => ({ resource: check.resource, permission, subject: check.subject }));
    const own = `${refText(check.resource)}#`;
    const elsewhere = ({ relationship }: Written): boolean => !relationship.startsWith(own);
    const helping: { readonly changes: readonly Written[]; readonly besides: number }[] = [];
    const attempt = async (changes: readonly Written[]): Promise<void> => {
      const effects = await this.effects(changes, [check, ...others]);
      if (effects.get(key)?.result === 'yes')
        helping.push({ changes, besides: effects.size + changes.filter(elsewhere).length * ELSEWHERE });
    };
    for (const way of ways) await attempt([way]);
    const pairs = ways.slice(0, PAIRED).flatMap((a, i) => ways.slice(i + 1, PAIRED).map((b) => [a, b]));
    for (const pair of pairs) if (helping.length === 0) await attempt(pair);
    const best = helping
      .sort((a, b) => a.besides - b.besides)
      .slice(0, BEST)
      .map(({ changes }) => changes);
    this.memo.set(key, best);
    return best;
  }

  private async effects(changes: readonly Written[], checks: readonly Check[]) {
    try {
      const updates = changes.map(({ operation, relationship }) => ({
        operation,
        relationship: parseRelationship(relationship),
      }));
      return await this.ground.effects(updates, checks, this.context);
    } catch (error) {
      if (error instanceof BadRequest) return new Map<string, never>();
      throw error;
    }
  }
}
