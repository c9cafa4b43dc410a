/** Changes to a decision's facts or rules that why-not proposes: as data, as text, and by their weight. */
import type { AuthorizationDetail } from '../../model/acting.js';
import type { RecordedFacts, ReplayableRecord } from '../../model/decision.js';
import { formatAttributePath } from '../../model/entities.js';
import { describeRef, formatRef, type EntityRef } from '../../model/ids.js';
import type { Remedy } from '../../model/remedies.js';
import type { UpdateOperation } from '../../model/relationships.js';
import { getVerifiedCredential } from '../../decide/bound-question.js';

export type ProposedChange =
  /** A member of the request; without a value, the member is left out. */
  | { readonly kind: 'request'; readonly at: readonly string[]; readonly value?: unknown }
  | { readonly kind: 'token'; readonly scopes: readonly string[] }
  | { readonly kind: 'token'; readonly detail: AuthorizationDetail }
  | { readonly kind: 'token'; readonly purpose: string | null }
  | { readonly kind: 'token'; readonly access: 'online' | 'background' }
  /** A token of a session that hasn't ended. */
  | { readonly kind: 'token'; readonly session: 'new' }
  /** A token with these earlier agents, newest first. */
  | { readonly kind: 'token'; readonly chain: readonly string[] }
  | { readonly kind: 'relationship'; readonly operation: UpdateOperation; readonly relationship: string }
  /** Attributes in addition to the stored ones; null removes one. */
  | { readonly kind: 'entity'; readonly entity: EntityRef; readonly attributes: Readonly<Record<string, unknown>> }
  /** The time of the question (RFC 3339). */
  | { readonly kind: 'time'; readonly at: string }
  /** The yes of people to the question as the other changes make it, all of them. */
  | { readonly kind: 'people'; readonly remedies: readonly Remedy[] }
  /** The policy's whole new text, with the clause that was added. */
  | {
      readonly kind: 'policy';
      readonly id: string;
      readonly source: string;
      readonly clause: string;
      readonly text: string;
    }
  /** The text of an additional policy. */
  | { readonly kind: 'policy'; readonly add: string };

/** Changes that are made together. */
export type ChangeOption = readonly ProposedChange[];
export type RelationshipChange = Extract<ProposedChange, { kind: 'relationship' }>;

type ChangeKind = ProposedChange['kind'];
/** The weight of a change of policies, which is more than any other changes together. */
export const LAST_RESORT = 1000;
/** Every change weighs ten or a little more, so that fewer changes come before milder ones. */
const WEIGHTS: Readonly<Record<ChangeKind, number>> = {
  people: 10,
  request: 10,
  token: 11,
  relationship: 12,
  entity: 13,
  time: 14,
  policy: LAST_RESORT,
};

export function totalWeight(changes: readonly ProposedChange[]): number {
  return changes.reduce((sum, { kind }) => sum + WEIGHTS[kind], 0);
}

/** The change as an imperative, such as "write the relationship agent:planner#delegator@user:ann". */
export function changeText(change: ProposedChange): string {
  switch (change.kind) {
    case 'request':
      return change.value === undefined
        ? `ask without ${change.at.join('.')}`
        : `ask with ${change.at.join('.')} = ${JSON.stringify(change.value)}`;
    case 'token':
      return `ask with a token ${tokenText(change)}`;
    case 'relationship':
      return `${change.operation === 'delete' ? 'delete' : 'write'} the relationship ${change.relationship}`;
    case 'entity':
      if (Object.keys(change.attributes).length === 0) return `store ${describeRef(change.entity)}`;
      return `store of ${describeRef(change.entity)}: ${Object.entries(change.attributes)
        .map(([name, value]) => (value === null ? `no ${name}` : `${name} = ${JSON.stringify(value)}`))
        .join(', ')}`;
    case 'time':
      return `ask at ${change.at}`;
    case 'people':
      return `get for it ${change.remedies.map(peopleText).join(' and ')}`;
    case 'policy':
      return 'add' in change
        ? `add the policy ${change.add}`
        : `change the policy ${change.id} (${change.source}): add ${change.clause}`;
  }
}

function peopleText(remedy: Remedy): string {
  return remedy.type === 'approval' ? `the approval of a holder of "${remedy.permission}"` : "the user's consent";
}

function tokenText(change: Extract<ProposedChange, { kind: 'token' }>): string {
  if ('scopes' in change) return `that has the scope "${change.scopes.join(' ')}" as well`;
  if ('detail' in change) return `whose authorization_details have ${JSON.stringify(change.detail)} as well`;
  if ('purpose' in change) return change.purpose === null ? 'for no purpose' : `for the purpose "${change.purpose}"`;
  if ('access' in change) return change.access === 'online' ? 'for when the user is there' : 'for background use';
  if ('session' in change) return 'of a session that is alive';
  return change.chain.length === 0
    ? 'that no other agent has passed on'
    : `that came through ${change.chain.join(', before it ')} alone`;
}

/**
 * Whether the decision may heed the change. An agent's own question is its action with its properties; of resources and
 * circumstances it can only leave out what it stated.
 */
export function isEffective(change: ProposedChange, { caller }: RecordedFacts): boolean {
  if (change.kind !== 'request' || caller.kind === 'client' || change.value === undefined) return true;
  const [place = '', ...path] = change.at;
  if (place === 'context') return path[0] === 'purpose' || Object.hasOwn(RECORDED_CONTEXT_MEMBERS, path[0] ?? '');
  return path.length === 0 || place === 'action';
}

/** @returns the record with the changes, except those of relationships, policies and people, which a record doesn't hold */
export function applyChanges(record: ReplayableRecord, changes: readonly ProposedChange[]): ReplayableRecord {
  return changes.reduce(applyChange, record);
}

function applyChange(record: ReplayableRecord, change: ProposedChange): ReplayableRecord {
  const { facts } = record;
  switch (change.kind) {
    case 'request':
      return changeRequest(record, change.at, change.value);
    case 'token':
      return { ...record, facts: changeToken(facts, change) };
    case 'entity': {
      const key = formatRef(change.entity);
      const storedEntity = facts.entities?.[key] ?? { attributes: {}, ancestors: [] };
      const merged = Object.entries({ ...storedEntity.attributes, ...change.attributes }).filter(
        ([, value]) => value !== null,
      );
      const replaced = Object.keys(change.attributes).map((name) => formatAttributePath([name]));
      const omitted = storedEntity.omitted?.filter((path) => !replaced.includes(path));
      const stored = { ...storedEntity, attributes: Object.fromEntries(merged), ...(omitted && { omitted }) };
      return { ...record, facts: { ...facts, entities: { ...facts.entities, [key]: stored } } };
    }
    case 'time':
      return { ...record, evaluated_at: change.at };
    case 'people':
    case 'relationship':
    case 'policy':
      return record;
  }
}

/** Members of the request's context that the record keeps as members of their own. */
const RECORDED_CONTEXT_MEMBERS = {
  agent: 'agent',
  mode: 'mode',
  supported_obligations: 'supported_obligations',
} as const;

function changeRequest(
  record: ReplayableRecord,
  [place = '', ...path]: readonly string[],
  value: unknown,
): ReplayableRecord {
  const { facts, request } = record;
  const inFacts = (member: object): ReplayableRecord => ({
    ...record,
    facts: { ...facts, said: { ...facts.said, ...member } },
  });
  // The record has what was read of the approval.
  if (place === 'context' && path[0] === 'approval') {
    const { approval: _presented, ...others } = facts;
    return { ...record, facts: others };
  }
  if (place === 'subject' && path.length === 0)
    return { ...record, request: { ...request, subject: value as EntityRef } };
  if (place === 'subject') return inFacts({ act: undefined });
  if (place === 'action' && path[0] === 'name') return { ...record, request: { ...request, action: value as string } };
  if (place === 'context' && Object.hasOwn(RECORDED_CONTEXT_MEMBERS, path[0] ?? ''))
    return inFacts({ [path[0] ?? '']: value });
  const at = place === 'context' ? path : path.slice(1);
  const members = (facts.said as Readonly<Record<string, Readonly<Record<string, unknown>>>>)[place];
  return inFacts({ [place]: replaceMember(members ?? {}, at, value) });
}

/** @returns the object with the member at the path replaced; without it where the value is undefined */
export function replaceMember(
  object: Readonly<Record<string, unknown>>,
  [name = '', ...rest]: readonly string[],
  value: unknown,
): Record<string, unknown> {
  const inner = object[name];
  const below = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner : {};
  const put = rest.length === 0 ? value : replaceMember(below as Record<string, unknown>, rest, value);
  const otherMembers = Object.entries(object).filter(([member]) => member !== name);
  return Object.fromEntries(put === undefined ? otherMembers : [...otherMembers, [name, put]]);
}

function changeToken(facts: RecordedFacts, change: Extract<ProposedChange, { kind: 'token' }>): RecordedFacts {
  const credential = getVerifiedCredential(facts);
  if (credential === undefined) return facts;
  const { token } = credential;
  if ('session' in change) return { ...facts, credential: { ...credential, sessionEnded: false } };
  const changed =
    'scopes' in change
      ? { scopes: [...new Set([...token.scopes, ...change.scopes])] }
      : 'detail' in change
        ? { authorizationDetails: [...(token.authorizationDetails ?? []), change.detail] }
        : 'purpose' in change
          ? { purpose: change.purpose ?? undefined }
          : 'access' in change
            ? { access: change.access }
            : { actors: token.actors.filter(({ id }, i) => i === 0 || change.chain.includes(id)) };
  return { ...facts, credential: { ...credential, token: { ...token, ...changed } } };
}
