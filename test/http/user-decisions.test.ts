/** Decisions as people see them: what was done for them, what was done to a thing that they audit, and nothing that tells of others. */
import { beforeAll, describe, expect, it } from 'vitest';
import { v7 as uuid } from 'uuid';
import { startFiles, type Answer, type Running } from '../support/sample.js';

const FILES = {
  'schema.zed': `
definition user {}
definition agent {
  relation delegator: user
}
definition file {
  relation owner: user
  relation auditor: user
  permission read = owner
  permission audit = auditor
}
definition note {
  relation owner: user
  permission read = owner
}`,
  'schema.cedarschema': `
entity User { clearance?: String };
entity Agent;
@audit("audit")
entity File { secret?: String, state?: String };
entity Note { secret?: String };
@permission("read") @scope("files.read") @title("Read a file") @effect("read")
action "read" appliesTo { principal: [Agent, User], resource: [File, Note], context: { action: { witness?: User } } };`,
  'policies/all.cedar': `
@id("all") permit (principal, action, resource);
@id("frozen-files-stay") @title("Frozen files stay closed.")
forbid (principal, action, resource is File) when { resource has state && resource.state == "frozen" };
@id("witnesses-are-cleared") @title("Witnesses must be cleared.")
forbid (principal, action, resource) when { context.action has witness && context.action.witness has clearance && context.action.witness.clearance == "none" };
@id("mask-files") @duty("mask:secret")
permit (principal, action, resource is File);`,
  'world.yaml': `relationships: |
  file:plan#owner@user:ann
  file:plan#owner@user:ben
  file:plan#auditor@user:aud
  file:cold#owner@user:ann
  file:cold#auditor@user:aud
  file:other#owner@user:ben
  note:n1#owner@user:ann
  agent:bot#delegator@user:ann
  agent:bot#delegator@user:ben
entities:
  - { type: user, id: ann }
  - { type: user, id: ben }
  - { type: user, id: aud }
  - { type: user, id: cleared, attributes: { clearance: none } }
  - { type: agent, id: bot }
  - { type: file, id: plan, attributes: { secret: "the-secret", state: open } }
  - { type: file, id: cold, attributes: { state: frozen } }
`,
};

interface Shown {
  readonly id: string;
  readonly decision: boolean;
  readonly items?: readonly { readonly type: string; readonly id: string; readonly masked?: number }[];
  readonly [member: string]: unknown;
}
interface Page {
  readonly page: { readonly next_token: string };
  readonly results: readonly Shown[];
}

let remit: Running;
/** The ids of decisions and lists, by names. */
let ids: Record<
  'annPlan' | 'annCold' | 'annNote' | 'benPlan' | 'benOther' | 'annWitness' | 'annList' | 'benList',
  string
>;
beforeAll(async () => {
  remit = await startFiles(FILES, { limits: { deadline_ms: 20_000 } });
  ids = {
    annPlan: await decide('ann', 'file', 'plan'),
    annCold: await decide('ann', 'file', 'cold'),
    annNote: await decide('ann', 'note', 'n1', {}),
    benPlan: await decide('ben', 'file', 'plan'),
    benOther: await decide('ben', 'file', 'other'),
    annWitness: await decide('ann', 'file', 'plan', { witness: 'cleared' }),
    annList: await filter('ann', ['plan', 'cold', 'other']),
    benList: await filter('ben', ['plan', 'other']),
  };
  return () => remit.stop();
}, 60_000);

const question = async (user: string, context: object = {}) => ({
  subject: { type: 'user', id: user },
  context: {
    token: await remit.mint({ user, agent: 'bot', scope: 'files.read' }),
    task: `task-of-${user}`,
    supported_obligations: ['mask'],
    ...context,
  },
});
async function decide(user: string, type: string, id: string, properties: object = {}): Promise<string> {
  const asked = { ...(await question(user)), action: { name: 'read', properties }, resource: { type, id } };
  const answer: Answer = await remit.evaluate(asked);
  return answer.context?.id ?? '';
}
async function filter(user: string, files: readonly string[]): Promise<string> {
  const records = files.map((id) => ({ type: 'file', id, properties: { secret: 'x' } }));
  const response = await remit.post('/v1/filter', { ...(await question(user)), action: { name: 'read' }, records });
  expect(response.statusCode, response.body).toBe(200);
  return String(response.headers['remit-decision-id']);
}
const of = (user: string) => remit.mint({ user });
async function list(user: string, query = ''): Promise<Page> {
  const response = await remit.request('GET', `/v1/decisions${query}`, undefined, await of(user));
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
}
const listIds = async (user: string, query = '') => (await list(user, query)).results.map(({ id }) => id);
const get = async (user: string, id: string) => remit.request('GET', `/v1/decisions/${id}`, undefined, await of(user));

describe('a user', () => {
  it('sees what was done for them, the newest first, and no other', async () => {
    expect(await listIds('ann')).toEqual([ids.annList, ids.annWitness, ids.annNote, ids.annCold, ids.annPlan]);
    expect(await listIds('ben')).toEqual([ids.benList, ids.benOther, ids.benPlan]);
    expect(await listIds('aud')).toEqual([]);
    expect(await listIds('ann', '?user=user:ann&decision=false')).toEqual([ids.annWitness, ids.annCold]);
    expect(await listIds('ann', '?resource=file:plan')).toEqual([ids.annList, ids.annWitness, ids.annPlan]);
    expect(await listIds('ann', '?task=task-of-ann&resource=note:n1')).toEqual([ids.annNote]);
    expect((await get('ann', ids.annNote)).json()).toMatchObject({
      title: 'Read a file',
      action: 'read',
      path: ['note:n1#owner@user:ann'],
      acting: { user: 'user:ann', agent: 'agent:bot' },
    });
  });

  it('reads each page once, of their own alone', async () => {
    const pages: string[] = [];
    let token = '';
    do {
      const { page, results } = await list('ann', `?limit=2${token === '' ? '' : `&page_token=${token}`}`);
      pages.push(...results.map(({ id }) => id));
      token = page.next_token;
    } while (token !== '');
    expect(pages).toEqual(await listIds('ann'));
    const { page } = await list('ann', '?limit=2');
    const stolen = await remit.request('GET', `/v1/decisions?limit=2&page_token=${page.next_token}`, undefined, await of('ben'));
    expect(stolen.statusCode).toBe(400);
  }); // prettier-ignore

  it('reads why, in words for people, and neither attributes nor sources', async () => {
    const { results } = await list('ann');
    const cold = results.find(({ id }) => id === ids.annCold);
    expect(cold?.['reasons']).toEqual([
      { code: 'policy_forbid', text: expect.any(String) as string, policies: ['Frozen files stay closed.'] },
    ]);
    // What a question names may be a thing of others: whether it is there, and what is stored of it, no reason says.
    const witness = results.find(({ id }) => id === ids.annWitness);
    expect(witness?.['reasons']).toEqual([{ code: 'policy_no_permit', text: expect.any(String) as string }]);
    for (const id of [ids.annPlan, ids.annCold, ids.annList, ids.annWitness]) {
      const { body } = await get('ann', id);
      for (const hidden of [
        'the-secret',
        '.cedar',
        'facts',
        'rationale',
        'policy_version',
        'frozen"',
        'eyJ',
        'left_out',
      ])
        expect(body).not.toContain(hidden);
    }
  });

  it('is told of a list what was returned, and what was masked', async () => {
    expect((await get('ann', ids.annList)).json()).toMatchObject({
      search: 'filter',
      items: [{ type: 'file', id: 'plan', masked: 0 }],
      masks: [{ mask: { fields: ['secret'] } }],
    });
  });

  it.each([
    ['another’s decision', () => ids.benOther],
    ['another’s on a thing that both may read', () => ids.benPlan],
    ['another’s list', () => ids.benList],
    ['none', () => uuid()],
    ['no id', () => 'x'],
    ['a decision’s id in a batch', () => `${ids.benOther}.0`],
  ])('is answered 404 alike of %s', async (_name, idOf) => {
    const none = await get('ann', uuid());
    const response = await get('ann', idOf());
    expect([response.statusCode, response.body]).toEqual([404, none.body]);
    expect(response.headers['content-length']).toBe(none.headers['content-length']);
  });

  it.each([
    '?user=user:ben',
    '?user=user:nobody',
    '?user=user:ben&resource=file:plan',
    '?user=user:ben&resource=file:none',
    '?resource=file:other',
    '?resource=file:none',
    '?resource=spaceship:none',
    '?resource=file:*',
    '?task=task-of-ben',
    '?session=none',
  ])('is answered an empty page alike for %s', async (query) => {
    expect(await list('ann', query)).toEqual({ page: { next_token: '' }, results: [] });
  });

  it('is told no more by pages, however many records of others there are', async () => {
    const rows = Array.from({ length: 2_500 }, () => ({ id: uuid(), record: {} }));
    await remit.service.database.run([
      {
        sql: `insert into records (id, kind, at, client, decision, user_key, resource_key, record)
              select r.id, 'decision', now(), 'c', true, 'user:ben', 'file:busy', r.record
              from jsonb_to_recordset($1::jsonb) as r (id uuid, record jsonb)`,
        params: [JSON.stringify(rows)],
      },
    ]);
    for (const query of ['?resource=file:busy', '?resource=file:busy&decision=true', '?user=user:ben', '?action=read&resource=file:busy'])
      expect(await list('ann', query)).toEqual({ page: { next_token: '' }, results: [] });
  }); // prettier-ignore

  it('gets nothing by a token that an agent holds', async () => {
    const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'files.read' });
    for (const url of ['/v1/decisions', `/v1/decisions/${ids.annPlan}`])
      expect((await remit.request('GET', url, undefined, token)).statusCode).toBe(403);
  });
});

describe('a holder of the audit permission', () => {
  it('sees what was done to the thing for others, and no more', async () => {
    const { results } = await list('aud', '?resource=file:plan');
    expect(results.map(({ id }) => id)).toEqual([ids.benList, ids.annList, ids.annWitness, ids.benPlan, ids.annPlan]);
    expect(results[0]).toMatchObject({
      acting: { user: 'user:ben', agent: 'agent:bot' },
      items: [{ type: 'file', id: 'plan', masked: 0 }],
      masks: [{ mask: { fields: ['secret'] } }],
    });
    // A list of several names the one alone, and nothing says what else was in it.
    for (const { items = [] } of results) for (const { id } of items) expect(id).toBe('plan');
    for (const hidden of ['other', 'path', 'task-of', 'the-secret', 'left_out', 'found', 'cedar'])
      expect(JSON.stringify(results)).not.toContain(hidden);
    expect(await listIds('aud', '?resource=file:plan&user=user:ben')).toEqual([ids.benList, ids.benPlan]);
    expect((await get('aud', ids.benPlan)).statusCode).toBe(200);
  });

  it.each(['?resource=file:other', '?resource=note:n1', '?resource=file:plan&task=task-of-ann', '?user=user:ann', ''])(
    'sees nothing by %j',
    async (query) => {
      expect(await list('aud', query)).toEqual({ page: { next_token: '' }, results: [] });
    },
  );

  it('sees no decision on another thing, and no list by its id', async () => {
    for (const id of [ids.benOther, ids.annNote, ids.annList, ids.benList])
      expect((await get('aud', id)).statusCode).toBe(404);
  });

  it('sees nothing any more once the permission has ended', async () => {
    const write = (operation: string) =>
      remit.post('/v1/relationships', { updates: [{ operation, relationship: 'file:plan#auditor@user:aud' }] });
    await write('delete');
    expect(await listIds('aud', '?resource=file:plan')).toEqual([]);
    expect((await get('aud', ids.benPlan)).statusCode).toBe(404);
    await write('touch');
    expect((await get('aud', ids.benPlan)).statusCode).toBe(200);
  });
});
