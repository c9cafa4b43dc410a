/** Decisions on what a user lacks the permission for and may ask for, with the real engines: the deny, the right, and its end. */
import { beforeAll, expect, it } from 'vitest';
import { parseRecord } from '../../src/records/parse-record.js';
import { replayRecord } from '../../src/records/replay.js';
import { answer, ask, fetchApproval, presenting, requestAccess, type AskedQuestion } from '../support/approve.js';
import { clientNamed, codes, startFiles, type Answer, type Running } from '../support/sample.js';

const FILES = {
  'schema.zed': `use expiration
definition user {}
definition agent { relation delegator: user
}
definition repository {
  relation owner: user
  relation reader: user
  relation maintainer: user | user with expiration
  permission own = owner
  permission push = owner + maintainer
  permission read = reader + push
}`,
  'schema.cedarschema': `
entity User { name?: String };
entity Agent { name?: String };
entity Repository { frozen?: Bool, archived?: Bool };
@permission("push") @scope("code.write") @title("Push") @effect("write") @elevation("maintainer by own for PT1H if read")
action "push" appliesTo { principal: [Agent, User], resource: [Repository], context: { approval?: Remit::Approval } };`,
  'policies/all.cedar': `
@id("all") permit (principal, action, resource);
@id("frozen") @remedy("approval:own") forbid (principal, action, resource) when { resource has frozen && resource.frozen } unless { context has approval };
@id("archived") forbid (principal, action, resource) when { resource has archived && resource.archived };`,
  'world.yaml': `relationships: |
  repository:api#owner@user:olga
  repository:api#reader@user:ann
  repository:frozen#owner@user:olga
  repository:frozen#reader@user:ann
  repository:archived#owner@user:olga
  repository:archived#reader@user:ann
  repository:hidden#owner@user:olga
  agent:coder#delegator@user:ann
entities:
  - { type: user, id: ann }
  - { type: agent, id: coder }
  - { type: repository, id: frozen, attributes: { frozen: true } }
  - { type: repository, id: archived, attributes: { archived: true } }
`,
} as const; // prettier-ignore

// SpiceDB ends relationships by the host's clock, so the service goes by it as well.
const NOW = new Date();
let remit: Running;
let token: string;
beforeAll(async () => {
  remit = await startFiles(FILES, {
    clients: [clientNamed('git', 'git', 'evaluate'), clientNamed('root', 'root', 'admin')],
  });
  remit.at(NOW);
  token = await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'code.write' });
  return () => remit.stop();
});

const push = (id: string): AskedQuestion => ({
  subject: { type: 'user', id: 'ann' },
  action: { name: 'push' },
  resource: { type: 'repository', id },
  context: { token },
});
async function stepsOf(given: Answer): Promise<unknown> {
  const stored = await remit.service.decisions.find(given.context?.id ?? '');
  const record = parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'the record');
  expect(replayRecord(record, remit.service.activePolicies.rules)).toEqual({ kind: 'same' });
  return record.access_request?.steps;
}
async function touch(...relationships: string[]): Promise<void> {
  const updates = relationships.map((relationship) => ({ operation: 'touch', relationship }));
  expect((await remit.request('POST', '/v1/relationships', { updates }, 'root-key')).statusCode).toBe(200);
}
const RIGHT = { kind: 'elevation', permission: 'own', relation: 'maintainer', seconds: 3600 };

it('asks for the right, and with it for what else is missing', async () => {
  const denied = await ask(remit, push('api'));
  expect(codes(denied)).toEqual(['approval_required', 'relationship_missing']);
  expect(await stepsOf(denied)).toEqual([RIGHT]);
  const frozen = await ask(remit, push('frozen'));
  expect(codes(frozen)).toEqual(['approval_required', 'relationship_missing']);
  expect(await stepsOf(frozen)).toEqual([{ kind: 'permission', permission: 'own' }, RIGHT]);
});

it('asks for nothing where it would not be enough, and of nobody who may not ask', async () => {
  for (const id of ['archived', 'hidden', 'none']) {
    const denied = await ask(remit, push(id));
    expect(codes(denied)).toEqual(['relationship_missing']);
    expect(await stepsOf(denied)).toBeUndefined();
  }
});

it('gives the user the right until it ends, and ending the approval takes it back', async () => {
  const question = push('api');
  const id = await requestAccess(remit, question, await ask(remit, question));
  await answer(remit, id, ['olga']);
  const approval = await fetchApproval(remit, id);
  const allowed = await ask(remit, presenting(question, approval));
  expect(allowed).toMatchObject({ decision: true, context: { approval: { id } } });
  expect((await ask(remit, question)).decision).toBe(true);
  await remit.request('DELETE', `/v1/approvals/${id}`, undefined, await remit.mint({ user: 'olga' }));
  expect(codes(await ask(remit, question))).toEqual(['approval_required', 'relationship_missing']);
});

it('is to be asked again where the right is not written yet', async () => {
  const question = push('frozen');
  const id = await requestAccess(remit, question, await ask(remit, question));
  await answer(remit, id, ['olga']);
  await remit.service.database.run([{ sql: `update approval_tasks set grant_state = 'wanted' where id = $1::uuid`, params: [id] }]);
  const denied = await ask(remit, presenting(question, { id }));
  expect(codes(denied)).toContain('grant_pending');
  expect(denied.context).toMatchObject({ reason: 'grant_pending', next_action: 'retry', retry_after: 1 });
}); // prettier-ignore

it('asks for another approval where one that is used is presented beside the right that it gave, and keeps that right on', async () => {
  await touch('repository:late#owner@user:olga', 'repository:late#reader@user:ann');
  const question = push('late');
  const id = await requestAccess(remit, question, await ask(remit, question));
  await answer(remit, id, ['olga']);
  const approval = await fetchApproval(remit, id);
  expect((await ask(remit, presenting(question, approval))).decision).toBe(true);
  const denied = await ask(remit, presenting(question, approval));
  expect(codes(denied)).toEqual(['approval_required', 'approval_used']);
  expect(denied.context).toMatchObject({ reason: 'approval_expired', next_action: 'request' });
  expect(await stepsOf(denied)).toEqual([RIGHT]);
  // The right holds all the same.
  expect((await ask(remit, question)).decision).toBe(true);
  const again = await requestAccess(remit, question, denied);
  expect(again).not.toBe(id);
  await answer(remit, again, ['olga']);
  const second = await fetchApproval(remit, again);
  expect((await ask(remit, presenting(question, second))).decision).toBe(true);
  // One that was for another resource isn't asked for again.
  const elsewhere = await ask(remit, presenting(push('api'), second));
  expect(elsewhere.context).toMatchObject({ reason: 'out_of_scope', next_action: 'request' });
  await touch('repository:api#maintainer@user:ann');
  const unneeded = await ask(remit, presenting(push('api'), second));
  expect(codes(unneeded)).toEqual(['approval_out_of_scope']);
  expect(unneeded.context).toMatchObject({ reason: 'policy_denied', next_action: 'none' });
}); // prettier-ignore
