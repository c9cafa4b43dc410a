/**
 * Tells which relationships rest on the requester of an approval: those that are theirs (on the user or on an agent that
 * asks, or leading to one, as their delegations do), and those on a group that one of them administers, who could have
 * written them for this very purpose. The resource itself is no group: who may write on it is the schema's business.
 */
import type { GraphSchema } from '../../graph/schema/schema.js';
import { formatRef, isSameRef, type EntityRef } from '../../model/ids.js';
import type { Relationship } from '../../model/relationships.js';
import { isSureNo, type BoundedGraph } from './bounded-graph.js';

/** The permission of a group's definition whose holders administer the group. */
export const ADMINISTER_PERMISSION = 'administer';

export interface RequesterTiesOptions {
  readonly schema: GraphSchema;
  /** The resource of the question. */
  readonly resource: EntityRef;
  /** The user and the agents of the question. */
  readonly requesters: readonly EntityRef[];
  /** Another permission whose holders administer a group, by the group's definition. */
  readonly administeredBy: ReadonlyMap<string, string>;
}

export class RequesterTies {
  private readonly administered = new Map<string, boolean>();

  constructor(
    private readonly graph: BoundedGraph,
    private readonly options: RequesterTiesOptions,
  ) {}

  /** Returns the relationships that don't rest on the requester. Throws as the graph does. */
  async selectIndependent(rows: readonly Relationship[]): Promise<Relationship[]> {
    await this.lookUpAdministered(rows.map(({ resource }) => resource));
    return rows.filter(
      ({ resource, subject, wildcard }) =>
        !this.isRequester(resource) &&
        (wildcard === true || !this.isRequester(subject)) &&
        this.administered.get(formatRef(resource)) !== true,
    );
  }

  private isRequester(ref: EntityRef): boolean {
    return this.options.requesters.some((requester) => isSameRef(requester, ref));
  }

  private async lookUpAdministered(objects: readonly EntityRef[]): Promise<void> {
    const open = new Map(objects.map((object) => [formatRef(object), object]));
    for (const key of [...open.keys()]) if (this.administered.has(key)) open.delete(key);
    open.delete(formatRef(this.options.resource));
    const checks = [...open.values()].flatMap((resource) =>
      this.administeringMembers(resource.type).flatMap((permission) =>
        this.options.requesters.map((subject) => ({ resource, permission, subject })),
      ),
    );
    const answers = await this.graph.check(checks);
    for (const key of open.keys()) this.administered.set(key, false);
    // What can't be told counts as administered.
    for (const [i, { resource }] of checks.entries())
      if (!isSureNo(answers[i])) this.administered.set(formatRef(resource), true);
  }

  private administeringMembers(type: string): string[] {
    const configured = this.options.administeredBy.get(type);
    return [ADMINISTER_PERMISSION, ...(configured === undefined ? [] : [configured])].filter((member) =>
      this.options.schema.hasMember(type, member),
    );
  }
}
