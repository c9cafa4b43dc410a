/** The path of a decision that was recorded without one: proved at its own revision or not at all, once, and by the record's rights. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { DecisionPath } from '../../src/http/decision-path.js';
import { clearText } from '../support/clear-text.js';
import { clientNamed, ON_SERVER, start, startFiles, step, type Answer, type Running } from '../support/sample.js';

const FILES = {
  'schema.zed': `
definition user {}
definition agent {
  relation delegator: user
}
caveat in_zone(zone string) {
  zone == "home"
}
definition team {
  relation member: user | team#member
}
definition folder {
  relation owner: user | team#member
  relation guest: user with in_zone
  relation auditor: user
  permission read = owner
  permission visit = guest
  permission audit = auditor
}`,
  'schema.cedarschema': `
entity User;
entity Agent;
@audit("audit")
entity Folder;
@permission("read") @scope("read") @title("Read") @effect("read")
action "read" appliesTo { principal: [Agent, User], resource: Folder };
@permission("visit") @scope("read") @title("Visit") @effect("read")
action "visit" appliesTo { principal: [Agent, User], resource: Folder, context: { request: { zone?: String } } };`,
  'policies/all.cedar': `@id("all") permit (principal, action, resource);`,
  'world.yaml': `relationships: |
  folder:plans#owner@team:staff#member
  folder:plans#auditor@user:mortimer
  folder:plans#guest@user:rosalind[in_zone]
  team:staff#member@user:rosalind
  agent:bot#delegator@user:rosalind
entities:
  - { type: user, id: rosalind }
  - { type: agent, id: bot }
`,
};
const CLIENTS = [
  clientNamed('api', 'remit', 'evaluate', 'search'),
  clientNamed('other', 'remit', 'evaluate'),
  clientNamed('boss', 'remit', 'admin', 'evaluate'),
  clientNamed('auditor', 'remit', 'admin', 'read_values'),
];
const GRANTED = ['folder:plans#owner@team:staff#member', 'team:staff#member@user:rosalind'];
const PERSONAL = clearText('rosalind', 'mortimer');

const running: Running[] = [];
const startCompany = async (records: object): Promise<Running> => {
  const remit = await startFiles(FILES, { limits: { deadline_ms: 20_000 }, clients: CLIENTS, records });
  running.push(remit);
  return remit;
};
afterAll(async () => {
  await Promise.all(running.map((remit) => remit.stop()));
});

const write = async (remit: Running, operation: string, relationships: readonly string[]): Promise<void> => {
  const updates = relationships.map((relationship) => ({ operation, relationship }));
  const response = await remit.request('POST', '/v1/relationships', { updates }, 'boss-key');
  expect(response.statusCode, response.body).toBe(200);
};
const touch = (remit: Running, ...relationships: string[]) => write(remit, 'touch', relationships);
const remove = (remit: Running, ...relationships: string[]) => write(remit, 'delete', relationships);

async function ask(remit: Running, members: object = {}, prefer?: string): Promise<string> {
  const token = await remit.mint({ user: 'rosalind', agent: 'bot', scope: 'read', audience: 'remit' });
  const body = {
    subject: { type: 'user', id: 'rosalind' },
    action: { name: 'read' },
    resource: { type: 'folder', id: 'plans' },
    context: { token },
    ...members,
  };
  const headers = { authorization: 'Bearer api-key', ...(prefer === undefined ? {} : { prefer }) };
  const response = await remit.post('/access/v1/evaluation', body, headers);
  expect(response.statusCode, response.body).toBe(200);
  return String(response.headers['remit-decision-id']);
}
const prove = (remit: Running, id: string, credential: string, query = '') =>
  remit.request('POST', `/v1/decisions/${id}/path${query}`, undefined, credential);
async function proved(remit: Running, id: string, credential = 'auditor-key'): Promise<DecisionPath> {
  const response = await prove(remit, id, credential, credential === 'auditor-key' ? '?values=true' : '');
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
}
async function refused(remit: Running, id: string): Promise<unknown> {
  const response = await prove(remit, id, 'auditor-key', '?values=true');
  return [response.statusCode, response.json<{ error?: { code?: string } }>().error?.code];
}
async function readRows(remit: Running, id: string): Promise<readonly { kind: unknown; record: unknown }[]> {
  const [rows = []] = await remit.service.database.run([
    {
      sql: 'select kind, record from records where id = $1::uuid or about = $1::uuid order by id = $1::uuid desc',
      params: [id],
    },
  ]);
  return rows.map(({ kind, record }) => ({ kind, record }));
}

describe('with records.path: on_demand', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await startCompany({ path: 'on_demand' });
  });

  it('a record has the revision in place of the path, which is proved later as a record of its own, and once', async () => {
    const id = await ask(remit);
    const before = await readRows(remit, id);
    expect(before).toHaveLength(1);
    const shown = (await remit.request('GET', `/v1/decisions/${id}?values=true`, undefined, 'auditor-key')).json<Answer['context']>(); // prettier-ignore
    const evidence = step({ decision: true, context: shown } as Answer, 'relationship')?.evidence ?? {};
    expect(evidence).toEqual({ permission: 'read', revision: expect.any(String) as string });
    const first = await proved(remit, id);
    expect(first).toMatchObject({ decision: id, permission: 'read', revision: evidence['revision'], path: GRANTED });
    expect(await proved(remit, id)).toEqual(first);
    const [decision, ...later] = await readRows(remit, id);
    expect(decision).toEqual(before[0]);
    expect(later).toMatchObject([
      { kind: 'path', record: { id: first.record, change: 'proved', by: { client: 'auditor' }, terms: { revision: evidence['revision'] } } },
    ]);
    expect(JSON.stringify(later)).not.toMatch(PERSONAL);
  }); // prettier-ignore

  it('it is the path of then: neither what was taken back nor what was added since makes another of it', async () => {
    const [first, second] = ['eve', 'zoe'].map((name) => `folder:plans#owner@team:${name}#member`);
    const id = await ask(remit);
    await touch(remit, first ?? '', 'team:eve#member@user:rosalind');
    const later = await ask(remit);
    await remove(remit, ...GRANTED);
    const last = await ask(remit);
    await touch(remit, second ?? '', ...GRANTED);
    await remove(remit, first ?? '', 'team:eve#member@user:rosalind');
    expect((await proved(remit, id)).path).toEqual(GRANTED);
    expect((await proved(remit, last)).path).toEqual([first, 'team:eve#member@user:rosalind']);
    expect([GRANTED, [first, 'team:eve#member@user:rosalind']]).toContainEqual((await proved(remit, later)).path);
  });

  it('whatever is written since, it is what SpiceDB would have told then (law)', async () => {
    const links = ['folder:law#owner@user:rosalind', 'folder:law#owner@team:a#member', 'team:a#member@team:b#member', 'team:b#member@user:rosalind', 'team:a#member@user:rosalind']; // prettier-ignore
    const check = { resource: { type: 'folder', id: 'law' }, permission: 'read', subject: { type: 'user', id: 'rosalind' }, explain: true }; // prettier-ignore
    const subset = fc.subarray(links);
    const set = async (there: readonly string[]): Promise<void> => {
      const absent = links.filter((link) => !there.includes(link));
      if (there.length > 0) await touch(remit, ...there);
      if (absent.length > 0) await remove(remit, ...absent);
    };
    let granted = 0;
    await fc.assert(
      fc.asyncProperty(subset, fc.array(subset, { minLength: 1, maxLength: 3 }), async (there, changes) => {
        await set(there);
        const [answer] = await remit.service.activePolicies.engine.check([check], 'full');
        const id = await ask(remit, { resource: check.resource });
        for (const change of changes) await set(change);
        if (answer?.result !== 'yes') {
          expect(await refused(remit, id)).toEqual([409, 'no_path']);
          return;
        }
        granted += 1;
        const { path } = await proved(remit, id);
        // A union leaves SpiceDB the choice of a way: any is one of then.
        expect(there).toEqual(expect.arrayContaining(path));
        expect([path[0]?.startsWith('folder:law#owner@'), path.at(-1)?.endsWith('@user:rosalind')]).toEqual([true, true]);
      }),
      { numRuns: 40 },
    );
    expect(granted).toBeGreaterThan(0);
  }); // prettier-ignore

  it('it is read by who may read the record: people by their ids with values, and by pseudonyms without', async () => {
    const id = await ask(remit);
    for (const [who, status] of [['other-key', 404], ['api-key', 200], ['boss-key', 200]] as const)
      expect((await prove(remit, id, who)).statusCode, who).toBe(status);
    const hidden = await proved(remit, id, 'api-key');
    expect(hidden.path).toHaveLength(2);
    expect(JSON.stringify(hidden)).not.toMatch(PERSONAL);
    expect((await prove(remit, id, 'api-key', '?values=true')).statusCode).toBe(403);
    const own = await remit.mint({ user: 'rosalind' });
    expect(await proved(remit, id, own)).toMatchObject({ path: GRANTED, record: hidden.record });
    // Who may audit the folder sees what was done, and no path.
    const auditor = await remit.mint({ user: 'mortimer' });
    expect((await remit.request('GET', `/v1/decisions/${id}`, undefined, auditor)).statusCode).toBe(200);
    expect((await prove(remit, id, auditor)).statusCode).toBe(404);
    expect((await prove(remit, '0199e2d8-0000-7000-8000-000000000000', 'boss-key')).statusCode).toBe(404);
  }); // prettier-ignore

  it('there is none of a deny, of a list, and of a record whose values are gone', async () => {
    const denied = await ask(remit, { resource: { type: 'folder', id: 'attic' } });
    const list = await remit.post('/access/v1/search/resource', { subject: { type: 'user', id: 'rosalind' }, action: { name: 'read' }, resource: { type: 'folder' }, context: { token: await remit.mint({ user: 'rosalind', agent: 'bot', scope: 'read', audience: 'remit' }) } }, { authorization: 'Bearer api-key' }); // prettier-ignore
    expect(list.statusCode, list.body).toBe(200);
    for (const id of [denied, String(list.headers['remit-decision-id'])])
      expect(await refused(remit, id)).toEqual([409, 'no_path']);
    const emptied = await ask(remit);
    await remit.service.database.run([{ sql: 'delete from record_values where record = $1::uuid', params: [emptied] }]);
    expect(await refused(remit, emptied)).toEqual([409, 'values_erased']);
    expect(await readRows(remit, emptied)).toHaveLength(1);
  });

  it('a caveat is given what the question stated, and where SpiceDB leaves the way open none is made up', async () => {
    const visit = { action: { name: 'visit' } };
    const token = await remit.mint({ user: 'rosalind', agent: 'bot', scope: 'read', audience: 'remit' });
    const id = await ask(remit, { ...visit, context: { token, zone: 'home' } });
    const response = await prove(remit, id, 'auditor-key', '?values=true');
    const [status, path, code] = [response.statusCode, ...(({ path, error }) => [path, error?.code])(response.json<DecisionPath & { error?: { code: string } }>())]; // prettier-ignore
    expect([[200, ['folder:plans#guest@user:rosalind'], undefined], [409, undefined, 'path_unproved']]).toContainEqual([status, path, code]); // prettier-ignore
  });

  it.skipIf(ON_SERVER)(
    'a revision that SpiceDB no longer keeps is said to be gone, and no other is taken for it',
    async () => {
      const gone = await startCompany({ path: 'on_demand' });
      const id = await ask(gone);
      await touch(gone, 'folder:plans#owner@user:rosalind');
      const now = await ask(gone);
      await gone.stop({ keep: true });
      running.splice(running.indexOf(gone), 1);
      const again = await start(`${gone.data}/company/remit.yaml`, gone.data);
      running.push(again);
      // The relationship would grant it as well, and was written later.
      expect(await refused(again, id)).toEqual([409, 'revision_expired']);
      expect(await readRows(again, id)).toHaveLength(1);
      expect((await proved(again, now)).path).not.toEqual([]);
    },
  );
});

describe('with paths on record', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await startCompany({});
  });

  it('the path is that of the record, by its reader’s rights, and nothing is recorded', async () => {
    const id = await ask(remit);
    await remove(remit, ...GRANTED);
    const own = await remit.mint({ user: 'rosalind' });
    for (const who of ['auditor-key', own]) {
      const path = await proved(remit, id, who);
      expect(path).toEqual({ decision: id, permission: 'read', revision: expect.any(String) as string, path: GRANTED });
    }
    expect(JSON.stringify(await proved(remit, id, 'api-key'))).not.toMatch(PERSONAL);
    expect(await readRows(remit, id)).toHaveLength(1);
    await touch(remit, ...GRANTED);
  });

  it('that of a minimal answer, which has none on record, is proved as well', async () => {
    const id = await ask(remit, {}, 'return=minimal');
    expect(await proved(remit, id)).toMatchObject({ path: GRANTED, record: expect.any(String) as string });
  });
});
