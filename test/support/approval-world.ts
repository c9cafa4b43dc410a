/** A company whose policies and schema ask for approval: repositories whose owners approve merges and releases. */
import { v7 as uuid } from 'uuid';
import type { AccessRequestOffer, ApprovalStep } from '../../src/model/approvals.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { formatCanonicalJson } from '../../src/runtime/canonical-json.js';
import { sha256 } from '../../src/runtime/sha256.js';
import { clientNamed, DAYTIME, startFiles, type Running } from './sample.js';

export const APPROVAL_FILES: Readonly<Record<string, string>> = {
  'schema.zed': `use expiration
definition user {}
definition agent {
  relation delegator: user | agent | user with expiration
}
definition team {
  relation member: user | team#member
  relation lead: user
  permission administer = lead
}
definition repository {
  relation owner: user | team#member
  relation maintainer: user | user with expiration
  relation oncall: user
  permission own = owner
  permission push = owner + maintainer
  permission read = push
  permission emergency = oncall
}`,
  'schema.cedarschema': `
entity User { name?: String };
entity Agent { name?: String };
entity Repository {};
@permission("push") @scope("code.write") @title("Merge a pull request") @effect("write")
@elevation("maintainer by own for PT1H if read") @emergency("emergency")
action "merge" appliesTo { principal: [Agent, User], resource: [Repository], context: {
  action: { branch?: String }, request: { ticket?: String }, approval?: Remit::Approval } };`,
  'policies/all.cedar': `
@id("all") @title("Everything that the relationships allow.") permit (principal, action, resource);
@id("approved") @title("Agents merge only what an owner approves.") @remedy("approval:own")
forbid (principal is Agent, action == Action::"merge", resource) unless { context has approval };`,
  'world.yaml': `relationships: |
  team:core#member@user:olga
  team:core#member@user:ann
  team:ann#member@user:pete
  team:ann#lead@user:ann
  repository:api#owner@team:core#member
  repository:api#owner@team:ann#member
  repository:api#maintainer@user:max
  repository:api#oncall@user:owen
  repository:web#owner@user:olga
  repository:web#maintainer@user:ann
  agent:coder#delegator@user:ann
  agent:coder#delegator@user:bob
  repository:api#maintainer@user:bob
entities:
  - { type: user, id: ann, attributes: { name: Ann } }
  - { type: agent, id: coder, attributes: { name: Coder } }
  - { type: agent, id: scout }
`,
};

export function startApprovalWorld(config: object = {}): Promise<Running> {
  return startFiles(APPROVAL_FILES, {
    clients: [
      { ...clientNamed('git', 'git', 'evaluate', 'asserts_subject'), callbacks: ['https://git.example/told'] },
      clientNamed('other', 'other', 'evaluate', 'asserts_subject'),
      clientNamed('root', 'root', 'admin'),
    ],
    ...config,
  });
}

export const QUESTION = {
  subject: { type: 'user', id: 'ann' },
  action: { name: 'merge', properties: { branch: 'main' } },
  resource: { type: 'repository', id: 'api' },
  context: { ticket: 'T-1' },
} as const;

export interface DenialOptions {
  readonly client?: string;
  readonly user?: string | undefined;
  readonly agent?: string | undefined;
  readonly chain?: readonly string[];
  readonly question?: object;
  readonly steps?: readonly ApprovalStep[];
  readonly emergency?: string;
  readonly offer?: AccessRequestOffer | undefined;
  readonly decision?: boolean;
  readonly dryRun?: boolean;
}

export interface Denial {
  readonly evaluation_id: string;
  readonly expires_at: string;
}

/** Puts a denial on record that approvals would lift, as a decision does. */
export async function recordDenial(
  { service }: Pick<Running, 'service'>,
  { client = 'git', user = 'ann', agent = 'coder', chain = [], ...more }: DenialOptions = {},
): Promise<Denial> {
  const own = { subject: { type: 'user', id: user } };
  const { subject, action, resource, context } = { ...QUESTION, ...own, ...more.question } as {
    subject: { type: string; id: string };
    action: { name: string; properties?: Readonly<Record<string, unknown>> };
    resource: { type: string; id: string; properties?: Readonly<Record<string, unknown>> };
    context: Readonly<Record<string, unknown>>;
  };
  const places: Readonly<Record<string, unknown>> = {
    user: `user:${user}`,
    agent: `agent:${agent}`,
    client,
    chain,
    resource: { type: resource.type, id: resource.id, properties: resource.properties ?? {} },
    'action.name': action.name,
    ...Object.fromEntries(Object.entries(action.properties ?? {}).map(([k, v]) => [`action.properties.${k}`, v])),
    ...('ticket' in context ? { 'context.ticket': context['ticket'] } : {}),
  };
  const binding = Object.fromEntries(Object.entries(places).map(([k, v]) => [k, sha256(formatCanonicalJson(v))]));
  const expires = new Date(service.now().getTime() + 600_000).toISOString();
  const offer: AccessRequestOffer = {
    steps: more.steps ?? [{ kind: 'permission', permission: 'own' }],
    binding,
    ...(more.emergency === undefined ? {} : { emergency: more.emergency }),
    expires_at: expires,
  };
  const record: DecisionRecord = {
    id: uuid(),
    evaluated_at: service.now().toISOString(),
    client,
    decision: more.decision ?? false,
    dry_run: more.dryRun ?? false,
    policy_version: service.activePolicies.rules.version,
    request: { subject, action: action.name, resource: { type: resource.type, id: resource.id } },
    token: { issuer: 'urn:remit:development' },
    reasons: [],
    obligations: [],
    ...('offer' in more ? { access_request: more.offer } : { access_request: offer }),
    rationale: {
      acting: { mode: 'delegated', user: `user:${user}`, agent: `agent:${agent}`, chain: [...chain] },
      steps: [],
    },
  };
  await service.decisions.record(record);
  return { evaluation_id: record.id, expires_at: expires };
}

export const minutes = (count: number): Date => new Date(DAYTIME.getTime() + count * 60_000);
