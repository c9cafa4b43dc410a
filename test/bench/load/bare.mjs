/**
 * The price of the same question to SpiceDB alone: one CheckPermission, fully consistent, through the client library and
 * the settings that Remit uses, so many at a time, each answer held against what is expected.
 */
import { v1 } from '@authzed/authzed-node';
import { clientOf } from '../../../dist/engines/spicedb/connection.js';

const DEADLINE_MS = 5_000;

/** @returns a client to load, and its end */
export function bareClient({ endpoint, key }) {
  const client = clientOf({ endpoint, key, ca: undefined, plaintext: true });
  const consistency = { requirement: { oneofKind: 'fullyConsistent', fullyConsistent: true } };
  const requestOf = ({ user, resource, check }) =>
    v1.CheckPermissionRequest.create({
      consistency,
      resource: { objectType: resource.type, objectId: resource.id },
      permission: check.permission,
      subject: { object: { objectType: 'user', objectId: user }, optionalRelation: '' },
    });
  return {
    /** As load() of http.mjs, but for the questions themselves. */
    load: async ({ questions, connections, seconds }) => {
      const asked = questions.map((question) => ({ request: requestOf(question), holds: question.check.holds }));
      const started = performance.now();
      const until = started + seconds * 1000;
      const run = { latencies: [], errors: 0, wrong: 0, firstProblem: undefined, sent: 0 };
      const converse = async () => {
        for (let sent = performance.now(); sent < until; sent = performance.now()) {
          const { request, holds } = asked[run.sent++ % asked.length];
          try {
            const { permissionship } = await check(client, request);
            run.latencies.push(performance.now() - sent);
            const held = permissionship === v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION;
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

function check(client, request) {
  return new Promise((resolve, reject) => {
    client.checkPermission(request, { deadline: Date.now() + DEADLINE_MS }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}
