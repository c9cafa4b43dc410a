/** Round trips to the servers, counted where they begin: calls over gRPC by their names, and statements of SQL. */
import pg from 'pg';
import { Connection } from '../../../dist/graph/server/connection.js';

const CALLS = ['checkBulkPermissions', 'readRelationships', 'lookupResources', 'lookupSubjects', 'writeRelationships'];

/** Counts from now on. @returns a function that ends it and gives the counts */
export function countRoundTrips() {
  const counts = {};
  const restored = [...CALLS.map((name) => [Connection.prototype, name, name]), [pg.Client.prototype, 'query', 'SQL']].map(
    ([object, method, name]) => {
      const original = object[method];
      counts[name] = 0;
      object[method] = function counted(...args) {
        counts[name] += 1;
        return original.apply(this, args);
      };
      return () => (object[method] = original);
    },
  ); // prettier-ignore
  return () => {
    for (const restore of restored) restore();
    return counts;
  };
}
