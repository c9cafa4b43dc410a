/** Finds out which permissions a person holds now: reviews and events are for those who do. */
import type { GraphSnapshot } from '../graph/snapshot.js';
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

/** An item for the holders of a permission, except those who are barred from it, as `type:id`. */
export interface HeldItem extends HeldPermission {
  readonly barred?: readonly string[] | undefined;
}

/**
 * @returns the items of which the person holds the permission, without condition, and from which they aren't barred
 * @throws Fault where the graph can't answer
 */
export async function selectHeld<T extends HeldItem>(
  graph: Pick<GraphSnapshot, 'check'>,
  { graph: schema }: Pick<Rules, 'graph'>,
  person: EntityRef,
  items: readonly T[],
): Promise<T[]> {
  // A schema may have lost a permission since it was named.
  const open = items.filter(
    ({ permission, resource, barred = [] }) =>
      !barred.includes(formatRef(person)) && schema.hasMember(resource.type, permission),
  );
  const checks = new Map(
    open.map((item) => [
      heldPermissionKey(item),
      { permission: item.permission, resource: item.resource, subject: person },
    ]),
  );
  const answers = await graph.check([...checks.values()]);
  const held = new Set<string>();
  for (const [i, key] of [...checks.keys()].entries()) {
    const answer = answers[i];
    if (answer?.result === 'unknown') throw new Fault(answer.fault, 'the permissions of a reviewer');
    if (answer?.result === 'yes') held.add(key);
  }
  return open.filter((item) => held.has(heldPermissionKey(item)));
}
