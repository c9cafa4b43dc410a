/** What could be otherwise: changes of what a decision rested on, as data, in words, and by their weight. */
import type { AuthorizationDetail } from '../../model/acting.js';
import type { RecordedFacts, ReplayableRecord } from '../../model/decision.js';
import { formatRef, type EntityRef } from '../../model/ids.js';
import type { UpdateOperation } from '../../model/relationships.js';
import { getVerifiedCredential } from '../../decide/bound-question.js';

export type ProposedChange =
  /** What the request says, by its place; without a value: that it says nothing there. */
  | { readonly kind: 'request'; readonly at: readonly string[]; readonly value?: unknown }
  | { readonly kind: 'token'; readonly scopes: readonly string[] }
  | { readonly kind: 'token'; readonly detail: AuthorizationDetail }
  | { readonly kind: 'token'; readonly purpose: string | null }
  | { readonly kind: 'token'; readonly access: 'online' | 'background' }
  /** Of a session that is alive. */
  | { readonly kind: 'token'; readonly session: 'new' }
  /** Earlier agents, newest first. */
  | { readonly kind: 'token'; readonly chain: readonly string[] }
  | { readonly kind: 'relationship'; readonly operation: UpdateOperation; readonly relationship: string }
  /** Attributes beside those that are stored; null for one that is taken away. */
  | { readonly kind: 'entity'; readonly entity: EntityRef; readonly attributes: Readonly<Record<string, unknown>> }
  /** RFC 3339: asked then. */
  | { readonly kind: 'time'; readonly at: string }
  /** The whole text of the policy, changed. */
  | {
      readonly kind: 'policy';
      readonly id: string;
      readonly source: string;
      readonly clause: string;
      readonly text: string;
    }
  /** The text of one more policy. */
  | { readonly kind: 'policy'; readonly add: string };

type ChangeKind = ProposedChange['kind'];
/** More than any others together. */
export const LAST_RESORT = 1000;
/** Each change weighs ten, so that fewer come before milder; a change of the rules is the last resort. */
const WEIGHTS: Readonly<Record<ChangeKind, number>> = {
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

/** In the imperative: "write agent:planner#delegator@user:ann". */
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
      return `store of ${formatRef(change.entity)}: ${Object.entries(change.attributes)
        .map(([name, value]) => (value === null ? `no ${name}` : `${name} = ${JSON.stringify(value)}`))
        .join(', ')}`;
    case 'time':
      return `ask at ${change.at}`;
    case 'policy':
      return 'add' in change
        ? `add the policy ${change.add}`
        : `change the policy ${change.id} (${change.source}): add ${change.clause}`;
  }
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

/** What an agent that asks for itself says of things and circumstances is no evidence, so it would change nothing. */
export function isEffective(change: ProposedChange, { caller }: RecordedFacts): boolean {
  if (change.kind !== 'request' || caller.kind === 'client') return true;
  const [place = '', ...path] = change.at;
  if (place === 'context') return Object.hasOwn(RENAMED_MEMBERS, path[0] ?? '');
  return path.length === 0 || (place === 'action' && path[0] === 'name');
}

/** The record as it would be, as far as it says so itself: relationships and rules are not in it. */
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
      const { attributes, ancestors } = facts.entities?.[key] ?? { attributes: {}, ancestors: [] };
      const merged = Object.entries({ ...attributes, ...change.attributes }).filter(([, value]) => value !== null);
      const stored = { attributes: Object.fromEntries(merged), ancestors };
      return { ...record, facts: { ...facts, entities: { ...facts.entities, [key]: stored } } };
    }
    case 'time':
      return { ...record, evaluated_at: change.at };
    case 'relationship':
    case 'policy':
      return record;
  }
}

/** Members of a request that the record keeps by other names. */
const RENAMED_MEMBERS = { agent: 'agent', mode: 'mode', supported_obligations: 'supported_obligations' } as const;

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
  if (place === 'subject' && path.length === 0)
    return { ...record, request: { ...request, subject: value as EntityRef } };
  if (place === 'subject') return inFacts({ act: undefined });
  if (place === 'action' && path[0] === 'name') return { ...record, request: { ...request, action: value as string } };
  if (place === 'context' && Object.hasOwn(RENAMED_MEMBERS, path[0] ?? '')) return inFacts({ [path[0] ?? '']: value });
  const at = place === 'context' ? path : path.slice(1);
  const members = (facts.said as Readonly<Record<string, Readonly<Record<string, unknown>>>>)[place];
  return inFacts({ [place]: replaceMember(members ?? {}, at, value) });
}

/** The object with what is at the path replaced, or without it. */
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
