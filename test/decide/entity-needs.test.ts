/**
 * Policies see what they name: an entity behind a reference is fetched, judged, put on record and found there again. And
 * a record holds what policies read of people, and nothing else.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { ReplayableRecord } from '../../src/model/decision.js';
import { explainRecord } from '../../src/records/explain/explain.js';
import { redecide } from '../../src/records/redecide.js';
import { replayRecord } from '../../src/records/replay.js';
import { loadRules, type Rules } from '../../src/policy/load.js';
import { codes, start, type Answer, type Running } from '../support/sample.js';
import { collectCleanups } from '../support/cleanups.js';

const ZED = `
definition user {}
definition team {}
definition vault {}
definition doc {
  relation reader: user
  permission view = reader
}
`;
const SCHEMA = `
entity Team in [Team] { locked?: Bool };
entity User in [Team] { name?: String, frozen?: Bool, protected?: Bool, team?: Team, manager?: User, salary?: Long };
entity Vault { level: Long };
entity Doc in [Doc] {
  owner: User, meta?: { editor: User, note?: String }, status: String, salary?: Long, @class("pii") body?: String,
};
@title("View")
action "view" appliesTo { principal: [User], resource: [Doc], context: {
  user?: User, action: { target?: User, vault?: Vault }, request: { approver?: User } } };
`;
const POLICIES = `
@id("all") permit (principal, action, resource);
@id("frozen-owner") forbid (principal, action, resource) when { resource.owner has frozen && resource.owner.frozen };
@id("quarantine") forbid (principal, action, resource) when { resource.owner in Team::"quarantine" };
@id("editor") forbid (principal, action, resource) when { resource has meta.editor.team.locked && resource.meta.editor.team.locked };
@id("target") forbid (principal, action, resource) when { context has action.target.frozen && context.action.target.frozen };
@id("approver") forbid (principal, action, resource) when { context has request.approver.frozen && context.request.approver.frozen };
@id("vault") forbid (principal, action, resource) when { context has action.vault && context.action.vault.level > 3 };
@id("locked") forbid (principal, action, resource) when { principal has manager.team.locked && principal.manager.team.locked };
@id("curfew") forbid (principal, action, resource) when { Team::"all" has locked && Team::"all".locked };
@id("mask") @duty("mask:pii") permit (principal, action, resource) when { resource.owner has protected && resource.owner.protected };
`;

const readers = (...docs: string[]) => docs.map((doc) => `doc:${doc}#reader@user:ann`).join('\n');
const user = (id: string, attributes: object = {}, parents: object[] = []) => ({
  type: 'user',
  id,
  attributes,
  parents,
});
const team = (id: string, attributes: object = {}, parents: object[] = []) => ({
  type: 'team',
  id,
  attributes,
  parents,
});
const doc = (id: string, attributes: object) => ({
  type: 'doc',
  id,
  attributes: { status: 'x', salary: 90_000, ...attributes },
  parents: [],
});
const WORLD = {
  relationships: readers('plain', 'cold', 'sick', 'edited', 'shown', 'dangling', 'hers'),
  entities: [
    user('ann', { name: 'Ann', salary: 70_000 }),
    user('bob', { name: 'Bob', salary: 80_000 }),
    user('ice', { frozen: true, salary: 80_000 }),
    user('ill', { salary: 80_000 }, [{ type: 'team', id: 'ward' }]),
    user('eve', { team: { type: 'team', id: 'shut' } }),
    user('pro', { protected: true }),
    user('mia', { manager: 'eve' }),
    team('ward', {}, [{ type: 'team', id: 'quarantine' }]),
    team('shut', { locked: true }),
    { type: 'vault', id: 'low', attributes: { level: 1 }, parents: [] },
    { type: 'vault', id: 'high', attributes: { level: 9 }, parents: [] },
    doc('plain', { owner: 'bob' }),
    doc('cold', { owner: { type: 'user', id: 'ice' } }),
    doc('sick', { owner: 'ill' }),
    doc('edited', { owner: 'bob', meta: { editor: 'eve', note: 'private' } }),
    doc('shown', { owner: 'pro', body: 'text' }),
    doc('dangling', { owner: 'gone' }),
    doc('secret', { owner: 'ice' }),
  ],
};

let remit: Running;
let rules: Rules;
const directory = mkdtempSync(join(tmpdir(), 'remit-references-'));
const onSuiteFinished = collectCleanups();
onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
beforeAll(async () => {
  const files = {
    'graph.zed': ZED,
    'schema.cedarschema': SCHEMA,
    'all.cedar': POLICIES,
    'world.yaml': stringify(WORLD),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const config = {
    schema: { relationships: 'graph.zed', actions: 'schema.cedarschema' },
    policies: '.',
    world: 'world.yaml',
    issuers: [],
    clients: [],
  };
  writeFileSync(join(directory, 'remit.yaml'), stringify(config));
  remit = await start(join(directory, 'remit.yaml'));
  onSuiteFinished(() => remit.stop());
  rules = remit.service.activePolicies.rules;
});

const question = (id: string, more: { who?: string; action?: object; properties?: object; context?: object } = {}) => ({
  subject: { type: 'user', id: more.who ?? 'ann' },
  action: { name: 'view', properties: more.action ?? {} },
  resource: { type: 'doc', id, properties: more.properties ?? {} },
  context: { mode: 'human', supported_obligations: ['mask'], ...more.context },
});
const ask = (...asked: Parameters<typeof question>): Promise<Answer> => remit.evaluate(question(...asked));
const forbidding = ({ context }: Answer): readonly string[] =>
  context?.reasons.flatMap(({ policies = [] }) => policies) ?? [];
async function recordOf({ context }: Answer): Promise<ReplayableRecord> {
  return (await remit.request('GET', `/v1/decisions/${context?.id ?? ''}?values=true`)).json();
}

describe('an entity behind a reference', () => {
  it.each<[string, Parameters<typeof question>, readonly string[]]>([
    ['nothing', ['plain'], []],
    ['an attribute of the resource’s owner', ['cold'], ['frozen-owner']],
    ['what the owner is in, over two steps', ['sick'], ['quarantine']],
    ['three references, one within a record', ['edited'], ['editor']],
    [
      'one that the client states in place of the stored',
      ['plain', { properties: { owner: 'ice' } }],
      ['frozen-owner'],
    ],
    ['one that the client states instead, of another', ['cold', { properties: { owner: 'bob' } }], []],
    ['one that the action names', ['plain', { action: { target: 'ice' } }], ['target']],
    ['one that the action names, in full', ['plain', { action: { target: { type: 'user', id: 'ice' } } }], ['target']],
    ['one that the request’s context names', ['plain', { context: { approver: 'ice' } }], ['approver']],
    ['one with a required attribute', ['plain', { action: { vault: 'high' } }], ['vault']],
    ['one with a required attribute, and low', ['plain', { action: { vault: 'low' } }], []],
  ])('is heeded: %s', async (_, asked, forbids) => {
    const answer = await ask(...asked);
    expect(forbidding(answer)).toEqual(forbids);
    expect(answer.decision).toBe(forbids.length === 0);
  });

  it('is heeded from the principal on', async () => {
    await remit.touch('doc:plain#reader@user:mia');
    expect(forbidding(await ask('plain', { who: 'mia' }))).toEqual(['locked']);
    await remit.request('PUT', '/v1/entities/team/shut', { attributes: { locked: false }, parents: [] });
    expect((await ask('plain', { who: 'mia' })).decision).toBe(true);
    await remit.request('PUT', '/v1/entities/team/shut', { attributes: { locked: true }, parents: [] });
  });

  it('is heeded where a policy names it', async () => {
    await remit.request('PUT', '/v1/entities/team/all', { attributes: { locked: true }, parents: [] });
    expect(forbidding(await ask('plain'))).toEqual(['curfew']);
    await remit.request('DELETE', '/v1/entities/team/all');
    expect((await ask('plain')).decision).toBe(true);
  });

  it('decides about masks', async () => {
    const { context } = await ask('shown');
    expect(context?.obligations).toMatchObject([{ type: 'mask', properties: { fields: ['body'] } }]);
    expect((await ask('plain')).context?.obligations).toEqual([]);
  });

  it('that isn’t stored lacks what is required of it; where nothing is, it is as one without attributes', async () => {
    const answer = await ask('plain', { action: { vault: 'nowhere' } });
    expect([answer.decision, codes(answer)]).toEqual([false, ['attribute_missing']]);
    expect(answer.context?.reasons[0]).toMatchObject({
      message: 'Not stored, and this request can not state it: level of vault:nowhere.',
      missing: [{ entity: { type: 'vault', id: 'nowhere' }, path: 'level', source: 'store' }],
    });
    expect((await ask('dangling')).decision).toBe(true);
  });

  it('that lacks what is required of it is named, as is what it has with another type', async () => {
    await remit.service.entities.put([
      { type: 'vault', id: 'odd', attributes: { level: 'high' }, parents: [] },
      { type: 'doc', id: 'bare', attributes: { owner: 'bob' }, parents: [] },
    ]);
    await remit.touch('doc:bare#reader@user:ann');
    const { context } = await ask('bare', { action: { vault: 'odd' } });
    expect(context?.reasons[0]?.message).toBe(
      'Neither stored nor in the request: status of doc:bare. Stored with another type than the schema declares: level of vault:odd.',
    );
  });

  it('is heeded in lists as in single questions', async () => {
    const ids = ['plain', 'cold', 'sick', 'edited', 'shown', 'dangling', 'secret'];
    const filtered = await remit.post('/v1/filter', {
      ...question('plain'),
      resource: undefined,
      records: ids.map((id) => ({ type: 'doc', id, body: 'text' })),
    });
    const single = await Promise.all(ids.map(async (id) => [id, (await ask(id)).decision] as const));
    const permitted = single.filter(([, allowed]) => allowed).map(([id]) => id);
    expect(filtered.json<{ records: { id: string }[] }>().records.map(({ id }) => id)).toEqual(permitted);
    expect(permitted).toEqual(['plain', 'shown', 'dangling']);
  });

  it('is told of by an explanation', async () => {
    const explanation = explainRecord(await recordOf(await ask('cold')), rules);
    const forbid = explanation.policies[0]?.policies.find(({ id }) => id === 'frozen-owner');
    expect(forbid).toMatchObject({ applies: true });
    expect(JSON.stringify(forbid?.clauses)).toContain('"resource.owner.frozen":"true"');
  });
});

describe('a record', () => {
  it('holds what was read of each entity, and names what was not', async () => {
    const { facts } = await recordOf(await ask('edited'));
    expect(facts.entities).toEqual({
      'user:ann': { attributes: { name: 'Ann' }, omitted: ['salary'] },
      'doc:edited': {
        attributes: { owner: 'bob', meta: { editor: 'eve' } },
        omitted: ['meta.note', 'salary', 'status'],
      },
      'user:bob': { attributes: {}, ancestors: [], omitted: ['name', 'salary'] },
      'user:eve': { attributes: { team: { type: 'team', id: 'shut' } } },
      'team:shut': { attributes: { locked: true } },
      'team:all': null,
    });
  });

  it('of a question out of reach holds nothing stored of the resource, nor of what it leads to', async () => {
    const answer = await ask('secret');
    expect(codes(answer)).toEqual(['relationship_missing']);
    const record = await recordOf(answer);
    expect(record.facts.entities).toEqual({ 'user:ann': { attributes: { name: 'Ann' }, omitted: ['salary'] } });
    expect(JSON.stringify(record)).not.toContain('ice');
    // Of what the request names itself, too: whether it is frozen would otherwise be told.
    const stated = await recordOf(await ask('secret', { action: { target: 'ice' } }));
    expect(Object.keys(stated.facts.entities ?? {})).toEqual(['user:ann']);
  });

  it('is decided again by the same rules, to the letter', async () => {
    const asked: Parameters<typeof question>[] = [
      ['plain'], ['cold'], ['sick'], ['edited'], ['shown'], ['dangling'], ['secret'],
      ['plain', { action: { target: 'ice', vault: 'nowhere' } }], ['plain', { properties: { owner: 'ice' } }],
      ['plain', { who: 'mia' }], ['secret', { properties: { owner: 'ice' } }],
    ]; // prettier-ignore
    for (const one of asked) {
      const answer = await ask(...one);
      const again = redecide(await recordOf(answer), rules);
      expect(again.missing).toEqual([]);
      expect(again.decision.rationale).toEqual(answer.context?.rationale);
      expect(again.decision).toMatchObject({ decision: answer.decision, reasons: answer.context?.reasons });
    }
  });

  it('is inconclusive by rules that read more of it, and says what', async () => {
    const record = await recordOf(await ask('plain'));
    const by = (condition: string): Rules =>
      loadRules({
        relationships: { name: 'graph.zed', text: ZED },
        actions: [{ name: 'schema.cedarschema', text: SCHEMA }],
        policies: [
          {
            name: 'all.cedar',
            text: `${POLICIES}\n@id("more") forbid (principal, action, resource) when { ${condition} };`,
          },
        ],
      });
    const missing = (condition: string) => replayRecord(record, by(condition));
    expect(missing('resource has salary && resource.salary > 1')).toEqual({
      kind: 'inconclusive',
      missing: ['doc:plain.salary'],
    });
    expect(missing('principal in Team::"x"')).toEqual({ kind: 'inconclusive', missing: ['user:ann (its parents)'] });
    expect(missing('User::"bob" has salary && User::"ill" has frozen')).toEqual({
      kind: 'inconclusive',
      missing: ['user:bob.salary', 'user:ill'],
    });
    expect(missing('resource.owner has frozen && resource.owner.frozen')).toEqual({ kind: 'same' });
  });

  it('of before, with everything but what references lead to, stays readable and is no allow', async () => {
    const record = await recordOf(await ask('plain'));
    const { entities } = record.facts;
    const old = {
      'user:ann': { attributes: { name: 'Ann', salary: 70_000 }, ancestors: [] },
      'doc:plain': { attributes: { owner: 'bob', status: 'x', salary: 90_000 }, ancestors: [] },
    };
    expect(entities).toHaveProperty(['user:bob']);
    const read = { ...record, facts: { ...record.facts, entities: old } };
    expect(replayRecord(read, rules)).toEqual({ kind: 'inconclusive', missing: ['team:all', 'user:bob'] });
  });
});
