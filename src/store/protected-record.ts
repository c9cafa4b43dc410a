/**
 * The record as the log has it: people are named by pseudonyms, and values and free text are commitments. A member shows itself
 * only where a rule here says so, so that one which is added later is a commitment until it has a rule. The same rules find
 * the places again where a record is restored.
 */
import { decodeId, encodeId, isPlainName, type EntityRef } from '../model/ids.js';
import { commit, deriveSalt, isCommitment } from '../runtime/commitment.js';

/** Makes the names and commitments of one record. */
export interface Protection {
  /** Makes the salts of the record's commitments. */
  readonly seed: Uint8Array;
  /** The name of a thing or a person in the log: a pseudonym of people, the id of others. */
  readonly nameOf: (ref: EntityRef) => string;
  /** Is told of each value that is replaced by a commitment. */
  readonly onCommitted?: (hash: string, value: unknown, path: string) => void;
}

/** People and values that a record has in places of their names and commitments. */
export interface HiddenContent {
  /** The id of a person by the type and the name in the log, `user:~…`. */
  readonly names: ReadonlyMap<string, string>;
  /** The value by its commitment's hash. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** Replaces what stands at the places that the rules name: by what hides it, or by what was hidden. */
interface Replacement {
  readonly value: (value: unknown, path: string) => unknown;
  readonly id: (ref: EntityRef) => string;
  readonly encodedId: (type: string, encoded: string) => string;
}

/** Makes of a member what takes its place. @param path of the member, as a JSON pointer */
type Rule = (value: unknown, replacement: Replacement, path: string) => unknown;

const shown: Rule = (value) => value;

const committed: Rule = (value, replacement, path) => replacement.value(value, path);

const shownName: Rule = (value, replacement, path) =>
  typeof value === 'string' && isPlainName(value) ? value : replacement.value(value, path);

/** A commitment has no members: it stands for a value. */
function isMembers(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isCommitment(value);
}

/** Replaces each member by its rule. This is done for each decision, so it makes no lists of the members. */
function membersOf(rules: Readonly<Record<string, Rule>>): Rule {
  const ruleByName = new Map(Object.entries(rules));
  return (value, replacement, path) => {
    if (!isMembers(value)) return committed(value, replacement, path);
    const result: Record<string, unknown> = {};
    for (const name of Object.keys(value)) {
      const member = value[name];
      if (member === undefined) continue;
      const rule = ruleByName.get(name) ?? committed;
      result[name] = rule === shown ? member : rule(member, replacement, `${path}/${escapePointer(name)}`);
    }
    return result;
  };
}

/** A name as a part of a JSON pointer. */
function escapePointer(name: string): string {
  return name.includes('~') || name.includes('/') ? name.replaceAll('~', '~0').replaceAll('/', '~1') : name;
}

function eachOf(rule: Rule): Rule {
  return (value, replacement, path) =>
    Array.isArray(value)
      ? value.map((element, i): unknown => rule(element, replacement, `${path}/${i}`))
      : committed(value, replacement, path);
}

/** `{type, id}`; a list may be of all of a type, and has no id. @param rules of the members beside these */
function referenceWith(rules: Readonly<Record<string, Rule>>): Rule {
  const otherMembers = membersOf(rules);
  return (value, replacement, path) => {
    if (!isMembers(value) || typeof value['type'] !== 'string') return committed(value, replacement, path);
    const { type, id, ...others } = value;
    const name = typeof id === 'string' ? replacement.id({ type, id }) : id;
    return { type, ...(id === undefined ? {} : { id: name }), ...(otherMembers(others, replacement, path) as object) };
  };
}

const reference = referenceWith({});
const listedThing = referenceWith({ masked: shown });
const listedName = membersOf({ name: shown, resource_type: shown, status: shown });
/** An item that a list returned: a thing, an action or a capability. */
const listedItem: Rule = (value, replacement, path) =>
  (isMembers(value) && 'id' in value ? listedThing : listedName)(value, replacement, path);

/** `user:alice`, with the id as it was written. */
const referenceText: Rule = (value, replacement, path) => {
  const [, type, id] = typeof value === 'string' ? (/^([a-z0-9_/]+):(.+)$/su.exec(value) ?? []) : [];
  if (type === undefined || id === undefined) return committed(value, replacement, path);
  return `${type}:${replacement.id({ type, id })}`;
};

/** `document:plan#owner@user:alice`, with ids encoded. */
const relationship: Rule = (value, replacement, path) => {
  if (typeof value !== 'string') return committed(value, replacement, path);
  return value.replace(
    /(?<=^|@)([a-z0-9_/]+):([\w/|+=~-]+)/g,
    (_, type: string, encoded: string) => `${type}:${replacement.encodedId(type, encoded)}`,
  );
};

const namedAction = membersOf({ name: shown });
/** A decision names its action by a text, a list by `{name}`. */
const actionName: Rule = (value, replacement, path) =>
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

/**
 * @param record the JSON of a decision or a list
 * @returns the same record, of the same shape
 */
export function protectRecord(record: object, protection: Protection): Readonly<Record<string, unknown>> {
  const { seed, nameOf, onCommitted } = protection;
  return replaceIn(record, {
    value: (value, path) => {
      const commitment = commit(value, deriveSalt(seed, path));
      onCommitted?.(commitment.$commit, value, path);
      return commitment;
    },
    id: nameOf,
    encodedId: (type, encoded) => {
      const id = decodeId(encoded);
      const name = nameOf({ type, id });
      return name === id ? encoded : name;
    },
  });
}

/** The record with what was hidden of it. What isn't among that stays as it is: it was never hidden. */
export function restoreRecord(record: object, { names, values }: HiddenContent): Readonly<Record<string, unknown>> {
  const idOf = (type: string, name: string): string | undefined => names.get(`${type}:${name}`);
  return replaceIn(record, {
    value: (value) => (isCommitment(value) && values.has(value.$commit) ? values.get(value.$commit) : value),
    id: ({ type, id }) => idOf(type, id) ?? id,
    encodedId: (type, encoded) => {
      const id = idOf(type, encoded);
      return id === undefined ? encoded : encodeId(id);
    },
  });
}

function replaceIn(record: object, replacement: Replacement): Readonly<Record<string, unknown>> {
  return recordRule(record, replacement, '') as Readonly<Record<string, unknown>>;
}
