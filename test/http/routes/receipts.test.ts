/** Receipts over HTTP: each reader is shown what they may see of the decision and no more, and all of it is proved offline. */
import { beforeAll, describe, expect, it } from 'vitest';
import { v7 as uuid } from 'uuid';
import { parseReceipt, verifyReceipt, type VerifiedReceipt } from '../../../src/audit/receipt.js';
import { parseNoteKey } from '../../../src/audit/signed-note.js';
import { clientNamed, startFiles, type Answer, type Running } from '../../support/sample.js';

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
}`,
  'schema.cedarschema': `
entity User { clearance?: String };
entity Agent;
@audit("audit")
entity File { secret?: String, state?: String };
@permission("read") @scope("files.read") @title("Read a file") @effect("read")
action "read" appliesTo { principal: [Agent, User], resource: [File], context: { action: { witness?: User } } };`,
  'policies/all.cedar': `
@id("all") permit (principal, action, resource);
@id("frozen-files-stay") @title("Frozen files stay closed.")
forbid (principal, action, resource is File) when { resource has state && resource.state == "frozen" };
@id("witnesses-are-cleared") @title("Witnesses must be cleared.")
forbid (principal, action, resource) when { context.action has witness && context.action.witness has clearance && context.action.witness.clearance == "none" };
@id("mask-files") @duty("mask:secret")
permit (principal, action, resource is File);
@id("tell-owners") @duty("notification:owner")
permit (principal, action, resource is File) when { resource has state && resource.state == "watched" };`,
  'world.yaml': `relationships: |
  file:plan#owner@user:ann
  file:plan#auditor@user:aud
  file:cold#owner@user:ann
  file:seen#owner@user:ann
  file:other#owner@user:ben
  agent:bot#delegator@user:ann
  agent:bot#delegator@user:ben
entities:
  - { type: user, id: ann }
  - { type: user, id: ben }
  - { type: user, id: aud }
  - { type: user, id: cleared, attributes: { clearance: none } }
  - { type: agent, id: bot }
  - { type: file, id: plan, attributes: { secret: "the-secret", state: open } }
  - { type: file, id: cold, attributes: { secret: "the-secret", state: frozen } }
  - { type: file, id: seen, attributes: { state: watched } }
`,
};
const TASK = 'end-of-month';

let remit: Running;
type Named = 'plan' | 'cold' | 'seen' | 'witness' | 'plain' | 'list' | 'ben';
let ids: Record<Named, string>;
beforeAll(async () => {
  const may = ['evaluate', 'filter'];
  remit = await startFiles(FILES, {
    limits: { deadline_ms: 20_000 },
    clients: [
      clientNamed('api', 'remit', ...may),
      clientNamed('other', 'remit', ...may),
      clientNamed('root', 'remit', 'admin'),
    ],
  });
  ids = {
    plan: await decide('ann', 'plan'),
    cold: await decide('ann', 'cold'),
    seen: await decide('ann', 'seen'),
    witness: await decide('ann', 'plan', { witness: 'cleared' }),
    plain: await decide('ann', 'plan', {}, null),
    list: await filter('ann', ['plan', 'cold', 'other']),
    ben: await decide('ben', 'other'),
  };
  await remit.service.auditLog.sequencer.sequence();
  return () => remit.stop();
}, 60_000);

const AS_API = { authorization: 'Bearer api-key' };
const question = async (user: string, task: string | null) => ({
  subject: { type: 'user', id: user },
  action: { name: 'read' },
  context: {
    token: await remit.mint({ user, agent: 'bot', scope: 'files.read', audience: 'remit' }),
    ...(task === null ? {} : { task }),
  },
});
async function decide(user: string, id: string, properties: object = {}, task: string | null = TASK): Promise<string> {
  const asked = {
    ...(await question(user, task)),
    action: { name: 'read', properties },
    resource: { type: 'file', id },
  };
  const response = await remit.post('/access/v1/evaluation', asked, AS_API);
  expect(response.statusCode, response.body).toBe(200);
  return response.json<Answer>().context?.id ?? '';
}
async function filter(user: string, files: readonly string[]): Promise<string> {
  const records = files.map((id) => ({ type: 'file', id, properties: { secret: 'x' } }));
  const response = await remit.post('/v1/filter', { ...(await question(user, TASK)), records }, AS_API);
  expect(response.statusCode, response.body).toBe(200);
  return String(response.headers['remit-decision-id']);
}
const ask = (id: string, credential: string) =>
  remit.request('GET', `/v1/decisions/${id}/receipt`, undefined, credential);
const askAs = async (user: string, id: string) => ask(id, await remit.mint({ user }));
async function verify(body: string): Promise<VerifiedReceipt> {
  const key = await remit.request('GET', '/v1/audit/key');
  return verifyReceipt(parseReceipt(body), parseNoteKey(key.body));
}
/** The names of the parts that are opened, and all that the file says. */
async function readAs(user: string, id: string) {
  const response = await askAs(user, id);
  expect(response.statusCode, response.body).toBe(200);
  const verified = await verify(response.body);
  return { ...verified, body: response.body, names: Object.keys(verified.parts).sort() };
}

describe('a user’s receipt', () => {
  it('proves what was asked for them and answered, offline', async () => {
    const { leaf, names, parts, values } = await readAs('ann', ids.plan);
    expect(leaf).toMatchObject({ kind: 'decision', id: ids.plan });
    expect(names).toEqual(['answer', 'keys', 'obligations', 'question', 'reasons']);
    expect(parts['question']).toMatchObject({ request: { action: 'read', resource: { type: 'file', id: 'plan' } } });
    expect(parts['answer']).toMatchObject({ id: ids.plan, decision: true });
    expect(parts['keys']).toMatchObject({ agent_key: 'agent:bot', resource_key: 'file:plan', decision: true });
    expect([parts['question'], values]).toMatchObject([{ request: { task: TASK } }, {}]);
    const { headers } = await askAs('ann', ids.plan);
    expect(headers['content-disposition']).toBe(`attachment; filename="${ids.plan}.receipt.json"`);
  });

  it('has the reasons of a deny, and neither attributes, facts, sources nor names of people', async () => {
    const cold = await readAs('ann', ids.cold);
    expect(cold.parts['reasons']).toMatchObject({
      reasons: [{ code: 'policy_forbid', policies: ['frozen-files-stay'] }],
    });
    for (const id of [ids.plan, ids.cold, ids.seen, ids.witness, ids.list]) {
      const { body, names } = await readAs('ann', id);
      for (const hidden of [
        'the-secret',
        '.cedar',
        'frozen"',
        'user:ann',
        '"ann"',
        'left_out',
        'steps',
        'notification',
      ])
        expect(body).not.toContain(hidden);
      for (const part of ['facts', 'rationale', 'policies', 'parties', 'others']) expect(names).not.toContain(part);
    }
  });

  it('leaves closed what tells of things of others, or isn’t for people', async () => {
    // The question named a person: which policy looked at them, and whether there are any, no reason may say.
    expect((await readAs('ann', ids.witness)).names).toEqual(['answer', 'obligations', 'question']);
    expect((await readAs('ann', ids.seen)).names).toEqual(['answer', 'keys', 'question', 'reasons']);
    const list = await readAs('ann', ids.list);
    expect(list.names).toEqual(['answer', 'keys', 'question']);
    expect(list.parts['answer']).toMatchObject({ items: [{ type: 'file', id: 'plan', masked: 0 }] });
  });

  it('is had by no other, whether or not there is such a decision', async () => {
    const none = await askAs('ann', uuid());
    for (const id of [ids.ben, 'x', `${ids.ben}.0`]) {
      const response = await askAs('ann', id);
      expect([response.statusCode, response.body]).toEqual([404, none.body]);
    }
    expect((await askAs('aud', ids.cold)).statusCode).toBe(404);
    expect((await askAs('aud', ids.list)).statusCode).toBe(404);
    const agent = await remit.mint({ user: 'ann', agent: 'bot', scope: 'files.read' });
    expect((await ask(ids.plan, agent)).statusCode).toBe(403);
  });

  it('is of what was answered, where that was corrected', async () => {
    const id = await decide('ann', 'plan');
    const stored = await remit.service.decisions.find(id);
    if (stored === undefined) throw new Error('it is on record');
    remit.service.decisions.correct({ ...stored.record, decision: false }, undefined, false);
    await remit.service.decisions.flush();
    await remit.service.auditLog.sequencer.sequence();
    const { leaf, parts } = await readAs('ann', id);
    expect(leaf).toMatchObject({ kind: 'correction', about: id });
    expect(parts['answer']).toMatchObject({ id, decision: false });
  });
});

describe('a receipt', () => {
  it('for who audits a thing says what was done to it, and not in which task', async () => {
    const own = await readAs('aud', ids.plan);
    expect([own.names, own.values]).toEqual([['answer'], {}]);
    expect(own.body).not.toContain(TASK);
    expect((await readAs('aud', ids.plain)).names).toEqual(['answer', 'question']);
  });

  it('for a client has all but the facts, and for an admin all', async () => {
    const names = async (key: string): Promise<string[]> =>
      Object.keys((await verify((await ask(ids.cold, key)).body)).parts).sort();
    const shown = ['answer', 'keys', 'obligations', 'parties', 'policies', 'question', 'rationale', 'reasons'];
    expect(await names('api-key')).toEqual(shown);
    expect(await names('root-key')).toEqual([...shown, 'facts'].sort());
    expect((await ask(ids.cold, 'root-key')).body).not.toContain('the-secret');
    expect((await ask(ids.cold, 'other-key')).statusCode).toBe(404);
  });

  it('waits until the record has its place', async () => {
    await remit.service.auditLog.sequencer.sequence();
    const id = uuid();
    await remit.service.database.run([
      {
        sql: `insert into records (id, kind, at, client, decision, record)
              values ($1::uuid, 'decision', now(), 'api', false, '{"client": "api", "request": {}, "rationale": {"steps": []}}')`,
        params: [id],
      },
      { sql: 'delete from log_pending where id = $1::uuid', params: [id] },
    ]);
    const response = await ask(id, 'api-key');
    expect([response.statusCode, response.headers['retry-after']]).toEqual([409, '1']);
    expect(response.json()).toMatchObject({ error: { code: 'not_sequenced' } });
  });

  it('is not made of a record that was changed', async () => {
    const id = await decide('ann', 'plan');
    await remit.service.auditLog.sequencer.sequence();
    expect((await ask(id, 'api-key')).statusCode).toBe(200);
    await remit.service.database.run([
      { sql: 'alter table records disable trigger records_stay' },
      { sql: `update records set record = record || '{"decision": false}' where id = $1::uuid`, params: [id] },
      { sql: 'alter table records enable trigger records_stay' },
    ]);
    const response = await ask(id, 'api-key');
    expect([response.statusCode, response.json()]).toMatchObject([503, { error: { code: 'log_damaged' } }]);
  });
});
