/**
 * The price of the same questions to SpiceDB alone, through the client library and the settings that Remit uses, so many
 * at a time, each answer held against what is expected: `gate`, one CheckPermission of the relationship; or `facts`, one
 * CheckBulkPermissions of all that a decision asks of the graph.
 */
import { v1 } from '@authzed/authzed-node';
import { createAuthzedClient } from '../../../dist/graph/server/grpc-client.js';

const DEADLINE_MS = 10_000;
const consistency = { requirement: { oneofKind: 'fullyConsistent', fullyConsistent: true } };
const HELD = v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION;

const WAYS = {
  gate: {
    requestOf: (question) => v1.CheckPermissionRequest.create({ consistency, ...itemOf(question) }),
    ask: async (client, request) => (await call(client, 'checkPermission', request)).permissionship === HELD,
  },
  facts: {
    requestOf: (question) =>
      v1.CheckBulkPermissionsRequest.create({
        consistency,
        items: [
          itemOf(question),
          itemOf({ ...question, resource: { type: 'agent', id: question.agent }, check: { permission: 'delegator' } }),
          ...question.check.can.map((permission) => itemOf({ ...question, check: { permission } })),
        ],
      }),
    ask: async (client, request) => {
      const [{ response }] = (await call(client, 'checkBulkPermissions', request)).pairs;
      return response.item.permissionship === HELD;
    },
  },
};

/** @returns a client to load, and its end */
export function bareClient(address) {
  const client = createAuthzedClient(address);
  return {
    /** As load() of http.mjs, but of the questions themselves. */
    load: async ({ questions, way, connections, seconds }) => {
      const { requestOf, ask } = WAYS[way];
      const asked = questions.map((question) => ({ request: requestOf(question), holds: question.check.holds }));
      const started = performance.now();
      const until = started + seconds * 1000;
      const run = { latencies: [], errors: 0, wrong: 0, firstProblem: undefined, sent: 0 };
      const converse = async () => {
        for (let sent = performance.now(); sent < until; sent = performance.now()) {
          const { request, holds } = asked[run.sent++ % asked.length];
          try {
            const held = await ask(client, request);
            run.latencies.push(performance.now() - sent);
            if (held === holds) continue;
            run.wrong += 1;
            run.firstProblem ??= `expected ${holds}: ${JSON.stringify(request)}`;
          } catch (error) {
            run.errors += 1;
            run.firstProblem ??= String(error);
          }
        }
      };
      await Promise.all(Array.from({ length: connections }, converse));
      const { latencies, errors, wrong, firstProblem } = run;
      const count = latencies.length;
      return {
        perSecond: count / ((performance.now() - started) / 1000),
        count,
        latencies: Float64Array.from(latencies).sort(),
        errors,
        wrong,
        firstProblem,
      };
    },
    close: () => client.close(),
  };
}

function itemOf({ user, resource, check }) {
  return {
    resource: { objectType: resource.type, objectId: resource.id },
    permission: check.permission,
    subject: { object: { objectType: 'user', objectId: user }, optionalRelation: '' },
  };
}

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + DEADLINE_MS }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}
