/** Deputies: who may approve what the members of a group may, as `approvals.deputies` of the configuration says. */
import type { GraphSchema } from '../../graph/schema/schema.js';

/** The relation or permission of a group's definition that its members hold. */
export const MEMBER_NAME = 'member';

export class Deputies {
  private readonly reaching = new Map<string, boolean>();

  /** @param relations by the definition of groups the relation of their deputies */
  constructor(
    private readonly relations: ReadonlyMap<string, string>,
    private readonly schema: GraphSchema,
  ) {}

  /** The relation of those who may approve what the holders of `type#member` may; undefined where there are none. */
  relationBeside(type: string, member: string): string | undefined {
    return member === MEMBER_NAME ? this.relations.get(type) : undefined;
  }

  /** Whether members of a group with deputies may come to hold `type#member`: then a deputy may, where SpiceDB says no. */
  mayReach(type: string, member: string): boolean {
    const key = `${type}#${member}`;
    let reached = this.reaching.get(key);
    if (reached === undefined) {
      reached = [...this.relations.keys()].some((group) =>
        this.schema.reachability.reachesMember(type, member, group, MEMBER_NAME),
      );
      this.reaching.set(key, reached);
    }
    return reached;
  }
}
