/** Finds out which permissions a person holds now: reviews and events are for those who do. */
import type { RelationshipGraph } from '../graph/port.js';
import { Fault } from '../model/faults.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import type { Rules } from '../policy/load.js';

export interface HeldPermission {
  readonly permission: string;
  readonly resource: EntityRef;
}

/** Names a permission on a resource. */
export function heldPermissionKey({ permission, resource }: HeldPermission): string {
  return `${formatRef(resource)}#${permission}`;
}

/**
 * @returns the keys of those that the person holds, without condition
 * @throws Fault where the graph can't answer
 */
export async function findHeldPermissions(
  graph: Pick<RelationshipGraph, 'check'>,
  { graph: schema }: Pick<Rules, 'graph'>,
  person: EntityRef,
  asked: readonly HeldPermission[],
): Promise<ReadonlySet<string>> {
  // A schema may have lost a permission since it was named.
  const known = asked.filter(({ permission, resource }) => schema.hasMember(resource.type, permission));
  const distinct = [...new Map(known.map((one) => [heldPermissionKey(one), one])).entries()];
  if (distinct.length === 0) return new Set();
  const answers = await graph.check(
    distinct.map(([, { permission, resource }]) => ({ permission, resource, subject: person })),
    'full',
  );
  const held = new Set<string>();
  for (const [i, answer] of answers.entries()) {
    if (answer.result === 'unknown') throw new Fault(answer.fault, 'the permissions of a reviewer');
    const key = distinct[i]?.[0];
    if (answer.result === 'yes' && key !== undefined) held.add(key);
  }
  return held;
}
