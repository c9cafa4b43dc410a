/** A company whose agents read documents, export and send them, and pay, by what they have done before. */
import { clientNamed, startFiles, type Running } from '../../support/sample.js';
import { askOf, type AgentQuestion } from '../agent-question.js';

export { euro } from '../agent-question.js';

export const SCHEMA = `
entity User;
entity Agent;

namespace Doc {
  @object("paper")
  entity Paper { label: String, @class("pii") owner_name?: String, stars?: Long, open?: Bool };

  action "read" appliesTo { principal: [Agent, User], resource: [Paper] };

  @permission("read")
  action "clear" appliesTo { principal: [Agent, User], resource: [Paper] };

  @permission("read")
  action "export" appliesTo { principal: [Agent, User], resource: [Paper], context: { history: {
    @count("Doc::export by user, agent within PT1H")
    exported: Long,
  } } };

  @permission("read")
  action "send" appliesTo { principal: [Agent, User], resource: [Paper], context: { history: {
    @happened("Doc::read allowed by user, agent within PT8H where resource.label == secret")
    read_secret: Bool,
    @since("Doc::read where resource.label == tainted, no Doc::clear after, by user, agent within PT8H")
    tainted: Bool,
  } } };

  @permission("read") @amount("context.action.amount")
  action "pay" appliesTo { principal: [Agent, User], resource: [Paper], context: {
    action: { amount: Remit::Amount },
    history: {
      @sum("Doc::pay amount EUR 2 by user within P1D")
      paid: Long,
    },
  } };

  @permission("read")
  action "publish" appliesTo { principal: [Agent, User], resource: [Paper], context: { history: {
    @happened("Doc::withdraw by resource within PT1H")
    withdrawn: Bool,
  } } };

  @permission("read")
  action "withdraw" appliesTo { principal: [Agent, User], resource: [Paper], context: { history: {
    @happened("Doc::publish by resource within PT1H")
    published: Bool,
  } } };

  @permission("read")
  action "print" appliesTo { principal: [Agent, User], resource: [Paper], context: { history: {
    @count("Doc::print by task within PT1H")
    in_task: Long,
    @count("Doc::print by session within PT1H")
    in_session: Long,
    @count("Doc::print by resource within PT1H")
    of_paper: Long,
  } } };
}
`;

export const ZED = `definition user {}
definition agent {
  relation delegator: user | agent
}
definition paper {
  relation reader: user
  permission read = reader
}
`;

export const USERS = ['ann', 'ben', 'carl', 'dora', 'emil', 'fay', 'gus', 'hal', 'ida', 'jon'];
const AGENTS = ['bot', 'planner', 'helper'];
const PAPERS = ['plain', 'secret', 'tainted', '1', '2', '3'];

export const WORLD = `relationships: |
${AGENTS.flatMap((agent) => USERS.map((user) => `  agent:${agent}#delegator@user:${user}`)).join('\n')}
${USERS.flatMap((user) => PAPERS.map((paper) => `  paper:${paper}#reader@user:${user}`)).join('\n')}
entities:
${AGENTS.map((id) => `  - { type: agent, id: ${id} }`).join('\n')}
${PAPERS.map((id) => `  - { type: paper, id: "${id}", attributes: { label: "${id}" } }`).join('\n')}
`;

export const POLICIES = `@id("all")
permit (principal, action, resource);

@id("ten-exports")
forbid (principal, action == Doc::Action::"export", resource)
  when { context.history.exported >= 10 };

@id("nothing-after-secrets")
forbid (principal, action == Doc::Action::"send", resource)
  when { context.history.read_secret || context.history.tainted };

@id("hundred-euros")
forbid (principal, action == Doc::Action::"pay", resource)
  when { context.history.paid + context.action.amount.value > 10000 };

@id("what-was-withdrawn-is-not-published")
forbid (principal, action == Doc::Action::"publish", resource)
  when { context.history.withdrawn };

@id("what-was-published-is-not-withdrawn")
forbid (principal, action == Doc::Action::"withdraw", resource)
  when { context.history.published };

@id("two-prints")
forbid (principal, action == Doc::Action::"print", resource)
  when { context.history.in_task >= 2 || context.history.in_session >= 4 || context.history.of_paper >= 6 };
`;

export const FILES = {
  'schema.zed': ZED,
  'schema.cedarschema': SCHEMA,
  'world.yaml': WORLD,
  'policies/all.cedar': POLICIES,
};

export const CLIENTS = [
  clientNamed('shop', 'shop', 'evaluate', 'search', 'filter', 'asserts_subject'),
  clientNamed('boss', 'shop', 'evaluate', 'admin'),
];

export const startDocuments = (config: object = {}): Promise<Running> =>
  startFiles(FILES, { clients: CLIENTS, limits: { deadline_ms: 20_000 }, ...config });

/** A question of an agent that the client vouches for. */
export const ask = (
  action: string,
  {
    paper = 'plain',
    properties,
    ...asked
  }: AgentQuestion & { readonly paper?: string; readonly properties?: object } = {},
): object => askOf({ type: 'paper', id: paper, ...(properties === undefined ? {} : { properties }) }, action, asked);
