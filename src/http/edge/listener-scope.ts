/** What a listener is for: everything, or, where administration has one of its own, that or all the rest. */
import type { Client, Permission } from '../../model/question.js';

export type Part = 'all' | 'decisions' | 'administration';

/** What is the operators' business. */
const ADMINISTRATION: readonly Permission[] = ['admin', 'metrics'];

/** Whether a permission counts on a listener. */
function counts(part: Part, permission: Permission): boolean {
  return part === 'all' || (part === 'administration') === ADMINISTRATION.includes(permission);
}

const seen: Readonly<Record<Part, WeakMap<Client, Client>>> = {
  all: new WeakMap(),
  decisions: new WeakMap(),
  administration: new WeakMap(),
};

/** The client with the permissions that count there: an admin is one on the administration's listener only. */
export function seenOn(part: Part, client: Client): Client {
  const known = seen[part].get(client);
  if (known !== undefined) return known;
  const may = new Set([...client.may].filter((permission) => counts(part, permission)));
  const narrowed = { ...client, may };
  seen[part].set(client, narrowed);
  return narrowed;
}
