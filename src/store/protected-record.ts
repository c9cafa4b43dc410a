/**
 * The record as the log has it: people are named by pseudonyms, and values and free text are commitments. A member shows itself
 * only where a rule here says so, so that one which is added later is a commitment until it has a rule.
 */
import { decodeId, isPlainName, type EntityRef } from '../model/ids.js';
import { commit, deriveSalt, type Commitment } from '../runtime/commitment.js';

/** Makes the names and commitments of one record. */
export interface Protection {
  /** Makes the salts of the record's commitments. */
  readonly seed: Uint8Array;
  /** The name of a thing or a person in the log: a pseudonym of people, the id of others. */
  readonly nameOf: (ref: EntityRef) => string;
}

/** Makes of a member what the log shows of it. @param path of the member, as a JSON pointer */
export type ProtectingRule = (value: unknown, protection: Protection, path: string) => unknown;

export const shown: ProtectingRule = (value) => value;

/** @returns the commitment, whose salt is that of the path */
const committed = (value: unknown, { seed }: Protection, path: string): Commitment =>
  commit(value, deriveSalt(seed, path));

const shownName: ProtectingRule = (value, protection, path) =>
  typeof value === 'string' && isPlainName(value) ? value : committed(value, protection, path);

function isMembers(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Protects each member by its rule. This is done for each decision, so it makes no lists of the members. */
export function membersOf(rules: Readonly<Record<string, ProtectingRule>>): ProtectingRule {
  const ruleByName = new Map(Object.entries(rules));
  return (value, protection, path) => {
    if (!isMembers(value)) return committed(value, protection, path);
    const result: Record<string, unknown> = {};
    for (const name of Object.keys(value)) {
      const member = value[name];
      if (member === undefined) continue;
      const rule = ruleByName.get(name) ?? committed;
      result[name] = rule === shown ? member : rule(member, protection, `${path}/${escapePointer(name)}`);
    }
    return result;
  };
}

/** A name as a part of a JSON pointer. */
function escapePointer(name: string): string {
  return name.includes('~') || name.includes('/') ? name.replaceAll('~', '~0').replaceAll('/', '~1') : name;
}

export function eachOf(rule: ProtectingRule): ProtectingRule {
  return (value, protection, path) =>
    Array.isArray(value)
      ? value.map((element, i): unknown => rule(element, protection, `${path}/${i}`))
      : committed(value, protection, path);
}

/** `{type, id}`; a list may be of all of a type, and has no id. @param rules of the members beside these */
function referenceWith(rules: Readonly<Record<string, ProtectingRule>>): ProtectingRule {
  const otherMembers = membersOf(rules);
  return (value, protection, path) => {
    if (!isMembers(value) || typeof value['type'] !== 'string') return committed(value, protection, path);
    const { type, id, ...others } = value;
    const name = typeof id === 'string' ? protection.nameOf({ type, id }) : id;
    return { type, ...(id === undefined ? {} : { id: name }), ...(otherMembers(others, protection, path) as object) };
  };
}

export const reference = referenceWith({});
const listedThing = referenceWith({ masked: shown });
const listedName = membersOf({ name: shown, resource_type: shown, status: shown });
/** An item that a list returned: a thing, an action or a capability. */
const listedItem: ProtectingRule = (value, protection, path) =>
  (isMembers(value) && 'id' in value ? listedThing : listedName)(value, protection, path);

/** `user:alice`, with the id as it was written. */
const referenceText: ProtectingRule = (value, protection, path) => {
  const [, type, id] = typeof value === 'string' ? (/^([a-z0-9_/]+):(.+)$/su.exec(value) ?? []) : [];
  if (type === undefined || id === undefined) return committed(value, protection, path);
  return `${type}:${protection.nameOf({ type, id })}`;
};

/** `document:plan#owner@user:alice`, with ids encoded. */
const relationship: ProtectingRule = (value, protection, path) => {
  if (typeof value !== 'string') return committed(value, protection, path);
  return value.replace(/(?<=^|@)([a-z0-9_/]+):([\w/|+=-]+)/g, (text, type: string, encoded: string) => {
    const id = decodeId(encoded);
    const name = protection.nameOf({ type, id });
    return name === id ? text : `${type}:${name}`;
  });
};

const namedAction = membersOf({ name: shown });
/** A decision names its action by a text, a list by `{name}`. */
const actionName: ProtectingRule = (value, protection, path) =>
  typeof value === 'string' ? value : namedAction(value, protection, path);

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

/**
 * @param record the JSON of a decision or a list
 * @returns the same record, of the same shape
 */
export function protectRecord(record: object, protection: Protection): Readonly<Record<string, unknown>> {
  return recordRule(record, protection, '') as Readonly<Record<string, unknown>>;
}
