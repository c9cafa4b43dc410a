/**
 * The record as the log has it: people are named by pseudonyms, and values and free text are commitments. A member shows itself
 * only where a rule here says so, so that one which is added later is a commitment until it has a rule.
 */
import { changeRule } from './protected-change.js';
import {
  eachOf, hideContent, membersOf, reference, referenceText, referenceWith, relationship, restoreContent, shown, shownName,
  type HiddenContent, type ProtectingRule, type Protection, type ShownRecord,
} from './protecting-rules.js'; // prettier-ignore

const listedThing = referenceWith({ masked: shown });
const listedName = membersOf({ name: shown, resource_type: shown, status: shown });
/** An item that a list returned: a thing, an action or a capability. */
const listedItem: ProtectingRule = (value, replacement, path) =>
  (typeof value === 'object' && value !== null && 'id' in value ? listedThing : listedName)(value, replacement, path);

const namedAction = membersOf({ name: shown });
/** A decision names its action by a text, a list by `{name}`. */
const actionName: ProtectingRule = (value, replacement, path) =>
  typeof value === 'string' ? value : namedAction(value, replacement, path);

const reasonRule = membersOf({
  code: shown,
  step: shown,
  policies: shown,
  consent: shown,
  delegation: relationship,
  required: shown,
  remaining: shown,
  resets_at: shown,
  not_before: shown,
  unstated: shown,
});
const parties = { mode: shown, user: referenceText, agent: referenceText, chain: eachOf(referenceText) };
const citedPoliciesRule = eachOf(membersOf({ id: shown, title: shown, source: shown }));
const evidenceRule = membersOf({
  // token
  issuer: shown,
  format: shown,
  jti: shown,
  expires_at: shown,
  session: shown,
  access: shown,
  asserted_by: shown,
  // binding, delegation, relationship
  mode: shown,
  subject: referenceText,
  scope: shown,
  permission: shown,
  agent_permission: shown,
  revision: shown,
  path: eachOf(relationship),
  path_unknown: shown,
  delegation: relationship,
  // consent
  required: shown,
  consent: shown,
  ends: shown,
  approval: shown,
  approved_until: shown,
  approvers: eachOf(referenceText),
  retry_of: shown,
  // policy, obligations
  permitted_by: citedPoliciesRule,
  forbidden_by: citedPoliciesRule,
  duties: citedPoliciesRule,
  reviews: citedPoliciesRule,
  // record
  id: shown,
});
const recordRule = membersOf({
  id: shown,
  evaluated_at: shown,
  client: shown,
  decision: shown,
  dry_run: shown,
  policy_version: shown,
  request: membersOf({
    subject: reference,
    action: actionName,
    resource: reference,
    request_id: shownName,
    task: shownName,
    types: eachOf(shownName),
    types_not_named: shown,
    records: shown,
  }),
  token: membersOf({ issuer: shown, jti: shown, client_id: shown, session: shown, transaction: shown }),
  reasons: eachOf(reasonRule),
  obligations: eachOf(membersOf({ id: shown, type: shown, properties: membersOf({ fields: shown }) })),
  reservation: membersOf({ decision: shown, settles_at: shown }),
  approval: membersOf({ id: shown, approved_until: shown }),
  rationale: membersOf({
    acting: membersOf(parties),
    steps: eachOf(membersOf({ step: shown, outcome: shown, evidence: evidenceRule })),
    ignored: membersOf({ count: shown }),
  }),
  // The members of a list.
  search: shown,
  acting: membersOf(parties),
  revision: shown,
  found: shown,
  items: eachOf(listedItem),
  masks: eachOf(membersOf({ mask: membersOf({ fields: shown }), visible_fields: membersOf({ fields: shown }) })),
  left_out: shown,
});

/** An outcome is told in clear. What it came to, and what a client writes of it, may tell of people. */
const outcomeRule = membersOf({ outcome: shown, at: shown, exceeds_reservation: shown });

/**
 * @param record the JSON of a decision, a list, a change or an outcome
 * @returns the same record, of the same shape
 */
export function protectRecord(record: object, protection: Protection): ShownRecord {
  return hideContent(findRule(record), record, protection);
}

/** @param record as it is stored @returns it with the values, as the transaction that stored it has left it */
export function restoreRecord(record: object, hidden: HiddenContent): ShownRecord {
  return restoreContent(findRule(record), record, hidden);
}

/** Changes alone have the act that they are of, and outcomes what came of it. */
function findRule(record: object): ProtectingRule {
  if ('act' in record) return changeRule;
  return 'outcome' in record ? outcomeRule : recordRule;
}
