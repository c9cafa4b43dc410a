/** Records as clients read them: without people and values, unless the client may read values and asks for them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { replayRecord } from '../../src/records/replay.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { clearText } from '../support/clear-text.js';
import { clientNamed, startFiles, type Answer, type Running } from '../support/sample.js';

const FILES = {
  'schema.zed': `
definition user {}
definition agent {
  relation delegator: user
}
definition folder {
  relation owner: user
  permission read = owner
}
definition employee {
  relation boss: user
  permission read = boss
}`,
  'schema.cedarschema': `
entity User;
entity Agent;
entity Folder { state?: String };
@person
entity Employee { status?: String, @class("pii") salary?: Long };
@permission("read") @scope("read") @title("Read") @effect("read")
action "read" appliesTo { principal: [Agent, User], resource: [Folder, Employee], context: { request: { purpose?: String } } };`,
  'policies/all.cedar': `
@id("all") permit (principal, action, resource);
@id("closed-stays") @title("What is closed stays closed.")
forbid (principal, action, resource is Folder) when { resource has state && resource.state == "closed" };
@id("mask") @duty("mask:pii") permit (principal, action, resource is Employee);
@id("tell") @duty("notification:boss")
permit (principal, action, resource is Employee) when { resource has status && resource.status == "watched" };`,
  'world.yaml': `relationships: |
  folder:plans#owner@user:rosalind
  folder:attic#owner@user:rosalind
  employee:wilhelmina#boss@user:rosalind
  employee:bartholomew#boss@user:rosalind
  agent:bot#delegator@user:rosalind
entities:
  - { type: user, id: rosalind }
  - { type: agent, id: bot }
  - { type: folder, id: plans }
  - { type: folder, id: attic, attributes: { state: closed } }
  - { type: employee, id: wilhelmina, attributes: { status: watched, salary: 7654321 } }
  - { type: employee, id: bartholomew, attributes: { status: active, salary: 7654321 } }
`,
};
const PERSONAL = clearText('rosalind', 'wilhelmina', 'bartholomew', 'watched', '7654321', 'quarrel');

let remit: Running;
let token: string;
type Asked = 'plans' | 'attic' | 'wilhelmina' | 'unscoped' | 'search' | 'filter' | 'capabilities';
let ids: Record<Asked, string>;
beforeAll(async () => {
  remit = await startFiles(FILES, {
    limits: { deadline_ms: 20_000 },
    clients: [
      clientNamed('api', 'remit', 'evaluate', 'search', 'filter'),
      clientNamed('reader', 'remit', 'evaluate', 'read_values'),
      clientNamed('blind', 'remit', 'admin'),
      clientNamed('auditor', 'remit', 'admin', 'read_values'),
    ],
  });
  token = await remit.mint({ user: 'rosalind', agent: 'bot', scope: 'read', audience: 'remit' });
  const unscoped = await remit.mint({ user: 'rosalind', agent: 'bot', scope: 'other', audience: 'remit' });
  ids = {
    plans: await ask('folder', 'plans'),
    attic: await ask('folder', 'attic'),
    wilhelmina: await ask('employee', 'wilhelmina'),
    unscoped: await ask('employee', 'bartholomew', { token: unscoped }),
    search: await send('/access/v1/search/resource', { resource: { type: 'employee' } }),
    filter: await send('/v1/filter', { records: [{ type: 'employee', id: 'wilhelmina', properties: { salary: 7_654_321 } }] }),
    capabilities: await send('/v1/capabilities', { resource: { type: 'employee', id: 'wilhelmina' } }),
  };
  return () => remit.stop();
}); // prettier-ignore

const QUESTION = { subject: { type: 'user', id: 'rosalind' }, action: { name: 'read' } };
async function send(url: string, members: object, who = 'api', context: object = {}): Promise<string> {
  const body = { ...QUESTION, ...members, context: { token, purpose: 'the quarrel', ...context } };
  const response = await remit.post(url, body, { authorization: `Bearer ${who}-key` });
  expect(response.statusCode, response.body).toBe(200);
  return response.json<Answer>().context?.id ?? String(response.headers['remit-decision-id']);
}
const ask = (type: string, id: string, context: object = {}, who = 'api'): Promise<string> =>
  send('/access/v1/evaluation', { resource: { type, id } }, who, context);

type Shown = Record<string, unknown>;
const get = (url: string, who: string) => remit.request('GET', url, undefined, `${who}-key`);
async function read(url: string, who: string): Promise<Shown> {
  const response = await get(url, who);
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
}
/** The record as the log has it. */
async function logged(id: string): Promise<Shown> {
  const [rows] = await remit.service.database.run([
    { sql: 'select record from records where id = $1::uuid', params: [id] },
  ]);
  return rows?.[0]?.['record'] as Shown;
}

describe('a record that is read without values', () => {
  it('is what the log has of it, of every kind, and names no person', async () => {
    for (const id of Object.values(ids)) {
      const shown = await read(`/v1/decisions/${id}`, 'blind');
      expect(shown).toEqual({ ...(await logged(id)), values_hidden: true });
      expect(JSON.stringify(shown)).not.toMatch(PERSONAL);
      const own = await read(`/v1/decisions/${id}`, 'api');
      expect(own).toMatchObject({ id, values_hidden: true });
      expect(own).not.toHaveProperty('facts');
      expect(JSON.stringify(own)).not.toMatch(PERSONAL);
    }
    for (const who of ['api', 'blind']) {
      const list = await read('/v1/decisions', who);
      expect(list['results']).toHaveLength(Object.keys(ids).length);
      expect(JSON.stringify(list)).not.toMatch(PERSONAL);
    }
  });

  it('keeps what an API’s developer has to know: the answer, its reasons, the policies, the revision and what is no person', async () => {
    expect(await read(`/v1/decisions/${ids.attic}`, 'api')).toMatchObject({
      client: 'api',
      decision: false,
      redacted: true,
      policy_version: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      request: { action: 'read', resource: { type: 'folder', id: 'attic' } },
      reasons: [{ code: 'policy_forbid', step: 'policy', policies: ['closed-stays'] }],
      rationale: {
        acting: { mode: 'delegated', agent: 'agent:bot' },
        steps: expect.arrayContaining([
          expect.objectContaining({
            step: 'relationship',
            outcome: 'pass',
            evidence: expect.objectContaining({ permission: 'read', revision: expect.any(String) as string }) as object,
          }),
        ]) as object,
      },
    });
    expect(await read(`/v1/decisions/${ids.wilhelmina}`, 'api')).toMatchObject({
      obligations: [
        { type: 'mask', properties: { fields: ['salary'] } },
        { type: 'notification', properties: { to: { $commit: expect.any(String) as string } } },
      ],
    });
  });

  it('is found by a person whom the client names, and shows a pseudonym in the place of the name', async () => {
    for (const query of ['user=user:rosalind', 'resource=employee:wilhelmina']) {
      const { results } = (await read(`/v1/decisions?${query}`, 'api')) as { results: Shown[] };
      expect(results.map(({ id }) => id)).toContain(ids.wilhelmina);
      expect(JSON.stringify(results)).not.toMatch(PERSONAL);
    }
  });

  it('has nothing of what a client has written of its outcome', async () => {
    const id = await ask('folder', 'plans');
    const outcome = { outcome: 'executed', detail: 'rosalind agreed', properties: { by: 'rosalind' } };
    const report = await remit.post(`/v1/decisions/${id}/outcome`, outcome, { authorization: 'Bearer api-key' });
    expect(report.statusCode).toBe(201);
    const shown = await read(`/v1/decisions/${id}`, 'blind');
    expect(shown['outcome']).toEqual({
      outcome: 'executed',
      reported_by: 'api',
      reported_at: expect.any(String) as string,
    });
    expect((await read(`/v1/decisions/${id}?values=true`, 'auditor'))['outcome']).toMatchObject(outcome);
  });

  it('tells of one that a version before has stored in clear no more than what it is', async () => {
    const id = '0199e2d8-0000-7000-8000-00000000000a';
    const clear = {
      ...(await read(`/v1/decisions/${ids.attic}?values=true`, 'auditor')),
      id,
      later_member: 'rosalind',
    };
    await remit.service.database.run([
      {
        sql: `insert into records (id, kind, at, client, decision, record) values ($1::uuid, 'decision', now(), 'api', false, $2::jsonb)`,
        params: [id, JSON.stringify(clear)],
      },
    ]);
    for (const who of ['api', 'blind']) {
      const shown = await read(`/v1/decisions/${id}`, who);
      expect(shown).toMatchObject({ id, decision: false, reasons: [{ code: 'policy_forbid' }], values_hidden: true });
      expect(JSON.stringify(shown)).not.toMatch(PERSONAL);
    }
    expect(await read(`/v1/decisions/${id}?values=true`, 'auditor')).toMatchObject({ later_member: 'rosalind' });
    await remit.service.database.run([{ sql: 'delete from records where id = $1::uuid', params: [id] }]);
  });
});

describe('values', () => {
  it('are shown to a client that may read them and asks for them, with the facts to an admin', async () => {
    const id = await ask('employee', 'wilhelmina', {}, 'reader');
    const own = await read(`/v1/decisions/${id}?values=true`, 'reader');
    expect(own).toMatchObject({ request: { resource: { id: 'wilhelmina' } }, redacted: true });
    expect(own).not.toHaveProperty('facts');
    expect(JSON.stringify(await read(`/v1/decisions/${id}`, 'reader'))).not.toMatch(PERSONAL);
    expect((await get(`/v1/decisions/${ids.wilhelmina}?values=true`, 'reader')).statusCode).toBe(404);
    for (const name of Object.values(ids)) {
      const shown = await read(`/v1/decisions/${name}?values=true`, 'auditor');
      expect(JSON.stringify(shown)).toContain('rosalind');
      expect(shown).not.toHaveProperty('values_hidden');
      if (!('search' in shown))
        expect(replayRecord(parseRecord(shown, name), remit.service.activePolicies.rules).kind).toBe('same');
    }
    const { results } = (await read('/v1/decisions?values=true', 'auditor')) as { results: Shown[] };
    expect(JSON.stringify(results)).toContain('rosalind');
    expect(JSON.stringify(await read('/v1/decisions?values=false', 'auditor'))).not.toMatch(PERSONAL);
  });

  it('are refused to all other clients, naming the permission, whatever there is', async () => {
    const paths = [
      ['/v1/decisions?values=true', 'api'],
      ['/v1/decisions?values=true', 'blind'],
      [`/v1/decisions/${ids.plans}?values=true`, 'api'],
      [`/v1/decisions/${ids.plans}?values=true`, 'blind'],
      ['/v1/decisions/0199e2d8-0000-7000-8000-000000000000?values=true', 'api'],
      ['/v1/audit/entries?records=true&values=true', 'blind'],
      ['/v1/usage?user=rosalind', 'blind'],
    ] as const;
    for (const [url, who] of paths) {
      const response = await get(url, who);
      expect([url, who, response.statusCode]).toEqual([url, who, 403]);
      expect(response.json()).toEqual({
        error: { code: 'forbidden', message: 'This client may not "read_values".', at: 'values' },
      });
    }
    for (const url of ['/v1/decisions?values=yes', `/v1/decisions/${ids.plans}?values=`, `/v1/decisions/${ids.plans}?value=true`])
      expect([url, (await get(url, 'auditor')).statusCode]).toEqual([url, 400]);
  }); // prettier-ignore

  it('of the log’s records are beside them, which stay as they are in the log', async () => {
    await remit.service.auditLog.sequencer.sequence();
    interface Entries {
      readonly entries: readonly { readonly id: string; readonly record: { record: Shown }; readonly values?: Shown }[];
    }
    const closed = (await read('/v1/audit/entries?records=true', 'blind')) as unknown as Entries;
    for (const id of Object.values(ids)) {
      const entry = closed.entries.find((candidate) => candidate.id === id);
      expect(entry?.record.record).toEqual(await logged(id));
      expect(JSON.stringify(entry)).not.toMatch(PERSONAL);
      expect(entry).not.toHaveProperty('values');
    }
    const opened = (await read('/v1/audit/entries?records=true&values=true', 'auditor')) as unknown as Entries;
    for (const id of Object.values(ids)) {
      const entry = opened.entries.find((candidate) => candidate.id === id);
      expect(entry?.record.record).toEqual(await logged(id));
      expect(JSON.stringify(entry?.values)).toContain('rosalind');
    }
  });

  it('of people’s own records are theirs, whether they ask for them or not', async () => {
    const credential = await remit.mint({ user: 'rosalind' });
    const own = await remit.request('GET', `/v1/decisions/${ids.wilhelmina}`, undefined, credential);
    expect(own.json()).toMatchObject({
      acting: { user: 'user:rosalind' },
      resource: { type: 'employee', id: 'wilhelmina' },
    });
    for (const flag of ['true', 'false']) {
      const same = await remit.request('GET', `/v1/decisions/${ids.wilhelmina}?values=${flag}`, undefined, credential);
      expect(same.json()).toEqual(own.json());
    }
  });
});
