/** The record of a change as the log has it. A member that has no rule here is a commitment, as in the records of decisions. */
import { eachOf, membersOf, reference, relationship, shown } from './protecting-rules.js';

/** Details, limits, purposes, conditions, notes and reasons are commitments: they may name people, and say what they do. */
const termsRule = membersOf({
  // Delegations and consents.
  online: shown,
  background: shown,
  access: shown,
  confirm: shown,
  starts: shown,
  ends: shown,
  given: shown,
  request: shown,
  // Approvals and elevations.
  steps: eachOf(shown),
  scope: shown,
  approved_until: shown,
  relation: shown,
  // Reviews.
  permission: shown,
  resource: reference,
  verdict: shown,
  due: shown,
  ends_grants: shown,
  // Paths.
  revision: shown,
  path: eachOf(relationship),
  policy_version: shown,
  // Revocations.
  issuer: shown,
  jti: shown,
  session: shown,
  issued_before: shown,
});
export const changeRule = membersOf({
  act: shown,
  at: shown,
  change: shown,
  by: membersOf({ client: shown, user: reference, agent: reference, remit: shown }),
  user: reference,
  agent: reference,
  terms: termsRule,
});
