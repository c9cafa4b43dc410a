/** A generated request before it is whole, and the decision record that it becomes: as if it had been asked once. */
import type { CheckAnswer } from '../../model/checks.js';
import type { RecordedFacts, WithFacts } from '../../model/decision.js';
import { refText, type EntityRef } from '../../model/ids.js';
import { checkKey } from '../../graph/relationship-text.js';
import { DELEGATOR } from '../../policy/schema/vocabulary.js';
import type { Kind } from './kinds.js';
import { NOON } from './values.js';

type Attributes = Record<string, unknown>;

export interface Draft {
  now: Date;
  readonly ids: { user: string; agent: string; resource: string };
  /** Permissions on the resource, of the user and of the agent. */
  readonly held: Map<string, boolean>;
  readonly heldByAgent: Map<string, boolean>;
  delegated: boolean;
  /** Agents on the way, the acting one included. */
  depth: number;
  readonly attributes: Record<'user' | 'agent' | 'earlier' | 'resource', Attributes>;
  readonly ancestors: Record<'user' | 'agent' | 'earlier' | 'resource', EntityRef[]>;
  readonly said: { readonly action: Attributes; readonly context: Attributes };
  readonly token: {
    scopes: readonly string[];
    access: 'online' | 'background';
    issuer: string;
    chainComplete: boolean;
    purpose?: string | undefined;
    session?: string | undefined;
    txn?: string | undefined;
    profile?: string | undefined;
  };
}

export const IDS = { user: 'a-user', agent: 'an-agent', earlier: 'an-earlier-agent', resource: 'a-resource' } as const;
const ISSUER = 'https://issuer.example';
const TOKEN_SECONDS = 300;

export function emptyDraft(): Draft {
  return {
    now: NOON,
    ids: { user: IDS.user, agent: IDS.agent, resource: IDS.resource },
    held: new Map(),
    heldByAgent: new Map(),
    delegated: true,
    depth: 1,
    attributes: { user: {}, agent: {}, earlier: {}, resource: {} },
    ancestors: { user: [], agent: [], earlier: [], resource: [] },
    said: { action: {}, context: {} },
    token: { scopes: [], access: 'online', issuer: ISSUER, chainComplete: true },
  };
}

/** Its outcome is left open: it is decided anew by each set of rules. @param id names it */
export function recordOf(id: string, { mode, action, ...types }: Kind, draft: Draft): WithFacts {
  const user = { type: types.user, id: draft.ids.user };
  const agent = { type: types.agent, id: draft.ids.agent };
  const resource = { type: types.resource, id: draft.ids.resource };
  const holder = mode === 'direct' ? agent : user;
  const checks: Record<string, CheckAnswer> = {};
  const put = (of: EntityRef, permission: string, subject: EntityRef, holds: boolean): void => {
    checks[checkKey({ resource: of, permission, subject })] = { result: holds ? 'yes' : 'no', revision: '' };
  };
  if (mode !== 'human') for (const [permission, holds] of draft.heldByAgent) put(resource, permission, agent, holds);
  for (const [permission, holds] of draft.held) put(resource, permission, holder, holds);
  if (mode !== 'human') put(agent, DELEGATOR, user, draft.delegated);
  const earlier = earlierAgents(draft).map((one) => ({ type: types.agent, id: one }));
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
        ...draft.said,
        ...(mode === 'human' ? { mode } : {}),
        ...(mode === 'vouched' ? { act: agent.id } : {}),
      },
      ...(mode === 'delegated' || mode === 'direct' ? { credential: credentialOf(mode, draft) } : {}),
      checks,
      entities: {
        ...(mode === 'direct' ? {} : { [refText(user)]: stored(draft, 'user') }),
        ...(mode === 'human' ? {} : { [refText(agent)]: stored(draft, 'agent') }),
        ...Object.fromEntries(earlier.map((ref) => [refText(ref), stored(draft, 'earlier')])),
        [refText(resource)]: stored(draft, 'resource'),
      },
      // That nobody else passed the delegation on.
      ...(mode !== 'human' && !draft.delegated ? { passed_on: { kind: 'none' } } : {}),
    },
  };
}

function stored(
  { attributes, ancestors }: Draft,
  of: keyof Draft['attributes'],
): { attributes: Attributes; ancestors: EntityRef[] } {
  return { attributes: attributes[of], ancestors: ancestors[of] };
}

function earlierAgents({ depth }: Draft): string[] {
  return Array.from({ length: depth - 1 }, (_, i) => (i === 0 ? IDS.earlier : `${IDS.earlier}-${i + 1}`));
}

function credentialOf(mode: 'delegated' | 'direct', draft: Draft): NonNullable<RecordedFacts['credential']> {
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
      resources: [],
      access: token.access,
      purpose: token.purpose,
      session: token.session,
      txn: token.txn,
      transaction: undefined,
      requester: undefined,
      proof: undefined,
      expiresAt: seconds + TOKEN_SECONDS,
      notBefore: undefined,
      issuedAt: seconds,
      jti: undefined,
      chainComplete: token.chainComplete,
      agentIsClient: false,
    },
    accepted: { audience: 'remit', detailTypes: [] },
    sessionEnded: false,
    use: undefined,
  };
}
