/** The world as a running service shows it to an admin client: what `remit explain --why-not` supposes changes of. */
import { parseStoredRelationship } from '../graph/relationship-text.js';
import type { WorldReader } from '../author/why-not/hypothetical-graph.js';
import type { EntityRef } from '../model/ids.js';
import { acceptedBody, type ServiceClient } from './service-client.js';

/** The most that `GET /v1/relationships` answers at once; a resource with more is read in part. */
const RELATIONSHIPS_PAGE_SIZE = 1000;

/** @throws UsageError from its methods, where the service refuses */
export function serviceWorld({ get }: Pick<ServiceClient, 'get'>): WorldReader {
  return {
    relationships: async ({ type, id }) => {
      const query = new URLSearchParams({
        resource_type: type,
        resource_id: id,
        limit: String(RELATIONSHIPS_PAGE_SIZE),
      });
      const { relationships } = acceptedBody(await get(`/v1/relationships?${query.toString()}`)) as {
        relationships: readonly { readonly relationship: string }[];
      };
      return relationships.map(({ relationship }) => parseStoredRelationship(relationship));
    },
    entity: async ({ type, id }) => {
      const reply = await get(`/v1/entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}`);
      if (reply.status === 404) return undefined;
      return acceptedBody(reply) as { attributes: Record<string, unknown>; parents: readonly EntityRef[] };
    },
  };
}
