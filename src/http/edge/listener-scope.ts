/** A listener's scope: everything, or, where administration has a listener of its own, that or all the rest. */
import type { Client, ClientPermission } from '../../model/question.js';

export type ListenerScope = 'all' | 'decisions' | 'administration';

/** The permissions that count on the listener for administration only. */
const ADMINISTRATION_PERMISSIONS: readonly ClientPermission[] = ['admin', 'metrics'];
/** Those that count on every listener: they allow nothing by themselves, and add to what another permission allows there. */
const ADDING_PERMISSIONS: readonly ClientPermission[] = ['read_values'];

function isPermissionInScope(scope: ListenerScope, permission: ClientPermission): boolean {
  if (scope === 'all' || ADDING_PERMISSIONS.includes(permission)) return true;
  return (scope === 'administration') === ADMINISTRATION_PERMISSIONS.includes(permission);
}

const restrictedClients: Readonly<Record<ListenerScope, WeakMap<Client, Client>>> = {
  all: new WeakMap(),
  decisions: new WeakMap(),
  administration: new WeakMap(),
};

/** The client with the permissions that count on a listener: an admin is one only where administration is. */
export function restrictClient(scope: ListenerScope, client: Client): Client {
  const cached = restrictedClients[scope].get(client);
  if (cached !== undefined) return cached;
  const may = new Set([...client.may].filter((permission) => isPermissionInScope(scope, permission)));
  const restricted = { ...client, may };
  restrictedClients[scope].set(client, restricted);
  return restricted;
}
