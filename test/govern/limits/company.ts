/** A company whose agents pay and export within limits, and questions about it. */
import { clientNamed, startFiles, type Running } from '../../support/sample.js';
import { askOf, type AgentQuestion } from '../agent-question.js';

export { euro } from '../agent-question.js';

export const SCHEMA = `
entity User;
entity Agent;
entity Account;

@limit("3 per P1D by user, agent; 500.00 EUR per P1M calendar Europe/Berlin by user")
@amount("context.action.amount")
action "pay" appliesTo { principal: [Agent, User], resource: [Account],
  context: { action: { amount?: Remit::Amount, note?: String }, budget?: Remit::Budget } };

@limit("100 per P1D by user") @permission("pay")
action "export" appliesTo { principal: [Agent, User], resource: [Account] };

@limit("9 per P1D; 4 per PT1H by user") @permission("pay")
action "copy" appliesTo { principal: [Agent, User], resource: [Account], context: { budget?: Remit::Budget } };

@limit("2 per total by agent") @permission("pay")
action "close" appliesTo { principal: [Agent, User], resource: [Account] };

@permission("pay")
action "look" appliesTo { principal: [Agent, User], resource: [Account] };
`;

export const ZED = `definition user {}
definition agent {
  relation delegator: user | agent
}
definition account {
  relation owner: user
  permission pay = owner
}
`;

const USERS = ['ann', 'ben'];
const AGENTS = ['bot', 'planner', 'helper'];

export const WORLD = `relationships: |
${AGENTS.flatMap((agent) => USERS.map((user) => `  agent:${agent}#delegator@user:${user}`)).join('\n')}
  agent:planner#delegator@user:carl
  agent:helper#delegator@agent:planner
  account:1#owner@user:carl
${USERS.flatMap((user) => [1, 2, 3].map((n) => `  account:${n}#owner@user:${user}`)).join('\n')}
entities:
${AGENTS.map((id) => `  - { type: agent, id: ${id} }`).join('\n')}
`;

export const POLICIES = `@id("all")
permit (principal, action, resource);

@id("nearly-nothing-left")
forbid (principal, action == Action::"copy", resource)
  when { context has budget && context.budget.remaining <= 1 };
`;

export const FILES = {
  'schema.zed': ZED,
  'schema.cedarschema': SCHEMA,
  'world.yaml': WORLD,
  'policies/all.cedar': POLICIES,
};

export const CLIENTS = [
  clientNamed('shop', 'shop', 'evaluate', 'search', 'filter', 'asserts_subject'),
  clientNamed('other', 'shop', 'evaluate', 'asserts_subject'),
  clientNamed('boss', 'shop', 'evaluate', 'admin'),
];

export const startCompany = (config: object = {}): Promise<Running> =>
  startFiles(FILES, { clients: CLIENTS, limits: { deadline_ms: 20_000 }, ...config });

/** A question of an agent that the client vouches for. */
export const ask = (
  action: string,
  { account = '1', ...asked }: AgentQuestion & { readonly account?: string } = {},
): object => askOf({ type: 'account', id: account }, action, asked);
