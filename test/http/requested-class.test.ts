/** Requests for a class of questions: what can be asked for, how it is approved, and which questions the approval is good for. */
import type { LightMyRequestResponse } from 'fastify';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseRecord } from '../../src/records/parse-record.js';
import { replayRecord } from '../../src/records/replay.js';
import {
  answer,
  ask,
  fetchApproval,
  presenting,
  requestAccess,
  type AskedQuestion,
  type PresentableApproval,
} from '../support/approve.js';
import { minutes, QUESTION, recordDenial, startApprovalWorld, type DenialOptions } from '../support/approval-world.js';
import { codes, DAYTIME, type Answer, type Running } from '../support/sample.js';

const RELEASES = { type: 'remit', actions: ['merge'], resources: ['repository:*'], constraints: { 'action.branch': { prefix: 'release-' } } }; // prettier-ignore
const UNTIL = { decision: 'approve', scope: 'until', until: minutes(60).toISOString() };

let remit: Running;
let token: string;
beforeAll(async () => {
  remit = await startApprovalWorld();
  token = await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'code.write', ttlSeconds: 7200 });
  // Otto owns one of the repositories only.
  await remit.service.activePolicies.engine.write(
    [{ operation: 'touch', relationship: { resource: { type: 'repository', id: 'api' }, relation: 'owner', subject: { type: 'user', id: 'otto' } } }],
    'test',
  ); // prettier-ignore
  return () => remit.stop();
});
beforeEach(async () => {
  remit.at(DAYTIME);
  await remit.service.database.run([{ sql: 'delete from approval_tasks' }]);
});

const merge = (branch = 'release-1', id = 'api', context: object = {}): AskedQuestion => ({
  subject: { type: 'user', id: 'ann' },
  action: { name: 'merge', properties: { branch } },
  resource: { type: 'repository', id },
  context: { token, ...context },
});
const askClass = async (details: readonly object[] = [RELEASES], question = merge(), more = {}): Promise<string> =>
  requestAccess(remit, question, await ask(remit, question), { more: { requested_access: { details, ...more } } });
async function submit(options: DenialOptions, requested_access: object, more: object = {}): Promise<LightMyRequestResponse> {
  const denial = await recordDenial(remit, options);
  const body = { ...QUESTION, ...options.question, denial, requested_access, ...more };
  return remit.post('/access/v1/requests', body, { authorization: 'Bearer git-key' });
} // prettier-ignore
const decide = async (id: string, user: string, body: object): Promise<LightMyRequestResponse> =>
  remit.request('POST', `/v1/approvals/${id}/decision`, body, await remit.mint({ user }));
async function approveClass(details: readonly object[], person = 'olga', body: object = {}): Promise<PresentableApproval> {
  const id = await askClass(details);
  await answer(remit, id, [person], { ...UNTIL, ...body });
  return fetchApproval(remit, id);
} // prettier-ignore
const expectReplayed = async ({ context }: Answer): Promise<void> => {
  const stored = await remit.service.decisions.find(context?.id ?? '');
  const record = parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'the record');
  expect(replayRecord(record, remit.service.activePolicies.rules)).toEqual({ kind: 'same' });
};
async function expectDenied(question: AskedQuestion, approval: object, code: string, at?: string): Promise<void> {
  const denied = await ask(remit, presenting(question, approval));
  expect(denied.decision).toBe(false);
  const reason = denied.context?.reasons.find((given) => given.code === code);
  expect(reason, JSON.stringify(denied.context?.reasons)).toBeDefined();
  expect(reason?.at).toBe(at);
  await expectReplayed(denied);
}

describe('an approval of a class of questions', () => {
  it('is good for every question that the details cover, until its end, and for no other', async () => {
    const approval = await approveClass([RELEASES]);
    for (const question of [merge(), merge('release-2'), merge('release-1', 'api', { ticket: 'T-9' }), merge('release-3', 'web')])
      for (let i = 0; i < 2; i += 1) {
        const allowed = await ask(remit, presenting(question, approval));
        expect([allowed.decision, allowed.context?.approval?.id], JSON.stringify(allowed.context?.reasons)).toEqual([true, approval.id]);
        expect(allowed.context?.valid_until).toBe(allowed.context?.evaluated_at);
        await expectReplayed(allowed);
      }
    await expectDenied(merge('main'), approval, 'approval_out_of_scope', 'details');
    await expectDenied({ ...merge(), action: { name: 'merge', properties: {} } }, approval, 'approval_out_of_scope', 'details');
    remit.at(minutes(60));
    await expectDenied(merge(), approval, 'approval_expired');
  }); // prettier-ignore

  it('is not for another user, agent, chain or client', async () => {
    const approval = await approveClass([RELEASES]);
    const as = async (user: string, agent: string, chain: string[] = []): Promise<AskedQuestion> => ({
      ...merge(),
      subject: { type: 'user', id: user },
      context: { token: await remit.mint({ audience: 'git', user, agent, chain, scope: 'code.write' }) },
    });
    await expectDenied(await as('bob', 'coder'), approval, 'approval_out_of_scope', 'user');
    await expectDenied(await as('ann', 'coder', ['scout']), approval, 'approval_out_of_scope', 'chain');
    const others = await remit.mint({ audience: 'other', user: 'ann', agent: 'coder', scope: 'code.write' });
    const denied = await ask(remit, presenting({ ...merge(), context: { token: others } }, approval), {
      credential: 'other-key',
    });
    expect(codes(denied)).toContain('approval_unverifiable');
  });

  it('is asked for its approvers again at each resource', async () => {
    const approval = await approveClass([RELEASES], 'otto');
    expect((await ask(remit, presenting(merge('release-2'), approval))).decision).toBe(true);
    await expectDenied(merge('release-2', 'web'), approval, 'approver_ineligible');
  });

  it('names resources by what the user holds on them now', async () => {
    const held = { ...RELEASES, resources: { type: 'repository', permission: 'own' } };
    const approval = await approveClass([held]);
    expect((await ask(remit, presenting(merge('release-2'), approval))).decision).toBe(true);
    await expectDenied(merge('release-2', 'web'), approval, 'approval_out_of_scope', 'details');
    const question = merge('release-1', 'web');
    const denied = await ask(remit, question);
    const denial = { evaluation_id: denied.context?.id, expires_at: denied.context?.access_request?.expires_at };
    const response = await remit.post(
      '/access/v1/requests',
      { ...question, context: {}, denial, requested_access: { details: [held] } },
      { authorization: 'Bearer git-key' },
    );
    expect([response.statusCode, response.json()]).toMatchObject([400, { error: { at: 'requested_access.details' } }]);
  });

  it('makes up for nothing else', async () => {
    const approval = await approveClass([RELEASES]);
    const change = async (operation: string): Promise<void> => {
      const updates = [{ operation, relationship: 'repository:web#maintainer@user:ann' }];
      const response = await remit.request('POST', '/v1/relationships', { updates }, 'root-key');
      expect(response.statusCode, response.body).toBe(200);
    };
    await change('delete');
    const denied = await ask(remit, presenting(merge('release-1', 'web'), approval));
    expect(codes(denied)).toContain('relationship_missing');
    await change('touch');
  });
});

describe('a request for a class', () => {
  const SHOWN = { action: { name: 'merge', properties: { branch: 'release-1' } } };

  it('covers the question that was denied, and says clearly what it can’t be', async () => {
    const OWN = { kind: 'permission', permission: 'own' } as const;
    const elevation = { kind: 'elevation', permission: 'own', relation: 'maintainer', seconds: 3600 } as const;
    const cases: readonly (readonly [DenialOptions, object, string])[] = [
      [{}, { details: [{ ...RELEASES, constraints: { 'action.branch': { prefix: 'main' } } }] }, 'requested_access.details'],
      [{}, { details: [{ ...RELEASES, resources: ['repository:web'] }] }, 'requested_access.details'],
      [{}, { details: [{ ...RELEASES, purpose: 'payroll' }] }, 'requested_access.details'],
      [{}, { details: [{ ...RELEASES, type: 'payment' }] }, 'requested_access.details[0].type'],
      [{}, { details: [{ ...RELEASES, actions: ['fly'] }] }, 'requested_access.details[0].actions[0]'],
      [{}, { details: [{ ...RELEASES, resources: undefined }] }, 'requested_access.details[0].resources'],
      [{}, { details: [RELEASES, { ...RELEASES, more: true }] }, 'requested_access.details[1].more'],
      [{}, { details: [] }, 'requested_access.details'],
      [{}, { details: 'all' }, 'requested_access.details'],
      [{ steps: [OWN, { kind: 'user' }] }, { details: [RELEASES] }, 'requested_access.details'],
      [{ steps: [elevation] }, { details: [RELEASES] }, 'requested_access.details'],
      [{ emergency: 'emergency' }, { details: [RELEASES], emergency: true }, 'requested_access.details'],
    ];
    for (const [options, requested, at] of cases) {
      const response = await submit({ ...options, question: SHOWN }, requested);
      expect([response.statusCode, response.json()], JSON.stringify([options, requested])).toMatchObject([400, { error: { at } }]);
    }
    expect((await submit({ question: SHOWN }, { details: [{ ...RELEASES, resources: ['repository:web'] }, RELEASES] })).statusCode).toBe(202);
  }); // prettier-ignore

  it('by an agent that asks for itself rests on what it wants to do alone', async () => {
    const own = await remit.mint({ user: 'ann', agent: 'coder', scope: 'code.write' });
    const question = { ...merge(), context: {} };
    const submitOwn = async (details: readonly object[]): Promise<LightMyRequestResponse> => {
      const denied = await ask(remit, question, { credential: own });
      const denial = { evaluation_id: denied.context?.id, expires_at: denied.context?.access_request?.expires_at };
      const body = { ...question, denial, context: { calm: true }, requested_access: { details } };
      return remit.post('/access/v1/requests', body, { authorization: `Bearer ${own}` });
    };
    for (const name of ['calm', 'context.calm', 'resource.status'])
      expect((await submitOwn([{ ...RELEASES, constraints: { [name]: true } }])).json()).toMatchObject({
        error: { at: `requested_access.details[0].constraints.${name}` },
      });
    const opened = await submitOwn([RELEASES]);
    expect(opened.statusCode, opened.body).toBe(202);
    const { id } = opened.json<{ task: { id: string } }>().task;
    await answer(remit, id, ['olga'], UNTIL);
    const approval = await fetchApproval(remit, id, own);
    for (const [branch, expected] of [['release-7', true], ['main', false]] as const)
      expect((await ask(remit, presenting({ ...merge(branch), context: {} }, approval), { credential: own })).decision).toBe(expected);
  }); // prettier-ignore

  it('is one task with equal ones, and after a no not asked again for a while by any question of it', async () => {
    const id = await askClass();
    expect(await askClass([{ ...RELEASES }])).toBe(id);
    const single = await requestAccess(remit, merge(), await ask(remit, merge()));
    expect(single).not.toBe(id);
    expect((await decide(id, 'olga', { decision: 'deny' })).statusCode).toBe(200);
    for (const question of [merge(), merge('release-2'), merge('release-1', 'web')]) {
      const denied = await ask(remit, question);
      const denial = { evaluation_id: denied.context?.id, expires_at: denied.context?.access_request?.expires_at };
      const body = { ...question, context: {}, denial, requested_access: { details: [RELEASES] } };
      const response = await remit.post('/access/v1/requests', body, { authorization: 'Bearer git-key' });
      expect([response.statusCode, response.body]).toEqual([400, expect.stringContaining('not_requestable')]);
    }
    // The one question is another, and may still be approved.
    expect((await decide(single, 'olga', { decision: 'approve' })).statusCode).toBe(200);
  });
});

describe('a class, however it is spelled', () => {
  const NARROW = { ...RELEASES, resources: ['repository:api'], constraints: { 'action.branch': 'release-1' } };
  const respell = (more: object): object => ({ ...NARROW, ...more });
  const refused = async (details: readonly object[], question = merge()): Promise<boolean> => {
    const denied = await ask(remit, question);
    const denial = { evaluation_id: denied.context?.id, expires_at: denied.context?.access_request?.expires_at };
    const body = { ...question, context: {}, denial, requested_access: { details } };
    const { statusCode, body: text } = await remit.post('/access/v1/requests', body, { authorization: 'Bearer git-key' });
    expect([202, 400], text).toContain(statusCode);
    if (statusCode === 400) expect(text).toContain('not_requestable');
    return statusCode === 400;
  }; // prettier-ignore
  const EQUAL: readonly (readonly object[])[] = [
    [NARROW, NARROW],
    [respell({ constraints: { 'action.branch': { equals: 'release-1' } } })],
    [respell({ actions: ['merge', 'merge'], resources: ['repository:api', 'repository:api'] })],
    [NARROW, respell({ purpose: 'payroll' })],
  ];

  it('is one task, by whichever of its questions it is asked for', async () => {
    const wide = await askClass();
    for (const question of [merge('release-2'), merge('release-1', 'web'), merge('release-1', 'api', { ticket: 'T-3' })])
      expect(await askClass([RELEASES], question)).toBe(wide);
    expect(await askClass([respell({ resources: ['repository:*', 'repository:api'], constraints: RELEASES.constraints })])).toBe(wide);
    const narrow = await askClass([NARROW]);
    expect(narrow).not.toBe(wide);
    for (const details of EQUAL) expect(await askClass(details), JSON.stringify(details)).toBe(narrow);
  }); // prettier-ignore

  it('with another end is another task, since an approval is good for no longer than was asked', async () => {
    const ends = (at: number | undefined): object => (at === undefined ? {} : { requested_until: minutes(at).toISOString() });
    const ids = [];
    for (const at of [undefined, 30, 60]) {
      const id = await askClass([NARROW], merge(), ends(at));
      expect(await askClass([NARROW], merge(), ends(at))).toBe(id);
      expect((await remit.service.approvals.find(id))?.requested_until).toBe(at === undefined ? undefined : minutes(at).toISOString());
      ids.push(id);
      const requested = { more: { requested_access: ends(at) } };
      ids.push(await requestAccess(remit, merge(), await ask(remit, merge()), requested));
    }
    expect(new Set(ids).size).toBe(6);
    expect((await decide(ids[2] ?? '', 'olga', { ...UNTIL, until: minutes(45).toISOString() })).statusCode).toBe(200);
    expect((await fetchApproval(remit, ids[2] ?? '')).approved_until).toBe(minutes(30).toISOString());
  }); // prettier-ignore

  it('covers a question from the background only where it is for the background', async () => {
    const background = await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'code.write code.write.background', background: true });
    const question = merge('release-1', 'api', { token: background });
    const denied = await ask(remit, question);
    expect(denied.context?.access_request, JSON.stringify(denied.context?.reasons)).toBeDefined();
    const denial = { evaluation_id: denied.context?.id, expires_at: denied.context?.access_request?.expires_at };
    for (const [access, status] of [['online', 400], [undefined, 202], ['background', 202]] as const) {
      const body = { ...question, context: {}, denial, requested_access: { details: [respell({ access })] } };
      const response = await remit.post('/access/v1/requests', body, { authorization: 'Bearer git-key' });
      expect(response.statusCode, response.body).toBe(status);
    }
  }); // prettier-ignore

  it('is not asked for again after a no, nor is one that has questions in common with it', async () => {
    await decide(await askClass([NARROW]), 'olga', { decision: 'deny' });
    const wider = [
      [RELEASES],
      [respell({ constraints: { 'action.branch': { one_of: ['release-1', 'release-2'] } } })],
      [respell({ constraints: {}, datatypes: ['repository'] })],
      [respell({ privileges: ['push'] })],
      [respell({ access: 'background', constraints: { branch: 'release-1' } })],
    ];
    for (const details of [...EQUAL, ...wider]) expect(await refused(details), JSON.stringify(details)).toBe(true);
    expect(await refused([{ ...RELEASES, resources: ['repository:web'] }], merge('release-2', 'web'))).toBe(false);
    expect(await refused([respell({ constraints: { 'action.branch': 'release-2' } })], merge('release-2'))).toBe(false);
    remit.at(minutes(61));
    expect(await refused([NARROW])).toBe(false);
  }); // prettier-ignore

  it('is one task of one request as well', async () => {
    const denied = await ask(remit, merge());
    const denial = { evaluation_id: denied.context?.id, expires_at: denied.context?.access_request?.expires_at };
    const { action, resource, subject } = merge();
    const items = [NARROW, ...EQUAL[1] ?? []].map((detail) => ({ action, resource, denial, requested_access: { details: [detail] } }));
    const response = await remit.post('/access/v1/requests', { subject, items }, { authorization: 'Bearer git-key' });
    expect(response.statusCode, response.body).toBe(202);
    const [counted] = await remit.service.database.run([{ sql: 'select count(*)::int as tasks from approval_tasks' }]);
    expect(counted).toEqual([{ tasks: 1 }]);
  }); // prettier-ignore
});

describe('an answer to a class', () => {
  it('is for all of it or a part, until an end, and shown as it is', async () => {
    const id = await askClass();
    const shown = await remit.request('GET', `/v1/approvals/${id}`, undefined, await remit.mint({ user: 'olga' }));
    expect(shown.json()).toMatchObject({ id, details: [RELEASES], may_answer: true });
    const narrow = { ...RELEASES, resources: ['repository:api'], constraints: { 'action.branch': { equals: 'release-1' } } };
    for (const [body, at] of [
      [{ decision: 'approve' }, 'scope'],
      [{ ...UNTIL, details: [{ ...RELEASES, constraints: {} }] }, 'details'],
      [{ ...UNTIL, details: [{ ...RELEASES, resources: ['agent:coder'] }] }, 'details'],
      [{ ...UNTIL, details: [{ ...RELEASES, actions: ['merge', 'fly'] }] }, 'details[0].actions[1]'],
      [{ ...UNTIL, details: [narrow, { ...RELEASES, resources: undefined }] }, 'details'],
      [{ ...UNTIL, details: [] }, 'details'],
      [{ decision: 'deny', details: [narrow] }, 'details'],
    ] as const)
      expect((await decide(id, 'olga', body)).json(), JSON.stringify(body)).toMatchObject({ error: { at } });
    expect((await decide(id, 'olga', { ...UNTIL, details: [narrow] })).json()).toMatchObject({ state: 'approved', details: [narrow] });
    // The same once more, and what isn't the same.
    expect((await decide(id, 'olga', { ...UNTIL, details: [narrow] })).statusCode).toBe(200);
    for (const details of [undefined, [RELEASES], [narrow, narrow]])
      expect((await decide(id, 'olga', { ...UNTIL, details })).json()).toMatchObject({ error: { code: 'answered_otherwise' } });
    const approval = await fetchApproval(remit, id);
    expect((await ask(remit, presenting(merge(), approval))).decision).toBe(true);
    await expectDenied(merge('release-2'), approval, 'approval_out_of_scope', 'details');
    await expectDenied(merge('release-1', 'web'), approval, 'approval_out_of_scope', 'details');
  }); // prettier-ignore

  it('of each of several people can only narrow what the others have left', async () => {
    const steps = [{ kind: 'permission', permission: 'own' }, { kind: 'permission', permission: 'emergency' }] as const;
    const question = { action: { name: 'merge', properties: { branch: 'release-1' } } };
    const { task } = (await submit({ steps, question }, { details: [RELEASES] })).json<{ task: { id: string } }>();
    const narrow = { ...RELEASES, resources: ['repository:api'] };
    expect((await decide(task.id, 'olga', { ...UNTIL, details: [narrow] })).json()).toMatchObject({ state: 'pending', details: [narrow] });
    expect((await decide(task.id, 'owen', { ...UNTIL, details: [RELEASES] })).json()).toMatchObject({ error: { at: 'details' } });
    expect((await decide(task.id, 'owen', UNTIL)).json()).toMatchObject({ state: 'approved', details: [narrow] });
    expect((await remit.service.approvals.find(task.id))?.details).toEqual([narrow]);
    expect((await decide(task.id, 'owen', UNTIL)).statusCode).toBe(200);
  }); // prettier-ignore

  it('names no details where one question is asked for', async () => {
    const id = await requestAccess(remit, merge(), await ask(remit, merge()));
    expect((await decide(id, 'olga', { ...UNTIL, details: [RELEASES] })).json()).toMatchObject({
      error: { at: 'details' },
    });
  });
});
