/** Decisions on questions that present an approval, with the real engines: what an approval does, and what it doesn't. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../src/model/faults.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { replayRecord } from '../../src/records/replay.js';
import {
  answer,
  approve,
  ask,
  fetchApproval,
  presenting,
  requestAccess,
  type AskedQuestion,
  type PresentableApproval,
} from '../support/approve.js';
import { rulesOf } from '../policy/sources.js';
import { APPROVAL_FILES, minutes, startApprovalWorld } from '../support/approval-world.js';
import { codes, DAYTIME, step, type Answer, type Running } from '../support/sample.js';

let remit: Running;
let token: string;
beforeAll(async () => {
  remit = await startApprovalWorld();
  token = await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'code.write', ttlSeconds: 7200 });
  return () => remit.stop();
});
beforeEach(async () => {
  remit.at(DAYTIME);
  await remit.service.database.run([{ sql: 'delete from approval_tasks' }]);
});

interface Asked {
  readonly branch?: string | number;
  readonly context?: object;
  readonly token?: string;
}
const merge = ({ branch = 'main', context = {}, ...asked }: Asked = {}): AskedQuestion => ({
  subject: { type: 'user', id: 'ann' },
  action: { name: 'merge', properties: { branch } },
  resource: { type: 'repository', id: 'api' },
  context: { token: asked.token ?? token, ...context },
});
const getApproval = async (question = merge(), decision = {}): Promise<PresentableApproval> =>
  approve(remit, question, await ask(remit, question), ['olga'], { decision });
const change = async (operation: 'delete' | 'touch', relationship: string): Promise<void> => {
  const updates = [{ operation, relationship }];
  const response = await remit.request('POST', '/v1/relationships', { updates }, 'root-key');
  expect(response.statusCode, response.body).toBe(200);
};
const recordOf = async (given: Answer): Promise<DecisionRecord> => {
  const stored = await remit.service.decisions.find(given.context?.id ?? '');
  return parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'the record');
};
const expectReplayed = async (given: Answer): Promise<void> => {
  expect(replayRecord(await recordOf(given), remit.service.activePolicies.rules)).toEqual({ kind: 'same' });
};

describe('a deny that an approval would lift', () => {
  it('says how to ask for it', async () => {
    const denied = await ask(remit, merge());
    expect(codes(denied)).toEqual(['approval_required', 'policy_forbid']);
    const { context } = denied;
    expect(context).toMatchObject({
      reason: 'approval_required',
      reason_user: { 403: 'Coder may not merge a pull request for Ann: Agents merge only what an owner approves.' },
      access_request: {
        expires_at: minutes(15).toISOString(),
        endpoint: `${remit.app.getBaseUrl()}/access/v1/requests`,
        display: { title: 'Merge a pull request', description: 'Coder asks to merge a pull request for Ann.' },
      },
    });
    expect(await remit.service.signing.verifyBindingToken(context?.access_request?.binding_token ?? '')).toEqual({
      evaluation_id: context?.id,
      expires_at: minutes(15).toISOString(),
    });
    expect(context).not.toHaveProperty('next_action');
    expect((await recordOf(denied)).access_request).toMatchObject({
      steps: [{ kind: 'permission', permission: 'own' }],
    });
    await expectReplayed(denied);
  });

  it('says it to an agent that asks for itself, and no more', async () => {
    const own = await remit.mint({ user: 'ann', agent: 'coder', scope: 'code.write' });
    const denied = await ask(remit, { ...merge(), context: {} }, { credential: own });
    expect(denied.context?.reasons).toEqual([{ code: 'approval_required' }, { code: 'policy_forbid' }]);
    expect(denied.context?.access_request?.endpoint).toBeDefined();
    const claims = denied.context?.access_request?.binding_token.split('.')[1] ?? '';
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ binding_context_members: [] });
  });

  it('says nothing of the kind in a dry run, in a minimal answer and where a forbid stays', async () => {
    const dry = await ask(remit, merge({ context: { dry_run: true } }));
    expect([codes(dry), dry.context?.access_request]).toEqual([['policy_forbid'], undefined]);
    const minimal = await remit.post('/access/v1/evaluation', merge(), {
      authorization: 'Bearer git-key',
      prefer: 'return=minimal',
    });
    expect(minimal.json()).toEqual({ decision: false });
    const bob = await remit.mint({ audience: 'git', user: 'max', agent: 'coder', scope: 'code.write' });
    const undelegated = await ask(remit, { ...merge({ token: bob }), subject: { type: 'user', id: 'max' } });
    expect(codes(undelegated)).toEqual(['delegation_missing', 'policy_forbid']);
    expect(undelegated.context).not.toHaveProperty('access_request');
  });
});

describe('a deny of what a person has refused', () => {
  const listMerge = async (agent: string): Promise<unknown> => {
    const own = await remit.mint({ user: 'ann', agent, scope: 'code.write' });
    const { capabilities } = (await remit.request('GET', '/v1/capabilities', undefined, own)).json<{ capabilities: { actions: { name: string; status: string }[] }[] }>();
    return capabilities.flatMap(({ actions }) => actions).find(({ name }) => name === 'merge')?.status;
  }; // prettier-ignore

  it('asks nobody until a while has passed, whoever asks, and says so in capabilities and in its record', async () => {
    expect(await listMerge('coder')).toBe('remediable');
    const approval = await getApproval(merge(), { scope: 'until', until: minutes(1).toISOString() });
    await answer(remit, await requestAccess(remit, merge(), await ask(remit, merge())), ['olga'], { decision: 'deny' });
    remit.at(minutes(5));
    const theirs = await remit.mint({ audience: 'other', user: 'ann', agent: 'coder', scope: 'code.write' });
    for (const [question, credential] of [
      [merge(), 'git-key'],
      [merge({ branch: 'unread' }), 'git-key'],
      [merge({ token: theirs }), 'other-key'],
    ] as const) {
      const denied = await ask(remit, question, { credential });
      expect(codes(denied)).toEqual(['policy_forbid']);
      expect(denied.context).not.toHaveProperty('access_request');
      expect((await recordOf(denied)).facts?.refusal).toEqual({ at: DAYTIME.toISOString() });
      await expectReplayed(denied);
    }
    const expired = await ask(remit, presenting(merge(), approval));
    expect(codes(expired)).toEqual(['approval_expired', 'policy_forbid']);
    expect(expired.context).toMatchObject({ reason: 'policy_denied', next_action: 'none' });
    // It is no other resource's, and ends.
    const other = { ...merge(), resource: { type: 'repository', id: 'web' } };
    expect(codes(await ask(remit, other))).toEqual(['approval_required', 'policy_forbid']);
    expect(await listMerge('coder')).toBe('remediable');
    await change('delete', 'repository:web#maintainer@user:ann');
    expect(await listMerge('coder')).toBeUndefined();
    remit.at(minutes(60));
    expect((await ask(remit, merge())).context?.access_request).toBeDefined();
    expect(await listMerge('coder')).toBe('remediable');
    await change('touch', 'repository:web#maintainer@user:ann');
  });
});

describe('a deny of which it can not be told whether a person has refused it', () => {
  it('stays a deny, asks nobody and is replayed to the same', async () => {
    const find = remit.service.approvals.findRefusals.bind(remit.service.approvals);
    remit.service.approvals.findRefusals = () => Promise.reject(new Fault('database_unavailable'));
    try {
      const denied = await ask(remit, merge());
      expect(codes(denied)).toEqual(['policy_forbid']);
      expect(denied.context).not.toHaveProperty('access_request');
      expect((await recordOf(denied)).facts?.refusal).toEqual({ fault: 'database_unavailable' });
      await expectReplayed(denied);
    } finally {
      remit.service.approvals.findRefusals = find;
    }
  });
});

describe('a request for the approval of a denial of before the rules changed', () => {
  const submit = async (denied: Answer): Promise<number> => {
    const denial = { evaluation_id: denied.context?.evaluation_id, expires_at: denied.context?.access_request?.expires_at };
    const response = await remit.post('/access/v1/requests', { ...merge(), context: {}, denial }, { authorization: 'Bearer git-key' });
    if (response.statusCode === 410) expect(response.json()).toMatchObject({ type: expect.stringContaining('expired_denial') as string });
    return response.statusCode;
  }; // prettier-ignore
  const APPROVED = APPROVAL_FILES['policies/all.cedar'] ?? '';

  it.each([
    ['opens a task where they ask for the same', `${APPROVED} @id("more") permit (principal is User, action, resource);`, 202],
    ['is refused where they ask others', APPROVED.replace('approval:own', 'approval:push'), 410],
    ['is refused where they ask for more', `${APPROVED} @id("more") @remedy("approval:push") forbid (principal is Agent, action, resource) unless { context has approval };`, 410],
    ['is refused where no approval lifts it any more', APPROVED.replace('@remedy("approval:own")', ''), 410],
    ['is refused where it is no deny any more', APPROVED.replace('forbid (principal is Agent,', 'forbid (principal is User,'), 410],
    ['is refused where more of the context decides', `${APPROVED} @id("more") forbid (principal, action, resource) when { context.request has ticket && context.request.ticket == "T-0" };`, 410],
  ])('%s', async (_what, policies, status) => {
    const { activePolicies } = remit.service;
    const before = activePolicies.rules;
    const denied = await ask(remit, merge({ context: { ticket: 'T-1' } }));
    const rules = rulesOf({ zed: APPROVAL_FILES['schema.zed'] ?? '', schema: APPROVAL_FILES['schema.cedarschema'] ?? '', policies });
    await activePolicies.replace(rules, () => undefined);
    try {
      expect(await submit(denied)).toBe(status);
      // Asked anew, it is denied by the rules in force.
      const again = await ask(remit, merge());
      if (again.context?.access_request !== undefined) expect(await submit(again)).toBe(202);
    } finally {
      await activePolicies.replace(before, () => undefined);
    }
  }); // prettier-ignore
});

describe('an approval', () => {
  it('allows the same question once, and says which it was', async () => {
    const approval = await getApproval();
    const allowed = await ask(remit, presenting(merge(), approval));
    expect(allowed).toMatchObject({
      decision: true,
      context: {
        approval: { id: approval.id, approved_until: minutes(15).toISOString() },
        valid_until: DAYTIME.toISOString(),
      },
    });
    expect(step(allowed, 'consent')?.evidence).toEqual({
      required: false,
      approval: approval.id,
      approvers: ['user:olga'],
      approved_until: minutes(15).toISOString(),
    });
    await expectReplayed(allowed);
    const again = await ask(remit, presenting(merge(), approval));
    expect(codes(again)).toEqual(['approval_required', 'approval_used', 'policy_forbid']);
    expect(again.context).toMatchObject({ reason: 'approval_expired', next_action: 'request' });
    expect(again.context?.access_request).toBeDefined();
    await expectReplayed(again);
    // Another may be asked for.
    const second = await approve(remit, merge(), again, ['olga']);
    expect((await ask(remit, presenting(merge(), { id: second.id }))).decision).toBe(true);
  });

  it('is good as often as it is used until its end, where it says so', async () => {
    const approval = await getApproval(merge(), { scope: 'until', until: minutes(30).toISOString() });
    for (const at of [0, 10, 29]) {
      remit.at(minutes(at));
      expect((await ask(remit, presenting(merge(), approval))).decision).toBe(true);
    }
    remit.at(minutes(30));
    const expired = await ask(remit, presenting(merge(), approval));
    expect(codes(expired)).toEqual(['approval_required', 'approval_expired', 'policy_forbid']);
    expect(expired.context).toMatchObject({ reason: 'approval_expired', next_action: 'request' });
  });

  it('holds for a refreshed token and however the subject is named', async () => {
    const approval = await getApproval();
    const refreshed = await remit.mint({
      audience: 'git',
      user: 'ann',
      agent: 'coder',
      scope: 'code.write',
      session: 's2',
    });
    const question = {
      ...merge({ token: refreshed, context: { unread: 1 } }),
      subject: { type: 'agent', id: 'coder' },
    };
    expect((await ask(remit, presenting(question, approval))).decision).toBe(true);
  });

  it.each<[string, Asked, string]>([
    ['another property', { branch: 'release' }, 'action.properties.branch'],
    ['another type of value', { branch: '5' }, 'action.properties.branch'],
  ])('is not for %s', async (_what, other, at) => {
    const approval = await getApproval();
    const denied = await ask(remit, presenting(merge(other), approval));
    expect(denied.context?.reasons.find(({ code }) => code === 'approval_out_of_scope')).toMatchObject({ at });
    expect(denied.context).toMatchObject({ reason: 'out_of_scope', next_action: 'request' });
    expect(denied.context?.access_request).toBeDefined();
    await expectReplayed(denied);
    // It was not used up by what it isn't for.
    expect((await ask(remit, presenting(merge(), approval))).decision).toBe(true);
  });

  it("is not for another user's, agent's or chain's question", async () => {
    const approval = await getApproval();
    const tokens = [
      [await remit.mint({ audience: 'git', user: 'bob', agent: 'coder', scope: 'code.write' }), 'bob', 'user'],
      [
        await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', chain: ['planner'], scope: 'code.write' }),
        'ann',
        'chain',
      ],
    ] as const;
    for (const [other, user, at] of tokens) {
      const question = { ...merge({ token: other }), subject: { type: 'user', id: user } };
      const denied = await ask(remit, presenting(question, approval));
      expect(denied.context?.reasons.find(({ code }) => code === 'approval_out_of_scope')).toMatchObject({ at });
    }
  });

  it.each<[string, (approval: PresentableApproval) => [object, string]]>([
    ['unknown', () => [{ id: '00000000-0000-4000-8000-000000000000' }, 'git-key']],
    ['no id of any', () => [{ id: "'; drop table approval_tasks; --" }, 'git-key']],
    ["another client's", ({ id }) => [{ id }, 'other-key']],
    ['of another state', ({ id, state = '' }) => [{ id, state: `${state.slice(0, -4)}AAAA` }, 'git-key']],
  ])('proves nothing where it is %s', async (_what, present) => {
    const [presented, credential] = present(await getApproval());
    const audience = credential.replace('-key', '');
    const theirs = await remit.mint({ user: 'ann', agent: 'coder', scope: 'code.write', audience });
    const question = merge({ token: theirs });
    const denied = await ask(remit, presenting(question, presented), { credential });
    expect(codes(denied)).toContain('approval_unverifiable');
    expect(denied.context).toMatchObject({ reason: 'approval_unverifiable', next_action: 'none' });
    const record = await recordOf(denied);
    expect(record.facts?.approval).not.toHaveProperty('approval');
    await expectReplayed(denied);
  });

  it('proves nothing before it is given, and after it is ended', async () => {
    const denied = await ask(remit, merge());
    const id = await requestAccess(remit, merge(), denied);
    expect(codes(await ask(remit, presenting(merge(), { id })))).toContain('approval_unverifiable');
    await answer(remit, id, ['olga']);
    const approval = await fetchApproval(remit, id);
    expect(
      (await remit.request('DELETE', `/v1/approvals/${id}`, undefined, await remit.mint({ user: 'ann' }))).statusCode,
    ).toBe(204);
    const ended = await ask(remit, presenting(merge(), approval));
    expect(codes(ended)).toEqual(['approval_required', 'approval_revoked', 'policy_forbid']);
    expect(ended.context).toMatchObject({ reason: 'approval_expired', next_action: 'request' });
  });

  it('ends where its approver may approve no more', async () => {
    const approval = await getApproval();
    await change('delete', 'team:core#member@user:olga');
    const denied = await ask(remit, presenting(merge(), approval));
    await change('touch', 'team:core#member@user:olga');
    expect(codes(denied)).toEqual(['approval_required', 'approver_ineligible', 'policy_forbid']);
    expect(denied.context).toMatchObject({ reason: 'approval_expired', next_action: 'request' });
    await expectReplayed(denied);
    expect((await ask(remit, presenting(merge(), approval))).decision).toBe(true);
  });

  it('ends where the user stops an agent that it came through, and so does what that agent passes on', async () => {
    const mint = (chain?: string[]): Promise<string> =>
      remit.mint({ audience: 'git', user: 'ann', agent: 'coder', chain, scope: 'code.write', ttlSeconds: 7200 });
    const through = merge({ token: await mint(['scout']) });
    const get = async (): Promise<PresentableApproval> => approve(remit, through, await ask(remit, through), ['olga']);
    const [first, second] = [await get(), await get()];
    expect((await ask(remit, presenting(through, first))).decision).toBe(true);
    const stop = await remit.request('DELETE', '/v1/agents/scout/access', undefined, await remit.mint({ user: 'ann' }));
    expect(stop.statusCode, stop.body).toBe(204);
    remit.at(minutes(1));
    // A token that was issued after that isn't revoked.
    const later = { ...through, context: { token: await mint(['scout']) } };
    const denied = await ask(remit, presenting(later, second));
    expect(codes(denied)).toEqual(['delegation_missing', 'approval_revoked', 'policy_forbid']);
    expect(denied.context?.reasons[0]?.message).toBe(
      'user:ann has stopped agent:scout, so nothing that comes through it counts.',
    );
    expect(denied.context).toMatchObject({ next_action: 'none' });
    expect(denied.context).not.toHaveProperty('access_request');
    await expectReplayed(denied);
    expect(codes(await ask(remit, merge({ token: await mint() })))).toEqual(['approval_required', 'policy_forbid']);
  });

  it('makes up for nothing else', async () => {
    const approval = await getApproval();
    const scopeless = await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'other' });
    const denied = await ask(remit, presenting(merge({ token: scopeless }), approval));
    expect(codes(denied)).toEqual(['scope_insufficient']);
    expect(denied.context).toMatchObject({ reason: 'policy_denied', next_action: 'none' });
    expect(denied.context).not.toHaveProperty('access_request');
    expect(codes(await ask(remit, presenting(merge({ token: 'none' }), approval)))).toEqual(['token_malformed']);
    expect((await ask(remit, presenting(merge(), approval))).decision).toBe(true);
  });

  it('is used by nothing but an allow', async () => {
    const approval = await getApproval();
    for (let dry = 0; dry < 2; dry += 1) {
      const allowed = await ask(remit, presenting(merge({ context: { dry_run: true } }), approval));
      expect([allowed.decision, allowed.context?.approval?.id]).toEqual([true, approval.id]);
    }
    expect((await ask(remit, presenting(merge(), approval))).decision).toBe(true);
  });

  it('serves a retry with the same key, which uses no second one', async () => {
    const [first, second] = [await getApproval(), await getApproval()];
    expect((await ask(remit, presenting(merge(), first), { key: 'k' })).decision).toBe(true);
    expect((await ask(remit, presenting(merge(), first), { key: 'k' })).decision).toBe(true);
    expect(codes(await ask(remit, presenting(merge(), first), { key: 'other' }))).toContain('approval_used');
    expect(codes(await ask(remit, presenting(merge(), first)))).toContain('approval_used');
    expect((await ask(remit, presenting(merge(), second), { key: 'k' })).decision).toBe(true);
    expect((await ask(remit, presenting(merge(), second))).decision).toBe(true);
    expect(codes(await ask(remit, presenting(merge(), second)))).toContain('approval_used');
  });

  it('serves the next attempt of its key after one that failed, as long as it would have been good', async () => {
    const report = async (given: Answer, outcome: string, credential = 'git-key'): Promise<void> => {
      const at = `/v1/decisions/${given.context?.id ?? ''}/outcome`;
      const response = await remit.post(at, { outcome }, { authorization: `Bearer ${credential}` });
      expect(response.statusCode, response.body).toBe(201);
    };
    const [approval, ended] = [await getApproval(), await getApproval()];
    const attempt = (key?: string, given = approval): Promise<Answer> =>
      ask(remit, presenting(merge(), given), key === undefined ? {} : { key });
    const first = await attempt('k');
    await report(first, 'failed');
    for (const key of ['other', undefined]) expect(codes(await attempt(key))).toContain('approval_used');
    const dry = await ask(remit, presenting(merge({ context: { dry_run: true } }), approval), { key: 'k' });
    expect(dry.decision).toBe(true);
    const second = await attempt('k');
    expect([second.decision, (await recordOf(second)).reservation?.decision]).toEqual([true, second.context?.id]);
    await expectReplayed(second);
    await report(second, 'abandoned');
    await report(await attempt('k'), 'executed');
    expect(codes(await attempt('k'))).toContain('key_used');
    // What its first question had no key for is found by none.
    const keyless = await getApproval();
    await report(await attempt(undefined, keyless), 'failed');
    for (const key of ['k', undefined]) expect((await attempt(key, keyless)).decision).toBe(false);
    await report(await attempt('late', ended), 'failed');
    remit.at(new Date(Date.parse(ended.approved_until)));
    expect(codes(await attempt('late', ended))).toContain('approval_expired');
  });

  it('is used once, however many ask at once', async () => {
    for (let round = 0; round < 3; round += 1) {
      const approval = await getApproval();
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(remit, presenting(merge(), approval))));
      expect(answers.filter(({ decision }) => decision)).toHaveLength(1);
      for (const denied of answers.filter(({ decision }) => !decision)) {
        expect(codes(denied)).toEqual(['approval_required', 'approval_used', 'policy_forbid']);
        await expectReplayed(denied);
      }
      const records = await remit.service.database.run([
        {
          sql: `select count(*)::int as n from records where record->'approval'->>'id' = $1 and decision`,
          params: [approval.id],
        },
      ]);
      expect(records[0]?.[0]).toEqual({ n: 1 });
    }
  });

  it('is used once in a batch as well', async () => {
    const approval = await getApproval();
    const body = { evaluations: [presenting(merge(), approval), presenting(merge(), approval)] };
    const response = await remit.post('/access/v1/evaluations', body, { authorization: 'Bearer git-key' });
    const { evaluations } = response.json<{ evaluations: Answer[] }>();
    expect(evaluations.filter(({ decision }) => decision)).toHaveLength(1);
    expect(evaluations.some((one) => one.context?.access_request !== undefined)).toBe(true);
  });

  it('is given back where the allow could not be answered', async () => {
    const approval = await getApproval();
    const allowed = await ask(remit, presenting(merge(), approval));
    const record = await recordOf(allowed);
    remit.service.decisions.correct({ ...record, decision: false }, undefined, true);
    await remit.service.decisions.flush();
    expect((await ask(remit, presenting(merge(), approval))).decision).toBe(true);
  });

  it('stays with a retry that was allowed by it, where the first question could not be answered', async () => {
    const approval = await getApproval();
    const [first, retry] = [
      await ask(remit, presenting(merge(), approval), { key: 'lost' }),
      await ask(remit, presenting(merge(), approval), { key: 'lost' }),
    ];
    expect([first.decision, retry.decision]).toEqual([true, true]);
    remit.service.decisions.correct({ ...(await recordOf(first)), decision: false }, undefined, true);
    await remit.service.decisions.flush();
    for (const key of ['another', undefined])
      expect(codes(await ask(remit, presenting(merge(), approval), key === undefined ? {} : { key }))).toContain('approval_used'); // prettier-ignore
    expect((await ask(remit, presenting(merge(), approval), { key: 'lost' })).decision).toBe(true);
  });

  it('is none where it is null, and whole where its optional members are', async () => {
    const denied = await ask(remit, presenting(merge(), null as unknown as object));
    expect(codes(denied)).toEqual(['approval_required', 'policy_forbid']);
    const { id } = await approve(remit, merge(), denied, ['olga']);
    const nulls = { id, state: null, approved_at: null, approved_until: null };
    expect((await ask(remit, presenting(merge(), nulls))).decision).toBe(true);
  });

  it.each<[string, unknown]>([
    ['no object', 'approved'],
    ['an unknown member', { id: 'x', scope: 'until' }],
    ['no id', { approved_until: '2030-01-01T00:00:00Z' }],
    ['an id of any length', { id: 'x'.repeat(129) }],
    ['a state of any length', { id: 'x', state: 'x'.repeat(8193) }],
  ])('is refused as %s', async (_what, approval) => {
    const response = await remit.post('/access/v1/evaluation', presenting(merge(), approval as object), {
      authorization: 'Bearer git-key',
    });
    expect(response.statusCode).toBe(400);
    expect(response.json<{ error: { at: string } }>().error.at).toMatch(/^context\.approval/);
  });
});
