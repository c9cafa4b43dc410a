/** A company whose users bound what their agents do: payments that ask for consent, and accounts that are looked at. */
import { startFiles, type Answer, type Running } from '../../support/sample.js';

export const HOUR = 3_600_000;
/** The lengths of the periods that limits have here. */
export const LENGTHS = { PT1H: HOUR, P1D: 24 * HOUR, total: Infinity };

/** A limit of a delegation or a consent, as it is stated. */
export interface Bound {
  readonly count?: number;
  readonly amount?: { readonly value: number; readonly unit: string; readonly decimals: number };
  readonly per: 'PT1H' | 'P1D' | 'total';
  readonly window?: 'sliding' | 'calendar';
}

export const GRANT_FILES = {
  'schema.zed': `use expiration
definition user {}
definition agent {
  relation delegator: user | agent | user with expiration
}
definition account {
  relation owner: user
  permission pay = owner
}
definition vault {
  relation owner: user
  permission pay = owner
}
`,
  'schema.cedarschema': `
entity User;
entity Agent;
entity Account;
entity Vault;
@permission("pay") @scope("all") @effect("write") @title("Pay") @consent("standing") @amount("context.action.amount")
action "pay" appliesTo { principal: [Agent, User], resource: [Account],
  context: { action: { amount?: Remit::Amount }, budget?: Remit::Budget } };
@permission("pay") @scope("all") @effect("read") @title("Read mail") @consent("standing")
action "read" appliesTo { principal: [Agent, User], resource: [Account] };
namespace Top {
  @permission("pay") @scope("all") @effect("read") @title("Look") @limit("50 per P1D by agent")
  action "look" appliesTo { principal: [Agent, User], resource: [Account], context: { budget?: Remit::Budget } };
}
namespace Deep {
  @permission("pay") @scope("all") @effect("read") @title("Look into")
  action "look" appliesTo { principal: [Agent, User], resource: [Vault] };
}
`,
  'policies/all.cedar': `@id("all") permit (principal, action, resource);
@id("little-left") forbid (principal, action == Top::Action::"look", resource)
  when { context has budget && context.budget.remaining <= 1 };
`,
  'world.yaml': `relationships: |
${['ann', 'ben'].flatMap((user) => [`  account:${user}#owner@user:${user}`, `  account:of-${user}#owner@user:${user}`, `  vault:${user}#owner@user:${user}`]).join('\n')}
  agent:helper#delegator@agent:planner
entities:
  - { type: agent, id: bot }
  - { type: agent, id: planner }
  - { type: agent, id: helper }
`,
};

export const startGrants = (config: object = {}): Promise<Running> =>
  startFiles(GRANT_FILES, { limits: { deadline_ms: 20_000, agent_rate: 100_000 }, ...config });

export const eur = (value: number, decimals = 2): object => ({ value, unit: 'EUR', decimals });

export interface Asked {
  readonly action?: string;
  readonly user?: string;
  readonly agent?: string;
  readonly account?: string;
  readonly amount?: unknown;
  readonly context?: object;
  readonly key?: string;
  readonly background?: boolean;
}

const BACKGROUND = {
  background: true,
  details: [{ type: 'remit', actions: ['pay', 'read'], access: 'background' as const }],
};

/** A question of an agent for its user, as the development client asks it. */
export async function questionOf(
  remit: Running,
  {
    action = 'read',
    user = 'ann',
    agent = 'bot',
    account = user,
    amount,
    context = {},
    background = false,
  }: Asked = {},
): Promise<object> {
  const [type, id] = account.includes(':') ? account.split(':') : ['account', account];
  return {
    subject: { type: 'user', id: user },
    action: { name: action, ...(amount === undefined ? {} : { properties: { amount } }) },
    resource: { type, id },
    context: { token: await remit.mint({ user, agent, scope: 'all', ...(background ? BACKGROUND : {}) }), ...context },
  };
}

export async function askGrant(remit: Running, asked: Asked = {}): Promise<Answer> {
  const headers = asked.key === undefined ? {} : { 'idempotency-key': asked.key };
  return (await remit.post('/access/v1/evaluation', await questionOf(remit, asked), headers)).json();
}

/** A call of the user's own. */
export async function asUser(
  remit: Running,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: object,
  user = 'ann',
): Promise<{ readonly status: number; readonly body: Record<string, unknown> & { readonly id: string } }> {
  const response = await remit.request(method, path, body, await remit.mint({ user }));
  return { status: response.statusCode, body: response.body === '' ? { id: '' } : response.json() };
}
