/** Finds out which permissions a person holds now: reviews and events are for those who do. */
import type { GraphSnapshot } from '../graph/snapshot.js';
import type { CheckAnswer } from '../model/checks.js';
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
  const answers = await checkHeld(graph, person, open);
  return open.filter((item) => answers.get(heldPermissionKey(item))?.result === 'yes');
}

/**
 * Asks whether the person holds each permission.
 * @returns the answers by the permissions' keys
 * @throws Fault where the graph can't answer
 */
export async function checkHeld(
  graph: Pick<GraphSnapshot, 'check'>,
  person: EntityRef,
  permissions: readonly HeldPermission[],
): Promise<ReadonlyMap<string, CheckAnswer | undefined>> {
  const checks = new Map(
    permissions.map((held) => [
      heldPermissionKey(held),
      { permission: held.permission, resource: held.resource, subject: person },
    ]),
  );
  const answers = await graph.check([...checks.values()]);
  const failed = answers.find((answer) => answer.result === 'unknown');
  if (failed?.result === 'unknown') throw new Fault(failed.fault, 'the permissions of a person');
  return new Map([...checks.keys()].map((key, i) => [key, answers[i]]));
}
