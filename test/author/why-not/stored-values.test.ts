/** why-not proposes what is stored behind references, and with its changes the service allows. */
import { beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { explainDenial } from '../../../src/author/why-not/why-not.js';
import { acceptedBody } from '../../../src/cli/service-client.js';
import { serviceWorld } from '../../../src/cli/service-world.js';
import { readSources } from '../../../src/config/files.js';
import type { ReplayableRecord } from '../../../src/model/decision.js';
import { startFiles, type Running } from '../../support/sample.js';

const ZED = `definition user {}
definition team {}
definition vault {}
definition doc {
  relation reader: user
  permission view = reader
}
`;
const SCHEMA = `entity Team { locked?: Bool };
entity User { frozen?: Bool, team?: Team, manager?: User };
entity Vault { level: Long, address: { street: String } };
entity Doc { owner: User, safe: Vault, meta?: { editor: User } };
action "view" appliesTo { principal: [User], resource: [Doc], context: {
  user?: User, action: { target?: User }, request: { approver?: User } } };
`;
const POLICIES = `@id("all") permit (principal, action, resource);
@id("owner") forbid (principal, action, resource) when { resource.owner has frozen && resource.owner.frozen };
@id("editor") forbid (principal, action, resource) when { resource has meta.editor.team.locked && resource.meta.editor.team.locked };
@id("target") forbid (principal, action, resource) when { context has action.target.frozen && context.action.target.frozen };
@id("approver") forbid (principal, action, resource) when { context has request.approver.frozen && context.request.approver.frozen };
@id("manager") forbid (principal, action, resource) when { principal has manager.team.locked && principal.manager.team.locked };
@id("vault") forbid (principal, action, resource) when { resource.safe.level > 3 };
@id("street") forbid (principal, action, resource) when { resource.safe.address.street == "Elm" };
@id("curfew") forbid (principal, action, resource) when { Team::"all" has locked && Team::"all".locked };
`;
const entity = (type: string, id: string, attributes: object): object => ({ type, id, attributes });
const WORLD = {
  relationships: ['plain', 'cold', 'edited', 'high', 'elm', 'gone'].map((id) => `doc:${id}#reader@user:ann\ndoc:${id}#reader@user:mia`).join('\n'),
  entities: [
    entity('user', 'ann', {}),
    entity('user', 'bob', {}),
    entity('user', 'ice', { frozen: true }),
    entity('user', 'eve', { team: { type: 'team', id: 'shut' } }),
    entity('user', 'mia', { manager: 'eve' }),
    entity('team', 'shut', { locked: true }),
    entity('vault', 'high', { level: 9, address: { street: 'Oak' } }),
    entity('vault', 'low', { level: 1, address: { street: 'Oak' } }),
    entity('vault', 'elm', { level: 1, address: { street: 'Elm' } }),
    entity('doc', 'plain', { owner: 'bob', safe: 'low' }),
    ...['high', 'elm', 'gone'].map((safe) => entity('doc', safe, { owner: 'bob', safe })),
    entity('doc', 'cold', { owner: 'ice', safe: 'low' }),
    entity('doc', 'edited', { owner: 'bob', safe: 'low', meta: { editor: { type: 'user', id: 'eve' } } }),
  ],
}; // prettier-ignore

let remit: Running;
beforeAll(async () => {
  remit = await startFiles({
    'schema.zed': ZED,
    'schema.cedarschema': SCHEMA,
    'policies/all.cedar': POLICIES,
    'world.yaml': stringify(WORLD),
  });
  return () => remit.stop();
});

interface Question {
  readonly doc?: string;
  readonly who?: string;
  readonly action?: object;
  readonly context?: object;
}

const ask = ({ doc = 'plain', who = 'ann', action = {}, context = {} }: Question) =>
  remit.evaluate({
    subject: { type: 'user', id: who },
    action: { name: 'view', properties: action },
    resource: { type: 'doc', id: doc },
    context: { mode: 'human', ...context },
  });

it.each<[string, Question, string, string]>([
  ['the resource’s owner', { doc: 'cold' }, 'user:ice', 'frozen = false'],
  ['two references, one within a record', { doc: 'edited' }, 'team:shut', 'locked = false'],
  ['what the action names', { action: { target: 'ice' } }, 'user:ice', 'frozen = false'],
  ['what the request names, in full', { context: { approver: { type: 'user', id: 'ice' } } }, 'user:ice', 'frozen = false'],
  ['what the principal leads to', { who: 'mia' }, 'team:shut', 'locked = false'],
  ['a number', { doc: 'high' }, 'vault:high', 'level = 3'],
  ['a member of a record', { doc: 'elm' }, 'vault:elm', 'address = {"street":"another"}'],
  ['what lacks all that is required', { doc: 'gone' }, 'vault:gone', 'address = {"street":"unknown"}, level = 0'],
])('Why not proposes to store otherwise %s', async (_, question, ref, words) => {
  const answer = await ask(question);
  expect(answer.decision).toBe(false);
  const get = async (path: string) => {
    const response = await remit.request('GET', path);
    return { status: response.statusCode, text: response.body };
  };
  const record = acceptedBody(await get(`/v1/decisions/${answer.context?.id ?? ''}?values=true`)) as ReplayableRecord;
  const told = await explainDenial(record, {
    rules: remit.service.activePolicies.rules,
    sources: readSources(remit.service.config.sources),
    world: serviceWorld({ get }),
  });
  expect(told).toMatchObject({ kind: 'changes', changes: [{ words: `store of ${ref}: ${words}` }] });
  if (told.kind !== 'changes' || told.changes[0]?.change.kind !== 'entity') throw new TypeError(JSON.stringify(told));

  const [type = '', id = ''] = ref.split(':');
  const before = await remit.service.entities.lookup([{ type, id }]);
  const attributes = { ...before[0]?.attributes, ...told.changes[0].change.attributes };
  expect((await remit.request('PUT', `/v1/entities/${type}/${id}`, { attributes })).statusCode).toBe(200);
  expect((await ask(question)).decision).toBe(true);
  if (before[0] === undefined) await remit.service.entities.remove({ type, id });
  else await remit.service.entities.put([before[0]]);
}); // prettier-ignore

it('Why not proposes to store otherwise an entity that a policy names', async () => {
  await remit.service.entities.put([{ type: 'team', id: 'all', attributes: { locked: true }, parents: [] }]);
  const answer = await ask({});
  const record = (
    await remit.request('GET', `/v1/decisions/${answer.context?.id ?? ''}?values=true`)
  ).json<ReplayableRecord>();
  const told = await explainDenial(record, {
    rules: remit.service.activePolicies.rules,
    sources: readSources(remit.service.config.sources),
    world: undefined,
  });
  expect(told).toMatchObject({ kind: 'changes', changes: [{ words: 'store of team:all: locked = false' }] });
  await remit.service.entities.remove({ type: 'team', id: 'all' });
});
