/** A hospital whose agents act for nurses: with consents, limits, counts of the past, approvals, reviews, and patients, who are people too. */
import { expect } from 'vitest';
import type { Answer, Running } from '../support/sample.js';

/** Its core stands nowhere by chance, whatever it is written in. */
export const CORE = 'quillfeather';
/** A user, whose id needs every escape that there is. */
export const NURSE = `${CORE}, zoë "q" \\7`;
export const PATIENT = 'patient-zumwalt';
/** Words that only what is theirs has. */
export const NURSE_WORDS = [CORE, 'zwanzigerhof', 'ruderverein'];
export const PATIENT_WORDS = [PATIENT, 'narkolepsie'];

export const WARD_FILES: Readonly<Record<string, string>> = {
  'schema.zed': `use expiration
definition user {}
definition agent {
  relation delegator: user | agent | user with expiration
}
definition patient {
  relation doctor: user
  permission view = doctor
  permission approve = doctor
}
definition ward {
  relation nurse: user | user with expiration
  relation lead: user
  permission enter = nurse
  permission close = nurse
  permission list = nurse
  permission look = lead
  permission approve = lead
}`,
  'schema.cedarschema': `
entity User { name?: String, street?: String, mentor?: User, friends?: Set<User> };
entity Agent { name?: String };
entity Ward in [User] { name?: String };
@person
entity Patient { illness?: String };
@scope("ward") @title("Enter a ward") @effect("read") @consent("standing") @limit("50 per P1D by user; 90 per P1D by agent")
action "enter" appliesTo { principal: [Agent, User], resource: [Ward], context: {
  consent?: Remit::Consent, history: { @count("enter by user within PT1H") entered: Long } } };
@scope("ward") @title("Close a ward") @effect("write")
action "close" appliesTo { principal: [Agent, User], resource: [Ward], context: { approval?: Remit::Approval, request: { note?: String } } };
@scope("ward") @title("List a ward") @effect("read") @consent("standing")
action "list" appliesTo { principal: [Agent, User], resource: [Ward], context: { consent?: Remit::Consent } };
@permission("view") @scope("patients") @title("See a patient") @effect("read")
action "see" appliesTo { principal: [Agent, User], resource: [Patient], context: {} };
@permission("view") @scope("patients") @title("Treat a patient") @effect("write")
action "treat" appliesTo { principal: [Agent, User], resource: [Patient], context: { approval?: Remit::Approval } };`,
  'policies/all.cedar': `
@id("all") @title("Everything that the relationships allow.") permit (principal, action, resource);
@id("looked-at") @title("Agents are looked after.") @duty("review:look")
permit (principal is Agent, action == Action::"enter", resource);
@id("treated") @title("Treatments are looked after.") @duty("review:view")
permit (principal is Agent, action == Action::"see", resource);
@id("approved") @title("A lead approves that an agent closes a ward.") @remedy("approval:approve")
forbid (principal is Agent, action in [Action::"close", Action::"treat"], resource) unless { context has approval };
@id("often") @title("Nobody enters more than ten times an hour.")
forbid (principal, action == Action::"enter", resource) when { context.history.entered > 10 };`,
  'world.yaml': `relationships: |
  ward:north#nurse@user:bob
  ward:north#lead@user:cleo
  agent:helper#delegator@user:bob
entities:
  - { type: user, id: bob, attributes: { name: Bob } }
  - { type: user, id: cleo }
  - { type: agent, id: helper }
  - { type: ward, id: north }
`,
};

export interface WardQuestion {
  readonly user?: string;
  readonly action?: string;
  readonly resource?: readonly [type: string, id: string];
  readonly context?: object;
  readonly key?: string;
}

/** Asks for a user, with a token of the agent. */
export async function askWard(remit: Running, question: WardQuestion = {}): Promise<Answer> {
  const { user = NURSE, action = 'enter', resource: [type, id] = ['ward', 'north'], context = {}, key } = question;
  const token = await remit.mint({
    user,
    agent: 'helper',
    scope: 'ward patients',
    session: `session-${user === NURSE ? 1 : 2}`,
  });
  const body = {
    subject: { type: 'user', id: user },
    action: { name: action },
    resource: { type, id },
    context: { token, ...context },
  };
  const response = await remit.post('/access/v1/evaluation', body, key === undefined ? {} : { 'idempotency-key': key });
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
}
