/** A company whose actions ask for consent: calendars that are read, mail that is sent and deleted, and money. */
import { startFiles, type Answer, type Running } from './sample.js';

export const CONSENT_FILES: Readonly<Record<string, string>> = {
  'schema.zed': `use expiration
definition user {}
definition agent {
  relation delegator: user | agent | user with expiration
}
definition calendar {
  relation owner: user
  relation guest: user
  permission view = owner + guest
}
definition mailbox {
  relation owner: user
  permission send = owner
}`,
  'schema.cedarschema': `
entity User { name?: String };
entity Agent { name?: String };
entity Calendar { @class("private") notes?: String };
entity Mailbox {};
@permission("view") @scope("calendar.read") @title("Read a calendar") @effect("read") @consent("standing")
action "read" appliesTo { principal: [Agent, User], resource: [Calendar], context: { consent?: Remit::Consent } };
@permission("view") @scope("calendar.read") @title("List a calendar") @effect("read")
action "list" appliesTo { principal: [Agent, User], resource: [Calendar], context: {} };
@scope("mail.send") @title("Send mail") @effect("write") @consent("standing")
action "send" appliesTo { principal: [Agent, User], resource: [Mailbox], context: { request: { to?: String } } };
@permission("send") @scope("mail.send") @title("Delete all mail") @consent("standing")
action "purge" appliesTo { principal: [Agent, User], resource: [Mailbox], context: {} };
@permission("send") @scope("mail.send") @title("Sign a letter") @effect("write") @consent("each")
action "sign" appliesTo { principal: [Agent, User], resource: [Mailbox], context: {} };`,
  'policies/all.cedar': `
@id("all") @title("Everything that the relationships allow.") permit (principal, action, resource);
@id("sealed") @title("Nobody reads the sealed calendar.")
forbid (principal, action == Action::"read", resource == Calendar::"sealed");
@id("never-evil") @title("The evil agent never reads calendars.")
forbid (principal == Agent::"evil", action == Action::"read", resource);
@id("short") @title("Reading needs a consent that ends.")
forbid (principal is Agent, action == Action::"read", resource == Calendar::"strict")
unless { context has consent && context.consent has expires_at && !context.consent.confirmed };`,
  'world.yaml': `relationships: |
  calendar:ann#owner@user:ann
  calendar:team#guest@user:ann
  calendar:sealed#owner@user:ann
  calendar:strict#owner@user:ann
  calendar:bob#owner@user:bob
  mailbox:ann#owner@user:ann
  mailbox:bob#owner@user:bob
  agent:helper#delegator@user:ann
  agent:helper#delegator@user:bob
  agent:evil#delegator@user:ann
  agent:second#delegator@agent:helper
entities:
  - { type: user, id: ann, attributes: { name: Ann } }
  - { type: user, id: bob }
  - { type: agent, id: helper, attributes: { name: Calendar Helper } }
  - { type: agent, id: second }
  - { type: agent, id: evil }
`,
};

export const SCOPES = 'calendar.read mail.send';

export function startConsentWorld(config: object = {}, files: Readonly<Record<string, string>> = {}): Promise<Running> {
  return startFiles({ ...CONSENT_FILES, ...files }, config);
}

export interface AskedAction {
  readonly action?: string;
  readonly resource?: string;
  readonly user?: string;
  readonly agent?: string;
  readonly background?: boolean;
  readonly context?: object;
  readonly chain?: readonly string[];
}

/** Asks as the development client, with a token that covers everything. */
export async function askFor(remit: Running, asked: AskedAction = {}): Promise<Answer> {
  const { action = 'read', resource = 'calendar:ann', user = 'ann', agent = 'helper', context = {} } = asked;
  const token = await remit.mint({
    user,
    agent,
    scope: SCOPES,
    background: asked.background,
    chain: asked.chain,
    ...(asked.background === true ? { scope: `${SCOPES} calendar.read.background mail.send.background` } : {}),
  });
  const [type = '', id = ''] = resource.split(':');
  return remit.evaluate({
    subject: { type: 'user', id: user },
    action: { name: action },
    resource: { type, id },
    context: { token, ...context },
  });
}
