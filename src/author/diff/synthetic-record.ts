/** The draft of a generated request, and the decision record that it becomes, as if the request had been made once. */
import type { CheckAnswer } from '../../model/checks.js';
import type { Consent } from '../../model/consents.js';
import type { RecordedFacts, ReplayableRecord } from '../../model/decision.js';
import { REMIT_DETAIL_TYPE } from '../../model/acting.js';
import type { HistoryValue } from '../../model/history.js';
import { formatRef, type EntityRef } from '../../model/ids.js';
import { checkKey } from '../../graph/relationship-text.js';
import { DELEGATOR_RELATION } from '../../policy/schema/vocabulary.js';
import type { QuestionKind } from './question-kinds.js';

/** The time of a generated request, unless policies compare the clock. */
export const NOON = new Date('2030-03-04T12:00:00Z');
/** A text, or an id, that no policy is likely to name. */
export const OTHER_TEXT = 'other';

type DraftAttributes = Record<string, unknown>;

/** The part of a draft that says what is stored of an entity. */
export interface DraftEntity {
  readonly attributes: DraftAttributes;
  readonly ancestors: EntityRef[];
}

interface ReferredEntities extends DraftEntity {
  readonly ids: readonly string[];
}

export interface RequestDraft {
  now: Date;
  readonly ids: { user: string; agent: string; resource: string };
  /** Whether the user, and the agent, holds a permission on the resource. */
  readonly permissions: Map<string, boolean>;
  readonly agentPermissions: Map<string, boolean>;
  /** The answers about the past, by their questions. */
  readonly history: Map<string, HistoryValue>;
  delegated: boolean;
  /** Agents in the chain, the acting one included. */
  depth: number;
  readonly attributes: Record<'user' | 'agent' | 'earlier' | 'resource', DraftAttributes>;
  readonly ancestors: Record<'user' | 'agent' | 'earlier' | 'resource', EntityRef[]>;
  /** Entities behind references, by their SpiceDB definition: those of one definition are alike. */
  readonly referred: Map<string, ReferredEntities>;
  readonly statements: { readonly action: DraftAttributes; readonly context: DraftAttributes };
  readonly token: {
    scopes: readonly string[];
    access: 'online' | 'background';
    issuer: string;
    chainComplete: boolean;
    purpose?: string | undefined;
    session?: string | undefined;
    txn?: string | undefined;
    profile?: string | undefined;
    readonly claims: DraftAttributes;
  };
}

export const SYNTHETIC_IDS = {
  user: 'a-user',
  agent: 'an-agent',
  earlier: 'an-earlier-agent',
  resource: 'a-resource',
} as const;
const SYNTHETIC_ISSUER = 'https://issuer.example';
const TOKEN_LIFETIME_SECONDS = 300;

export function emptyDraft(): RequestDraft {
  return {
    now: NOON,
    ids: { user: SYNTHETIC_IDS.user, agent: SYNTHETIC_IDS.agent, resource: SYNTHETIC_IDS.resource },
    permissions: new Map(),
    agentPermissions: new Map(),
    history: new Map(),
    delegated: true,
    depth: 1,
    attributes: { user: {}, agent: {}, earlier: {}, resource: {} },
    ancestors: { user: [], agent: [], earlier: [], resource: [] },
    referred: new Map(),
    statements: { action: {}, context: {} },
    token: { scopes: [], access: 'online', issuer: SYNTHETIC_ISSUER, chainComplete: true, claims: {} },
  };
}

/** Makes the record. Its outcome is left open, since each set of rules decides it anew. */
export function syntheticRecord(
  id: string,
  { mode, action, ...types }: QuestionKind,
  draft: RequestDraft,
): ReplayableRecord {
  const user = { type: types.user, id: draft.ids.user };
  const agent = { type: types.agent, id: draft.ids.agent };
  const resource = { type: types.resource, id: draft.ids.resource };
  const holder = mode === 'direct' ? agent : user;
  const checks: Record<string, CheckAnswer> = {};
  const setCheck = (object: EntityRef, permission: string, subject: EntityRef, holds: boolean): void => {
    checks[checkKey({ resource: object, permission, subject })] = { result: holds ? 'yes' : 'no', revision: '' };
  };
  if (mode !== 'human')
    for (const [permission, holds] of draft.agentPermissions) setCheck(resource, permission, agent, holds);
  for (const [permission, holds] of draft.permissions) setCheck(resource, permission, holder, holds);
  if (mode !== 'human') setCheck(agent, DELEGATOR_RELATION, user, draft.delegated);
  const earlier = earlierAgents(draft).map((agentId) => ({ type: types.agent, id: agentId }));
  return {
    id,
    evaluated_at: draft.now.toISOString(),
    client: 'remit-diff',
    decision: false,
    dry_run: true,
    policy_version: '',
    request: { subject: mode === 'direct' ? agent : user, action, resource },
    reasons: [],
    obligations: [],
    rationale: { steps: [] },
    facts: {
      caller: { kind: 'client', may: ['asserts_subject'] },
      said: {
        ...draft.statements,
        ...(mode === 'human' ? { mode } : {}),
        ...(mode === 'vouched' ? { act: agent.id } : {}),
      },
      ...(mode === 'delegated' || mode === 'direct' ? { credential: syntheticCredential(mode, draft) } : {}),
      checks,
      limits: { readings: {}, others: 'unused' },
      history: { answers: Object.fromEntries(draft.history), others: 'nothing' },
      entities: {
        ...storedReferred(draft),
        ...(mode === 'direct' ? {} : { [formatRef(user)]: storedEntity(draft, 'user') }),
        ...(mode === 'human' ? {} : { [formatRef(agent)]: storedEntity(draft, 'agent') }),
        ...Object.fromEntries(earlier.map((ref) => [formatRef(ref), storedEntity(draft, 'earlier')])),
        [formatRef(resource)]: storedEntity(draft, 'resource'),
      },
      // The delegation wasn't passed on by another agent, either.
      // What only a consent is missing for would hide every other difference.
      ...(mode === 'delegated' || mode === 'vouched' ? { consents: [syntheticConsent(mode, action, draft)] } : {}),
      ...(mode !== 'human' && !draft.delegated ? { passed_on: { kind: 'none' } } : {}),
    },
  };
}

function syntheticConsent(mode: 'delegated' | 'vouched', action: string, { now, token }: RequestDraft): Consent {
  const given = new Date(now.getTime() - 1000).toISOString();
  return {
    id: '00000000-0000-4000-8000-000000000000',
    details: [{ type: REMIT_DETAIL_TYPE, actions: [action] }],
    access: mode === 'vouched' ? 'online' : token.access,
    confirm: 'never',
    starts: given,
    basis: 'unchecked',
    given,
  };
}

function storedReferred({ referred }: RequestDraft): Record<string, DraftEntity> {
  const entities = [...referred].flatMap(([type, { ids, attributes, ancestors }]) =>
    ids.map((id) => [formatRef({ type, id }), { attributes, ancestors }] as const),
  );
  return Object.fromEntries(entities);
}

function storedEntity(
  { attributes, ancestors }: RequestDraft,
  role: keyof RequestDraft['attributes'],
): { attributes: DraftAttributes; ancestors: EntityRef[] } {
  return { attributes: attributes[role], ancestors: ancestors[role] };
}

function earlierAgents({ depth }: RequestDraft): string[] {
  return Array.from({ length: depth - 1 }, (_, i) =>
    i === 0 ? SYNTHETIC_IDS.earlier : `${SYNTHETIC_IDS.earlier}-${i + 1}`,
  );
}

function syntheticCredential(
  mode: 'delegated' | 'direct',
  draft: RequestDraft,
): NonNullable<RecordedFacts['credential']> {
  const { token, ids, now } = draft;
  const seconds = Math.floor(now.getTime() / 1000);
  const actor = (id: string, current: boolean) => ({
    iss: token.issuer,
    sub: id,
    id,
    profile: current ? token.profile : undefined,
    trust: current ? ('current' as const) : ('history' as const),
  });
  return {
    ok: true,
    token: {
      format: 'access_token',
      issuer: token.issuer,
      user: mode === 'delegated' ? ids.user : undefined,
      actors: [
        actor(ids.agent, true),
        ...(mode === 'delegated' ? earlierAgents(draft) : []).map((id) => actor(id, false)),
      ],
      mode,
      clientId: undefined,
      scopes: token.scopes,
      authorizationDetails: undefined,
      authenticatedAt: undefined,
      resources: [],
      access: token.access,
      purpose: token.purpose,
      session: token.session,
      txn: token.txn,
      transaction: undefined,
      claims: token.claims,
      requester: undefined,
      proof: undefined,
      expiresAt: seconds + TOKEN_LIFETIME_SECONDS,
      notBefore: undefined,
      issuedAt: seconds,
      jti: undefined,
      chainComplete: token.chainComplete,
      agentIsClient: false,
    },
    accepted: { audience: 'remit', detailTypes: [] },
    sessionEnded: false,
    singleUseProof: undefined,
  };
}
