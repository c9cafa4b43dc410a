/** Relationships and entities as a running service tells an admin. */
import { parseRelationship } from '../graph/relationship-text.js';
import type { WorldReader } from '../author/why-not/hypothetical-graph.js';
import type { EntityRef } from '../model/ids.js';
import { rejectionError, type ServiceClient } from './service-client.js';

/** More than this are not given at once. */
const RELATIONSHIPS_PAGE_SIZE = 1000;

/** What it throws is a Usage, where the service refuses. */
export function serviceWorld({ get }: Pick<ServiceClient, 'get'>): WorldReader {
  return {
    relationships: async ({ type, id }) => {
      const query = new URLSearchParams({
        resource_type: type,
        resource_id: id,
        limit: String(RELATIONSHIPS_PAGE_SIZE),
      });
      const reply = await get(`/v1/relationships?${query.toString()}`);
      if (reply.status !== 200) throw rejectionError(reply);
      const { relationships } = reply.body as { relationships: readonly { readonly relationship: string }[] };
      return relationships.map(({ relationship }) => parseRelationship(relationship));
    },
    entity: async ({ type, id }) => {
      const reply = await get(`/v1/entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}`);
      if (reply.status === 404) return undefined;
      if (reply.status !== 200) throw rejectionError(reply);
      return reply.body as { attributes: Record<string, unknown>; parents: readonly EntityRef[] };
    },
  };
}
