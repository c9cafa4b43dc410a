/** The same questions to SpiceDB alone, through its HTTP gateway, for the load of http.mjs: what an API would call instead. */
import { post } from './http.mjs';

const FULLY_CONSISTENT = { fullyConsistent: true };
const HELD = '"permissionship":"PERMISSIONSHIP_HAS_PERMISSION"';
const NOT_HELD = '"permissionship":"PERMISSIONSHIP_NO_PERMISSION"';

/** The check of the relationship that each question is about. */
export function checkRequests(questions, spicedb) {
  return questions.map((question) =>
    post({
      port: spicedb.httpPort,
      path: '/v1/permissions/check',
      key: spicedb.key,
      body: { consistency: FULLY_CONSISTENT, ...itemOf(question) },
      includes: question.check.holds ? HELD : NOT_HELD,
    }),
  );
}

/** The checks of a list's records in one call: path and body. */
export function bulkCheck({ user, permission, type, ids }) {
  const items = ids.map((id) => itemOf({ user, resource: { type, id }, check: { permission } }));
  return ['/v1/permissions/checkbulk', { consistency: FULLY_CONSISTENT, items }];
}

/** The resources that a user reaches: path and body. */
export function lookup({ user, permission, type }) {
  const subject = { object: { objectType: 'user', objectId: user } };
  return [
    '/v1/permissions/resources',
    { consistency: FULLY_CONSISTENT, resourceObjectType: type, permission, subject },
  ];
}

function itemOf({ user, resource, check }) {
  return {
    resource: { objectType: resource.type, objectId: resource.id },
    permission: check.permission,
    subject: { object: { objectType: 'user', objectId: user } },
  };
}
