/** Approvals over HTTP: who sees what waits, who may answer it, and what becomes of it. */
import type { LightMyRequestResponse } from 'fastify';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ApprovalStep } from '../../../src/model/approvals.js';
import { useStatement } from '../../../src/store/approvals.js';
import { EventLog } from '../../../src/store/event-log.js';
import { expireTasks } from '../../../src/store/expire-tasks.js';
import {
  minutes,
  QUESTION,
  recordDenial,
  startApprovalWorld,
  type DenialOptions,
} from '../../support/approval-world.js';
import { DAYTIME, type Running } from '../../support/sample.js';

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';

let remit: Running;
beforeAll(async () => {
  remit = await startApprovalWorld();
  return () => remit.stop();
});
beforeEach(async () => {
  remit.at(DAYTIME);
  await remit.service.database.run([{ sql: 'delete from approval_tasks' }]);
});

const userToken = (user: string): Promise<string> => remit.mint({ user });
async function call(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  credential: string | Promise<string>,
  body?: object,
): Promise<LightMyRequestResponse> {
  return remit.request(method, `/v1/approvals${path}`, body, await credential);
}
interface Approval {
  readonly id: string;
  readonly state: string;
  readonly may_answer: boolean;
  readonly approved_until?: string;
}
async function open(options: DenialOptions = {}, more: object = {}): Promise<string> {
  const denial = await recordDenial(remit, options);
  const subject = { type: 'user', id: options.user ?? 'ann' };
  const response = await remit.post(
    '/access/v1/requests',
    { ...QUESTION, subject, ...options.question, denial, ...more },
    { authorization: `Bearer ${options.client ?? 'git'}-key` },
  );
  expect(response.statusCode, response.body).toBe(202);
  return response.json<{ task: { id: string } }>().task.id;
}
const GIT = { authorization: 'Bearer git-key' };
const decide = (id: string, user: string, body: object = { decision: 'approve' }): Promise<LightMyRequestResponse> =>
  call('POST', `/${id}/decision`, userToken(user), body);
async function list(user: string, query = ''): Promise<Approval[]> {
  const response = await call('GET', query, userToken(user));
  expect(response.statusCode, response.body).toBe(200);
  return response.json<{ results: Approval[] }>().results;
}
const status = async (id: string): Promise<unknown> =>
  (await remit.request('GET', `/access/v1/requests/${id}`, undefined, 'git-key')).json<{ task: { status: string } }>()
    .task.status;

describe('what waits', () => {
  it('is shown to who may answer it, as it will be approved', async () => {
    const id = await open({ chain: ['agent:planner'] }, { context: { ticket: 'T-1', justification: 'trust me' } });
    const [task] = await list('olga');
    expect(task).toEqual({
      id,
      state: 'pending',
      title: 'Merge a pull request',
      user: 'user:ann',
      agent: 'agent:coder',
      chain: ['agent:planner'],
      requester: 'git',
      subject: QUESTION.subject,
      action: QUESTION.action,
      resource: { ...QUESTION.resource, properties: {} },
      context: { ticket: 'T-1' },
      steps: [{ kind: 'permission', permission: 'own' }],
      may_answer: true,
      emergency: false,
      latest_until: minutes(1440).toISOString(),
      asked_at: DAYTIME.toISOString(),
      expires_at: minutes(1440).toISOString(),
    });
    expect((await call('GET', `/${id}`, userToken('olga'))).json()).toEqual(task);
  });

  it('is shown to the user it is for, who may not answer it', async () => {
    const id = await open();
    expect(await list('ann')).toMatchObject([{ id, may_answer: false }]);
    const response = await decide(id, 'ann');
    expect([response.statusCode, response.json()]).toMatchObject([403, { error: { code: 'forbidden' } }]);
    expect((await decide(id, 'ann', { decision: 'deny' })).statusCode).toBe(403);
    expect(await status(id)).toBe('pending');
  });

  it('is nothing to all others, whatever ids they guess', async () => {
    const id = await open();
    // Who holds no such permission, holds it through a group that the requester leads, or is unknown.
    for (const user of ['max', 'owen', 'pete', 'bob', 'nobody']) {
      expect(await list(user), user).toEqual([]);
      for (const task of [id, UNKNOWN_ID, 'x', `${id}%00`])
        for (const response of [
          await call('GET', `/${task}`, userToken(user)),
          await decide(task, user),
          await call('DELETE', `/${task}`, userToken(user)),
        ])
          expect([response.statusCode, response.json<{ error: { code: string } }>().error.code]).toEqual([
            404,
            'not_found',
          ]);
    }
    expect(await status(id)).toBe('pending');
  });

  it('is for people alone', async () => {
    const id = await open();
    const agent = await remit.mint({ user: 'olga', agent: 'coder', scope: 'code.write' });
    const direct = await remit.mint({ agent: 'coder', scope: 'code.write' });
    for (const [credential, expected] of [
      [agent, 403],
      [direct, 403],
      ['git-key', 403],
      ['nothing', 401],
      [`${await userToken('olga')}x`, 401],
    ] as const)
      for (const response of [
        await call('GET', '', credential),
        await call('GET', `/${id}`, credential),
        await call('POST', `/${id}/decision`, credential, { decision: 'approve' }),
        await call('POST', `/${UNKNOWN_ID}/decision`, credential, { decision: 'approve' }),
      ])
        expect(response.statusCode, response.body).toBe(expected);
    expect((await call('DELETE', `/${id}`, agent)).statusCode).toBe(403);
    expect((await call('DELETE', `/${id}`, 'git-key')).statusCode).toBe(403);
    expect(await status(id)).toBe('pending');
  });

  it('comes in pages, each of which has only what its reader may see', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 7; i += 1) {
      remit.at(new Date(DAYTIME.getTime() + i * 1000));
      const question = { action: { name: 'merge', properties: { branch: `b-${i}` } } };
      const web = i % 2 === 1 ? { resource: { type: 'repository', id: 'web' } } : {};
      ids.push(await open({ question: { ...question, ...web } }));
    }
    const seen: string[] = [];
    let token = '';
    let pages = 0;
    do {
      const query = `?limit=2${token === '' ? '' : `&page_token=${token}`}`;
      const page = (await call('GET', query, userToken('olga'))).json<{
        page: { next_token: string };
        results: Approval[];
      }>();
      seen.push(...page.results.map(({ id }) => id));
      token = page.page.next_token;
      pages += 1;
      if (token !== '')
        expect((await call('GET', `?limit=2&page_token=${token}`, userToken('ann'))).statusCode).toBe(400);
    } while (token !== '');
    expect([seen, pages]).toEqual([ids, 4]);
    // A stranger can't count the pages of what isn't theirs.
    for (const stranger of ['max', 'nobody'])
      expect((await call('GET', '?limit=2', userToken(stranger))).json()).toEqual({
        page: { next_token: '' },
        results: [],
      });
    expect((await call('GET', '?state=open', userToken('olga'))).statusCode).toBe(400);
    expect((await call('GET', '?limit=101', userToken('olga'))).statusCode).toBe(400);
  });
});

describe('an answer', () => {
  it('approves for one use, and is shown to all who took part', async () => {
    const id = await open();
    const response = await decide(id, 'olga', { decision: 'approve', note: 'Looks right.' });
    expect(response.json()).toMatchObject({
      state: 'approved', scope: 'once', approved_until: minutes(15).toISOString(), used: false, may_answer: false,
      steps: [{ by: 'user:olga', at: DAYTIME.toISOString(), note: 'Looks right.' }],
    }); // prettier-ignore
    expect(await status(id)).toBe('approved');
    for (const user of ['olga', 'ann']) {
      expect(await list(user)).toEqual([]);
      expect(await list(user, '?state=approved')).toMatchObject([{ id, state: 'approved' }]);
    }
    expect(await list('pete', '?state=approved')).toEqual([]);
    for (const decision of ['approve', 'deny']) expect((await decide(id, 'olga', { decision })).statusCode).toBe(409);
    // The same again is answered as it is: the reply may have been lost.
    const repeated = await decide(id, 'olga', { decision: 'approve', note: 'Looks right.' });
    expect([repeated.statusCode, repeated.json()]).toEqual([200, response.json()]);
    expect((await decide(id, 'ann', { decision: 'approve', note: 'Looks right.' })).statusCode).toBe(409);
    const longer = { decision: 'approve', scope: 'until', until: minutes(20).toISOString(), note: 'Looks right.' };
    expect((await decide(id, 'olga', longer)).statusCode).toBe(409);
  });

  it('denies the whole, and that is the end', async () => {
    const steps = [{ kind: 'permission', permission: 'own' } as const, { kind: 'user' } as const];
    const id = await open({ steps });
    const response = await decide(id, 'ann', { decision: 'deny', note: 'Not today.' });
    expect(response.json()).toMatchObject({ state: 'denied', denied: { by: 'user:ann', note: 'Not today.' } });
    // Who could have answered comes too late; there is nothing here for those who could not.
    expect([(await decide(id, 'olga')).statusCode, (await decide(id, 'olga')).json()]).toMatchObject([
      409,
      { error: { code: 'conflict', message: 'It has been denied already.' } },
    ]);
    for (const user of ['pete', 'bob', 'max'])
      expect((await decide(id, user)).json(), user).toMatchObject({ error: { code: 'not_found' } });
    expect((await call('GET', `/${id}`, userToken('olga'))).statusCode).toBe(404);
    expect(await list('ann', '?state=denied')).toMatchObject([{ id }]);
    expect(await status(id)).toBe('denied');
  });

  it('is needed of each step, and one person gives every one that they may', async () => {
    const id = await open({
      steps: [{ kind: 'user' }, { kind: 'permission', permission: 'own' }, { kind: 'permission', permission: 'read' }],
    });
    expect(
      (await decide(id, 'olga', { decision: 'approve', scope: 'until', until: minutes(30).toISOString() })).json(),
    ).toMatchObject({
      state: 'pending',
      steps: [{ kind: 'user' }, { by: 'user:olga' }, { by: 'user:olga' }],
    });
    expect(await status(id)).toBe('pending');
    expect((await call('GET', `/${id}`, userToken('olga'))).json()).toMatchObject({ may_answer: false });
    expect((await decide(id, 'olga')).json()).toMatchObject({ error: { code: 'answered_otherwise' } });
    // Max could have answered the last one, which has its answer.
    expect([(await decide(id, 'max')).statusCode, (await decide(id, 'pete')).statusCode]).toEqual([409, 404]);
    // The user is asked each time, so there is no other scope for them.
    expect((await decide(id, 'ann')).json()).toMatchObject({
      state: 'approved',
      scope: 'once',
      approved_until: minutes(15).toISOString(),
    });
  });

  it('to a request that only the user’s yes is missing for is the user’s alone', async () => {
    const id = await open({ steps: [{ kind: 'user' }] });
    for (const user of ['olga', 'bob', 'pete']) expect((await decide(id, user)).statusCode).toBe(404);
    for (const until of [undefined, minutes(60).toISOString()]) {
      const response = await decide(id, 'ann', { decision: 'approve', scope: 'until', until });
      expect([response.statusCode, response.json()]).toMatchObject([400, { error: { at: 'scope' } }]);
    }
    expect((await list('ann'))[0]).not.toHaveProperty('latest_until');
    expect((await decide(id, 'ann')).json()).toMatchObject({ state: 'approved', scope: 'once' });
  });

  it('ends no later than was asked for, and can’t be given after that', async () => {
    const ask = (): Promise<string> => open({}, { requested_access: { requested_until: minutes(5).toISOString() } });
    const id = await ask();
    expect((await list('olga'))[0]).toMatchObject({ latest_until: minutes(5).toISOString() });
    expect((await decide(id, 'olga')).json()).toMatchObject({
      state: 'approved',
      scope: 'once',
      approved_until: minutes(5).toISOString(),
    });
    const late = await ask();
    remit.at(minutes(5));
    expect((await decide(late, 'olga')).json()).toMatchObject({ error: { message: 'It was not answered in time.' } });
    expect((await decide(late, 'pete')).statusCode).toBe(404);
    expect(await status(late)).toBe('expired');
  });

  it('approves only after a sign-in of the last five minutes, and denies without', async () => {
    const id = await open();
    remit.at(new Date(DAYTIME.getTime() + 301_000));
    const fresh = await remit.mint({ user: 'olga', now: DAYTIME, ttlSeconds: 600 });
    const response = await call('POST', `/${id}/decision`, fresh, { decision: 'approve' });
    expect([response.statusCode, response.json()]).toMatchObject([
      401,
      { error: { code: 'insufficient_user_authentication', max_age: 300 } },
    ]);
    expect(await status(id)).toBe('pending');
    expect((await call('POST', `/${id}/decision`, fresh, { decision: 'deny' })).statusCode).toBe(200);
  });

  it('has an end that lies ahead, and within what is configured', async () => {
    const id = await open();
    for (const [body, at] of [
      [{ decision: 'approve', scope: 'until' }, 'until'],
      [{ decision: 'approve', scope: 'until', until: DAYTIME.toISOString() }, 'until'],
      [{ decision: 'approve', scope: 'until', until: 'tomorrow' }, 'until'],
      [{ decision: 'approve', until: minutes(5).toISOString() }, 'until'],
      [{ decision: 'approve', scope: 'always' }, 'scope'],
      [{ decision: 'perhaps' }, 'decision'],
      [{ decision: 'approve', note: 'a\u0007b' }, 'note'],
      [{ decision: 'approve', note: 'x'.repeat(501) }, 'note'],
    ] as const)
      expect((await decide(id, 'olga', body)).json(), JSON.stringify(body)).toMatchObject({ error: { at } });
    const longest = { decision: 'approve', scope: 'until', until: minutes(999_999).toISOString() };
    expect((await decide(id, 'olga', longest)).json<Approval>().approved_until).toBe(minutes(1440).toISOString());
    const wanted = await open({}, { requested_access: { requested_until: minutes(120).toISOString() } });
    expect((await decide(wanted, 'olga', { decision: 'approve', scope: 'until' })).json()).toMatchObject({
      requested_until: minutes(120).toISOString(),
      approved_until: minutes(120).toISOString(),
    });
  });

  it('is another where its scope, its end or its note is, and then 409 and changes nothing, wherever the task is by then', async () => {
    const steps: ApprovalStep[] = [{ kind: 'permission', permission: 'own' }, { kind: 'user' }];
    const hour = { decision: 'approve', scope: 'until', until: minutes(60).toISOString() };
    const others = [
      { ...hour, until: minutes(30).toISOString() },
      { ...hour, until: minutes(90).toISOString() },
      { ...hour, note: 'Wait.' },
      { decision: 'approve' },
      { decision: 'deny' },
      { decision: 'deny', note: 'Wait.' },
      { decision: 'approve', scope: 'until' },
    ];
    for (const [given, isWhole] of [[hour, true], [hour, false]] as const) {
      const question = { action: { name: 'merge', properties: { branch: `b-${String(isWhole)}` } } };
      const id = await open({ question, steps: isWhole ? steps.slice(0, 1) : steps });
      const first = await decide(id, 'olga', given);
      expect(first.json()).toMatchObject({ state: isWhole ? 'approved' : 'pending' });
      const before = await remit.service.approvals.find(id);
      remit.at(minutes(1));
      for (const other of others) {
        const response = await decide(id, 'olga', other);
        expect([response.statusCode, response.json()], JSON.stringify(other)).toMatchObject([409, { error: { code: 'answered_otherwise' } }]);
      }
      expect((await decide(id, 'olga', given)).statusCode).toBe(200);
      expect(await remit.service.approvals.find(id)).toEqual(before);
      remit.at(DAYTIME);
    }
    const denied = await open({ steps });
    await decide(denied, 'olga', { decision: 'deny', note: 'No.' });
    for (const [body, expected] of [[{ decision: 'deny', note: 'No.' }, 200], [{ decision: 'deny' }, 409], [hour, 409]] as const)
      expect((await decide(denied, 'olga', body)).statusCode, JSON.stringify(body)).toBe(expected);
  }); // prettier-ignore

  it('of no is to the same question of every client, and in an emergency', async () => {
    const emergency = 'emergency';
    const [first, other, urgent] = [
      await open({ emergency }),
      await open({ emergency, client: 'other' }),
      await open({ emergency }, { requested_access: { emergency: true } }),
    ];
    expect(new Set([first, other, urgent]).size).toBe(3);
    expect(await list('owen')).toMatchObject([{ id: urgent, may_answer: true }]);
    expect((await decide(other, 'olga', { decision: 'deny', note: 'Not now.' })).statusCode).toBe(200);
    expect(await list('owen')).toEqual([]);
    expect((await decide(urgent, 'owen')).statusCode).toBe(409);
    expect((await decide(first, 'olga')).statusCode).toBe(409);
    expect([await status(first), await status(urgent)]).toEqual(['denied', 'denied']);
    expect(await list('ann', '?state=denied')).toHaveLength(3);
  });

  it('is one of many at once', async () => {
    const id = await open();
    const responses = await Promise.all(
      ['approve', 'deny', 'approve', 'deny'].map((decision) => decide(id, 'olga', { decision })),
    );
    // The one that counts, and the same once more.
    const counted = responses
      .filter(({ statusCode }) => statusCode === 200)
      .map((response) => response.json<Approval>());
    expect(new Set(counted.map(({ state }) => state)).size).toBe(1);
    expect(responses.every(({ statusCode }) => [200, 404, 409].includes(statusCode))).toBe(true);
  });
});

describe('who may answer', () => {
  it('is asked at the answer, not at the request', async () => {
    const id = await open();
    await remit.service.activePolicies.engine.write(
      [
        {
          operation: 'delete',
          relationship: {
            resource: { type: 'team', id: 'core' },
            relation: 'member',
            subject: { type: 'user', id: 'olga' },
          },
        },
      ],
      'test',
    );
    expect(await list('olga')).toEqual([]);
    expect((await decide(id, 'olga')).statusCode).toBe(404);
    await remit.service.activePolicies.engine.write(
      [
        {
          operation: 'touch',
          relationship: {
            resource: { type: 'team', id: 'core' },
            relation: 'member',
            subject: { type: 'user', id: 'olga' },
          },
        },
      ],
      'test',
    );
    expect((await decide(id, 'olga')).statusCode).toBe(200);
  });

  it('may be the other user where an agent asks for one of two', async () => {
    const id = await open({ user: 'bob' });
    expect(await list('ann')).toMatchObject([{ id, user: 'user:bob', may_answer: true }]);
    expect((await decide(id, 'bob')).statusCode).toBe(403);
    expect((await decide(id, 'ann')).statusCode).toBe(200);
  });

  it('is in an emergency who may answer then, for an hour at most', async () => {
    const emergency = 'emergency';
    const usual = await open({ emergency });
    const id = await open({ emergency }, { requested_access: { emergency: true } });
    expect(id).not.toBe(usual);
    expect(await list('owen')).toMatchObject([{ id, emergency: true, steps: [{ permission: 'emergency' }] }]);
    expect(await list('olga')).toMatchObject([{ id: usual, emergency: false }]);
    const longest = { decision: 'approve', scope: 'until', until: minutes(600).toISOString() };
    expect((await decide(id, 'owen', longest)).json()).toMatchObject({ approved_until: minutes(60).toISOString() });
  });

  it('is told what right the user gets by an elevation', async () => {
    const step = { kind: 'elevation', permission: 'own', relation: 'maintainer', seconds: 3600 } as const;
    const id = await open({ steps: [step] });
    expect((await call('GET', `/${id}`, userToken('olga'))).json()).toMatchObject({
      steps: [{ kind: 'elevation', gives: { relation: 'maintainer', resource: 'repository:api', to: 'user:ann', seconds: 3600, until: minutes(60).toISOString() } }],
    }); // prettier-ignore
    expect((await decide(id, 'olga')).json()).toMatchObject({ state: 'approved' });
    expect((await remit.service.approvals.find(id))?.granted).toBe(true);
    const short = await open({ steps: [step] }, { requested_access: { requested_until: minutes(5).toISOString() } });
    expect((await call('GET', `/${short}`, userToken('olga'))).json()).toMatchObject({
      steps: [{ gives: { seconds: 3600, until: minutes(5).toISOString() } }],
    });
  });
});

describe('what was asked by rules of before', () => {
  const elevation = { kind: 'elevation', permission: 'own', relation: 'maintainer', seconds: 3600 } as const;
  it.each<[string, DenialOptions, string]>([
    ['for longer than the rules say now', { steps: [{ ...elevation, seconds: 7200 }] }, 'rules have changed'],
    ['of others than the rules say now', { steps: [{ ...elevation, permission: 'push' }] }, 'rules have changed'],
    ['for another relation', { steps: [{ ...elevation, relation: 'owner' }] }, 'rules have changed'],
    ['in an emergency, of others', { emergency: 'own' }, 'rules have changed'],
    ['for a user who may not ask for it any more', { user: 'zoe', steps: [elevation] }, 'may not ask'],
  ])('is not given: %s', async (_name, options, message) => {
    const more = 'emergency' in options ? { requested_access: { emergency: true } } : {};
    const id = await open(options, more);
    const refused = await decide(id, 'olga');
    expect(refused.statusCode, refused.body).toBe(409);
    expect(refused.body).toContain(message);
    expect((await decide(id, 'olga', { decision: 'deny' })).statusCode).toBe(200);
  });
});

describe('the end of an approval', () => {
  it('comes by who gave it, the user it is for, or an admin, and by no other', async () => {
    const enders: [string, string][] = [
      ['olga', await userToken('olga')],
      ['ann', await userToken('ann')],
      ['admin', 'root-key'],
    ];
    for (const [name, credential] of enders) {
      const id = await open();
      await decide(id, 'olga');
      for (const stranger of [userToken('bob'), userToken('pete'), userToken('max')])
        expect((await call('DELETE', `/${id}`, stranger)).statusCode).toBe(404);
      expect((await call('DELETE', `/${id}`, credential)).statusCode, name).toBe(204);
      expect((await call('DELETE', `/${id}`, credential)).statusCode, name).toBe(409);
      expect((await remit.service.approvals.find(id))?.state).toBe('revoked');
    }
    expect((await call('DELETE', `/${UNKNOWN_ID}`, 'root-key')).statusCode).toBe(404);
  });

  it('ends what waits for the user, and not for who could answer', async () => {
    const id = await open();
    expect((await call('DELETE', `/${id}`, userToken('olga'))).statusCode).toBe(403);
    expect((await call('DELETE', `/${id}`, userToken('bob'))).statusCode).toBe(404);
    expect((await call('DELETE', `/${id}`, userToken('ann'))).statusCode).toBe(204);
    expect(await status(id)).toBe('cancelled');
  });

  it('comes with everything else that is stopped', async () => {
    const agent = 'spare';
    const waiting = await open({ agent });
    const good = await open({ agent, question: { action: { name: 'merge', properties: { branch: 'b' } } } });
    await decide(good, 'olga');
    const ofBob = await open({ agent, user: 'bob' });
    // An agent that acted on its behalf asks on: what came through it ends as well.
    const through = await open({ chain: ['agent:planner', `agent:${agent}`] });
    const past = await open({ chain: ['agent:planner'] });
    const denial = await recordDenial(remit, { agent });
    const passedOn = await recordDenial(remit, { chain: [`agent:${agent}`] });
    const stop = await remit.request('DELETE', `/v1/agents/${agent}/access`, undefined, await userToken('ann'));
    expect(stop.statusCode, stop.body).toBe(204);
    const tasks = [waiting, good, ofBob, through, past];
    const states = await Promise.all(tasks.map((id) => remit.service.approvals.find(id)));
    expect(states.map((task) => task?.state)).toEqual(['cancelled', 'revoked', 'pending', 'cancelled', 'pending']);
    for (const stopped of [denial, passedOn]) {
      const late = await remit.post('/access/v1/requests', { ...QUESTION, denial: stopped }, GIT);
      expect([late.statusCode, late.body]).toEqual([410, expect.stringContaining('expired_denial')]);
    }
  });
});

describe('answers at the same moment', () => {
  const STEPS: readonly ApprovalStep[] = [
    { kind: 'permission', permission: 'own' },
    { kind: 'permission', permission: 'emergency' },
    { kind: 'user' },
  ];
  /** Has what is done come between the reading of a task and the next answer to it. */
  const interleave = (work: () => Promise<unknown>): void => {
    const { approvals } = remit.service;
    const answer = approvals.answer.bind(approvals);
    vi.spyOn(approvals, 'answer').mockImplementationOnce(async (...args) => {
      await work();
      return answer(...args);
    });
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
  };

  it('all count where they are to different steps', async () => {
    const id = await open({ steps: STEPS });
    interleave(async () => {
      interleave(async () => {
        expect((await decide(id, 'ann')).statusCode).toBe(200);
      });
      expect((await decide(id, 'owen')).statusCode).toBe(200);
    });
    expect((await decide(id, 'olga')).json()).toMatchObject({ id, state: 'approved' });
    const task = await remit.service.approvals.find(id);
    expect(task?.answers.map(({ step, by }) => [step, by.id])).toEqual([[2, 'ann'], [1, 'owen'], [0, 'olga']]); // prettier-ignore
  });

  it('all count where they come together, and of those to one step one does', async () => {
    const id = await open({ steps: STEPS });
    const people = ['olga', 'owen', 'ann', 'olga', 'owen', 'ann'];
    const answers = await Promise.all(
      people.map((user, i) => decide(id, user, { decision: 'approve', note: `answer ${i}` })),
    );
    expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(3);
    expect(await remit.service.approvals.find(id)).toMatchObject({ state: 'approved' });
    expect((await remit.service.approvals.find(id))?.answers.map(({ step }) => step).sort()).toEqual([0, 1, 2]);
  });

  it('are one where they are to one step, and none after a no', async () => {
    const id = await open();
    interleave(async () => {
      expect((await decide(id, 'olga')).statusCode).toBe(200);
    });
    expect((await decide(id, 'olga', { decision: 'approve', note: 'Again.' })).statusCode).toBe(409);
    expect((await remit.service.approvals.find(id))?.answers).toHaveLength(1);
    const denied = await open({ steps: STEPS, question: { resource: { type: 'repository', id: 'api' } } });
    interleave(async () => {
      expect((await decide(denied, 'olga', { decision: 'deny' })).statusCode).toBe(200);
    });
    expect((await decide(denied, 'owen')).statusCode).toBe(409);
    expect(await remit.service.approvals.find(denied)).toMatchObject({ state: 'denied', answers: [] });
    // A no counts beside a yes to another step.
    await remit.service.database.run([{ sql: 'delete from approval_tasks' }]);
    const refused = await open({ steps: STEPS });
    interleave(async () => {
      expect((await decide(refused, 'olga')).statusCode).toBe(200);
    });
    expect((await decide(refused, 'owen', { decision: 'deny' })).statusCode).toBe(200);
    expect(await remit.service.approvals.find(refused)).toMatchObject({ state: 'denied' });
  });
});

describe('what becomes of a task', () => {
  it('is told in the transaction that changes it, and once', async () => {
    const log = new EventLog(remit.service.database);
    const { last } = await log.findRange();
    const steps = [{ kind: 'permission', permission: 'own' } as const, { kind: 'user' } as const];
    const id = await open({ steps });
    await open({ steps });
    await decide(id, 'olga');
    await decide(id, 'ann');
    await decide(id, 'ann');
    const use = useStatement({ id, decision: UNKNOWN_ID }, DAYTIME);
    await remit.service.database.run([use, use]);
    const late = await open({ user: 'max' });
    await expireTasks(remit.service.database, minutes(1440));
    await expireTasks(remit.service.database, minutes(1440));
    const events = (await log.read(last, 100)).filter(({ event }) => event.startsWith('approval.'));
    expect(
      events.map(({ event, ids, user, holders, task }) => [event, ids['approval'], user?.id, task?.steps, holders]),
    ).toEqual([
      ['approval.requested', id, 'ann', steps, undefined],
      ['approval.decided', id, 'ann', steps, undefined],
      ['approval.used', id, 'ann', steps, undefined],
      ['approval.requested', late, 'max', [{ kind: 'permission', permission: 'own' }], undefined],
      ['approval.expired', late, 'max', [{ kind: 'permission', permission: 'own' }], undefined],
    ]);
    expect(events[0]?.ids).toEqual({ approval: id, user: 'user:ann', agent: 'agent:coder' });
    expect(await status(late)).toBe('expired');
  });
});
