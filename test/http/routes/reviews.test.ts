/** Reviews: what a duty asks for is looked at by those who hold the permission, and by no other. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LightMyRequestResponse } from 'fastify';
import { EventLog } from '../../../src/store/event-log.js';
import { DAYTIME, startFiles, step, type Answer, type Running } from '../../support/sample.js';

const FILES = {
  'schema.zed': `use expiration
definition user {}
definition agent {
  relation delegator: user | user with expiration
}
definition repo {
  relation owner: user
  relation auditor: user
  permission merge = owner
  permission audit = auditor
}`,
  'schema.cedarschema': `
entity User;
entity Agent;
entity Repo;
@scope("repo.write") @title("Merge a branch") @effect("write") @consent("standing")
action "merge" appliesTo { principal: [Agent, User], resource: [Repo], context: { action: { branch?: String, text?: String } } };
@permission("merge") @scope("repo.write") @title("Look") @effect("read")
action "look" appliesTo { principal: [Agent, User], resource: [Repo], context: {} };`,
  'policies/all.cedar': `
@id("all") permit (principal, action, resource);
@id("merges-are-reviewed") @title("Merges are looked at afterwards.") @duty("review:audit")
permit (principal is Agent, action == Action::"merge", resource);
@id("looks-are-reviewed") @duty("review:audit, notification:owner")
permit (principal is Agent, action == Action::"look", resource == Repo::"secret");`,
  'world.yaml': `relationships: |
  repo:api#owner@user:ann
  repo:api#auditor@user:aud
  repo:api#auditor@user:second
  repo:secret#owner@user:ann
  repo:secret#auditor@user:ann
  repo:other#owner@user:ann
  repo:other#auditor@user:else
  agent:bot#delegator@user:ann
entities:
  - { type: user, id: ann }
  - { type: user, id: aud }
  - { type: user, id: second }
  - { type: user, id: else }
  - { type: agent, id: bot }
`,
};

let remit: Running;
beforeAll(async () => {
  remit = await startFiles(FILES, { limits: { deadline_ms: 20_000 } });
  return () => remit.stop();
});
const later = (hours: number): Date => new Date(DAYTIME.getTime() + hours * 3_600_000);
const of = (user: string) => remit.mint({ user });
beforeEach(async () => {
  remit.at(DAYTIME);
  for (const table of ['reviews', 'consents']) await remit.service.database.run([{ sql: `delete from ${table}` }]);
  await remit.request('POST', '/v1/delegations', { agent: 'bot', until_ended: true }, await of('ann'));
  const consent = { agent: 'bot', details: [{ type: 'remit', actions: ['merge'] }], until_ended: true };
  const given = await remit.request('POST', '/v1/consents', consent, await of('ann'));
  expect(given.statusCode, given.body).toBe(201);
});

async function ask(action = 'merge', repo = 'api', context: object = {}, properties: object = {}): Promise<Answer> {
  const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'repo.write' });
  return remit.evaluate({
    subject: { type: 'user', id: 'ann' },
    action: { name: action, properties },
    resource: { type: 'repo', id: repo },
    context: { token, ...context },
  });
}
async function merge(repo = 'api'): Promise<string> {
  const { decision, context } = await ask('merge', repo);
  expect(decision).toBe(true);
  return context?.id ?? '';
}
interface Listed {
  readonly page: { readonly next_token: string };
  readonly results: readonly { readonly decision: string; readonly state: string; readonly own?: true }[];
}
async function list(user: string, query = ''): Promise<Listed> {
  const response = await remit.request('GET', `/v1/reviews${query}`, undefined, await of(user));
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
}
const idsOf = async (user: string, query = '') => (await list(user, query)).results.map(({ decision }) => decision);
const WRONG = { verdict: 'wrong', note: 'Not yet.' };
async function review(id: string, body: object = WRONG, credential?: string): Promise<LightMyRequestResponse> {
  return remit.request('POST', `/v1/decisions/${id}/review`, body, credential ?? (await of('aud')));
}
const told = async (after: number) =>
  (await new EventLog(remit.service.database).read(after, 100)).filter(({ event }) => event.startsWith('review.'));
const position = async () => (await new EventLog(remit.service.database).findRange()).last;

describe('an allow with the duty', () => {
  it('shows what the action was asked with, where people can read it', async () => {
    const stated = { branch: 'main' };
    const [, long] = [
      await ask('merge', 'api', {}, { ...stated, undeclared: 'x' }),
      await ask('merge', 'api', {}, { text: 'x'.repeat(20_000) }),
      await merge(),
    ];
    const { results } = await list('aud');
    expect(results).toHaveLength(3);
    expect(results.filter((item) => 'properties' in item)).toMatchObject([{ properties: stated }]);
    expect(results.map(({ decision }) => decision)).toContain(long.context?.id);
  });

  it('opens a review for the holders of the permission, of which the client sees nothing', async () => {
    const before = await position();
    const answer = await ask();
    const id = answer.context?.id ?? '';
    expect(await list('aud')).toEqual({
      page: { next_token: '' },
      results: [
        {
          decision: id,
          permission: 'audit',
          action: 'merge',
          resource: { type: 'repo', id: 'api' },
          user: 'user:ann',
          agents: ['agent:bot'],
          state: 'open',
          opened: DAYTIME.toISOString(),
          due: later(72).toISOString(),
        },
      ],
    });
    expect(JSON.stringify(answer)).not.toMatch(/review/);
    expect(answer.context?.obligations).toEqual([]);
    expect(step(answer, 'obligations')?.evidence).toEqual({});
    const [event] = await told(before);
    expect(event).toMatchObject({
      event: 'review.opened',
      at: DAYTIME,
      ids: { decision: id, resource: 'repo:api' },
      holders: { permission: 'audit', resource: { type: 'repo', id: 'api' } },
    });
    expect(event?.user).toBeUndefined();
  });

  it('is on record with the policy for admins alone', async () => {
    const id = await merge();
    const record = await remit.request('GET', `/v1/decisions/${id}`);
    expect(
      record.json<Answer['context'] & object>().rationale.steps.find((s) => s.step === 'obligations')?.evidence,
    ).toEqual({
      reviews: [expect.objectContaining({ id: 'merges-are-reviewed' })],
    });
  });

  it('tells the client of its other duties', async () => {
    const { context } = await ask('look', 'secret');
    expect(context?.obligations).toMatchObject([{ type: 'notification' }]);
    expect(JSON.stringify(context?.rationale)).not.toContain('"reviews"');
  });

  it('opens none where it is no allow, or a dry run', async () => {
    await ask('merge', 'api', { dry_run: true });
    await ask('merge', 'nowhere');
    expect(await idsOf('aud')).toEqual([]);
  });

  it('opens one for each record that a filter hands out', async () => {
    const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'repo.write' });
    const records = ['api', 'other', 'nowhere'].map((id) => ({ type: 'repo', id, properties: {} }));
    const body = { subject: { type: 'user', id: 'ann' }, action: { name: 'merge' }, records, context: { token } };
    const response = await remit.post('/v1/filter', body);
    expect(response.json<{ records: object[] }>().records).toHaveLength(2);
    const [[api], [other]] = [await idsOf('aud'), await idsOf('else')];
    expect(api).toBeDefined();
    expect(other).toBe(api);
    expect((await review(api ?? '')).statusCode).toBe(200);
    expect([await idsOf('aud'), await idsOf('else')]).toEqual([[], [api]]);
  });
});

describe('a review', () => {
  it('has one verdict, and the same again is answered as before', async () => {
    const id = await merge();
    const before = await position();
    const answer = await review(id);
    expect([answer.statusCode, answer.json()]).toEqual([200, { decision: id, ...WRONG, ended: false }]);
    expect((await review(id)).json()).toEqual(answer.json());
    expect((await review(id, { ...WRONG, verdict: 'right' })).statusCode).toBe(409);
    expect((await review(id, WRONG, await of('second'))).statusCode).toBe(409);
    expect([await idsOf('aud'), await idsOf('second', '?state=closed')]).toEqual([[], [id]]);
    expect(await told(before)).toMatchObject([
      { event: 'review.closed', ids: { decision: id, user: 'user:ann' }, user: { id: 'ann' } },
    ]);
    expect(JSON.stringify(await told(before))).not.toContain('Not yet');
    expect((await ask()).decision).toBe(true);
  });

  it('is given one verdict where several are given at once', async () => {
    const id = await merge();
    const tokens = await Promise.all(['aud', 'second', 'aud', 'second'].map(of));
    const answers = await Promise.all(
      tokens.map((token, i) => review(id, { verdict: i < 2 ? 'right' : 'wrong', note: `${i}` }, token)),
    );
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 409, 409, 409]);
  });

  it('is overdue after its time, which is told once and counted', async () => {
    const id = await merge();
    const before = await position();
    remit.at(later(72));
    expect(await idsOf('aud', '?state=overdue')).toEqual([id]);
    expect((await list('aud')).results[0]?.state).toBe('overdue');
    await remit.service.reviews.tellOverdue(later(72));
    await remit.service.reviews.tellOverdue(later(73));
    expect(await told(before)).toMatchObject([{ event: 'review.overdue', ids: { decision: id } }]);
    expect(await remit.service.reviews.count(later(72))).toEqual({ open: 1, overdue: 1 });
    expect((await remit.service.metrics.exposition()).text).toMatch(/remit_reviews_overdue \d/);
  });

  it('ends nothing by another person’s word, who is no admin', async () => {
    const id = await merge();
    expect((await review(id, { ...WRONG, end: true })).json()).toMatchObject({ ended: false });
    expect((await ask()).decision).toBe(true);
  });

  it('ends delegation and consent by an admin', async () => {
    const id = await merge();
    const answer = await review(id, { ...WRONG, end: true }, remit.service.devKey);
    expect(answer.json()).toEqual({ decision: id, ...WRONG, ended: true });
    const { decision, context } = await ask();
    expect([decision, context?.reasons.map(({ code }) => code).sort()]).toEqual([
      false,
      ['consent_ended', 'delegation_missing'],
    ]);
  });

  it('is refused without a note, with "end" of what was right, or with anything else', async () => {
    const id = await merge();
    for (const body of [
      { verdict: 'wrong' },
      { ...WRONG, note: ' ' },
      { ...WRONG, verdict: 'right', end: true },
      { ...WRONG, x: 1 },
      { verdict: 'fine', note: 'x' },
    ])
      expect((await review(id, body)).statusCode).toBe(400);
    expect((await review(id, { ...WRONG, note: 'x'.repeat(2001) })).statusCode).toBe(400);
  });

  it('comes in pages, each item once', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) {
      ids.push(await merge());
      await merge('other');
    }
    const seen: string[] = [];
    for (let token = '', first = true; first || token !== ''; first = false) {
      const page = await list('aud', `?limit=2${token === '' ? '' : `&page_token=${token}`}`);
      seen.push(...page.results.map(({ decision }) => decision));
      token = page.page.next_token;
    }
    expect(seen.sort()).toEqual(ids.sort());
    const { page } = await list('aud', '?limit=2');
    const stolen = await remit.request(
      'GET',
      `/v1/reviews?limit=2&page_token=${page.next_token}`,
      undefined,
      await of('second'),
    );
    expect(stolen.statusCode).toBe(400);
  });
});

describe('is not for', () => {
  it('those who don’t hold the permission, or no longer do: another’s decision is as if it weren’t there', async () => {
    const id = await merge();
    expect([await idsOf('else'), (await review(id, WRONG, await of('else'))).statusCode]).toEqual([[], 404]);
    for (const guess of ['0199b6a0-5c1e-7c1a-9f0e-2d1c3b4a5f60', 'x', '../x', '%00'])
      expect((await review(encodeURIComponent(guess))).statusCode).toBe(404);
    const unreviewed = (await ask('look')).context?.id ?? '';
    expect((await review(unreviewed)).statusCode).toBe(404);
    await remit.remove('repo:api#auditor@user:second');
    expect([await idsOf('second'), (await review(id, WRONG, await of('second'))).statusCode]).toEqual([[], 404]);
    await remit.touch('repo:api#auditor@user:second');
    expect(await idsOf('second')).toEqual([id]);
  });

  it('the user for whom it was done, who can say no more than that it was wrong', async () => {
    const id = (await ask('look', 'secret')).context?.id ?? '';
    expect((await list('ann')).results).toMatchObject([{ decision: id, own: true }]);
    const own = await of('ann');
    expect((await review(id, { verdict: 'right', note: 'All is well.' }, own)).statusCode).toBe(403);
    expect(await idsOf('ann')).toEqual([id]);
    expect((await review(id, { ...WRONG, end: true }, own)).json()).toMatchObject({ ended: true });
    expect((await ask('look')).decision).toBe(false);
  });

  it('agents and clients: 403 to a good credential of another kind, 401 to one that isn’t', async () => {
    const id = await merge();
    const agent = await remit.mint({ user: 'aud', agent: 'bot', scope: 'repo.write' });
    for (const guess of [id, '0199b6a0-5c1e-7c1a-9f0e-2d1c3b4a5f60']) {
      expect((await review(guess, WRONG, agent)).statusCode).toBe(403);
      expect((await review(guess, WRONG, 'nothing')).statusCode).toBe(401);
    }
    expect((await remit.request('GET', '/v1/reviews', undefined, agent)).statusCode).toBe(403);
    expect((await remit.request('GET', '/v1/reviews')).statusCode).toBe(403);
    expect((await remit.request('GET', '/v1/reviews', undefined, 'nothing')).statusCode).toBe(401);
  });
});

it('a correction of the record drops what it had opened, unless a person has looked at it', async () => {
  const [id, looked] = [await merge(), await merge()];
  await review(looked);
  for (const one of [id, looked]) {
    const stored = await remit.service.decisions.find(one);
    if (stored === undefined) throw new TypeError('it is on record');
    remit.service.decisions.correct({ ...stored.record, decision: false });
  }
  await remit.service.decisions.flush();
  expect([await idsOf('aud'), await idsOf('aud', '?state=closed')]).toEqual([[], [looked]]);
});
