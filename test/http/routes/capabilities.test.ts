/** Capabilities: an agent learns what it may do, what would have to be added, and nothing of anybody else. */
import { beforeAll, describe, expect, it } from 'vitest';
import { lastRecord, start, type Running } from '../../support/sample.js';

interface Capability {
  readonly name: string;
  readonly title: string;
  readonly status: string;
  readonly remedies: readonly Readonly<Record<string, unknown>>[];
}

let remit: Running;
beforeAll(async () => {
  remit = await start();
  return () => remit.stop();
});

const ask = (token: string) =>
  remit.app.inject({
    url: '/v1/capabilities',
    headers: { host: `127.0.0.1:${remit.service.config.port}`, authorization: `Bearer ${token}` },
  });
const SCOPES = 'hr.employees.read hr.employees.write hr.employees.export code.read code.write';
const own = (user: string | undefined, agent: string, scope = SCOPES, more: object = {}) =>
  remit.mint({ user, agent, scope, audience: undefined, ...more });
const capabilities = async (token: string): Promise<Map<string, Capability>> => {
  const response = await ask(token);
  expect(response.statusCode, response.body).toBe(200);
  const { capabilities: list } = response.json<{ capabilities: { resource_type: string; actions: Capability[] }[] }>();
  return new Map(list.flatMap(({ resource_type: type, actions }) => actions.map((a) => [`${type} ${a.name}`, a])));
};

describe('what an agent may do', () => {
  it.each([
    ['alice', 'hr-assistant', SCOPES],
    ['alice', 'hr-assistant', 'hr.employees.read'],
    ['bob', 'payroll-exporter', SCOPES],
    ['carol', 'code-bot', 'code.read'],
    ['dave', 'hr-assistant', SCOPES],
    ['alice', 'retired-bot', SCOPES],
    [undefined, 'code-bot', SCOPES],
  ])('for %s, %s with %s: what is said to be allowed a search finds, and nothing else', async (user, agent, scope) => {
    const token = await own(user, agent, scope);
    const found = await capabilities(token);
    const { vocabulary } = remit.service.activePolicies.rules;
    for (const action of vocabulary.actions)
      for (const { object: type } of action.resourceTypes) {
        const response = await remit.post(
          '/access/v1/search/resource',
          { subject: { type: 'agent', id: agent }, action: { name: action.name }, resource: { type } },
          { authorization: `Bearer ${token}` },
        );
        const some = response.json<{ results: object[] }>().results.length > 0;
        const said = found.get(`${type} ${action.name}`);
        expect(said?.status === 'allowed', `${action.name} ${type}`).toBe(some);
        expect(said?.title ?? action.title).toBe(action.title);
      }
  });

  it('says with which scope it could do more, and a token with it can', async () => {
    const less = await capabilities(await own('alice', 'hr-assistant', 'hr.employees.read'));
    expect(less.get('employee update')).toMatchObject({
      status: 'remediable',
      remedies: [{ type: 'scope', scope: 'hr.employees.write' }],
    });
    const more = await capabilities(await own('alice', 'hr-assistant', 'hr.employees.read hr.employees.write'));
    expect(more.get('employee update')).toMatchObject({ status: 'allowed', remedies: [] });
    // What no remedy lifts isn't there at all.
    expect(more.has('employee delete')).toBe(false);
  });

  it('is no longer said once it has been taken back', async () => {
    const token = await own('alice', 'hr-assistant');
    expect((await capabilities(token)).size).toBeGreaterThan(0);
    await remit.remove('agent:hr-assistant#delegator@user:alice');
    expect((await capabilities(token)).size).toBe(0);
    await remit.touch('agent:hr-assistant#delegator@user:alice');
  });

  it('leaves one record, of the agent and its user', async () => {
    await capabilities(await own('alice', 'hr-assistant'));
    expect(await lastRecord(remit)).toMatchObject({
      search: 'capabilities',
      client: 'agent:hr-assistant',
      acting: { user: 'user:alice', agent: 'agent:hr-assistant', chain: [] },
      token: { issuer: 'urn:remit:development' },
    });
  });
});

describe('to others', () => {
  it('nothing is said: to a client, to a user, without a token or with a bad one', async () => {
    const user = await remit.mint({ user: 'alice', agent: undefined, audience: undefined });
    const token = await own('alice', 'hr-assistant');
    const expired = await own('alice', 'hr-assistant', SCOPES, { now: new Date('2030-03-01T00:00:00Z') });
    const statuses = [];
    for (const credential of [remit.service.devKey ?? '', user, `${token}x`, expired, 'a.b.c'])
      statuses.push((await ask(credential)).statusCode);
    expect(statuses).toEqual([403, 403, 401, 401, 401]);
  });

  it('nothing is said of anybody: no name or id of what there is', async () => {
    const { body } = await ask(await own('alice', 'hr-assistant', 'hr.employees.read'));
    for (const type of ['employee', 'repository', 'user', 'agent'])
      for (const id of await remit.service.entities.ids(type)) expect(body).not.toContain(`"${id}"`);
  });
});

describe('a token whose details bound what it is for', () => {
  const detail = { type: 'remit', actions: ['read'], resources: ['employee:*'] };
  const statusOf = async (more: object, scope = SCOPES) => {
    const read = (await capabilities(await own('alice', 'hr-assistant', scope, { details: [{ ...detail, ...more }] }))).get('employee read');
    return read === undefined ? undefined : [read.status, ...read.remedies.map(({ type }) => type)];
  };

  it('shows what a question may yet state as depending on it', async () => {
    expect(await statusOf({})).toEqual(['allowed']);
    expect(await statusOf({ purpose: 'payroll' })).toEqual(['depends']);
    expect(await statusOf({ constraints: { 'context.ticket': 'T-1', 'action.n': { max: 5 } } })).toEqual(['depends']);
    expect(await statusOf({ constraints: { n: 1 } }, 'code.read')).toEqual(['depends', 'scope']);
  });

  it('shows nothing that no question could state', async () => {
    expect(await statusOf({ constraints: { n: { one_of: [] } } })).toBeUndefined();
    expect(await statusOf({ purpose: 'payroll', resources: ['employee:nobody'] })).toBeUndefined();
    expect(await statusOf({ purpose: 'payroll', actions: ['delete'] })).toBeUndefined();
  });
}); // prettier-ignore

describe('a client that has the agent’s token', () => {
  const askFor = (context: object, body: object = {}) => remit.post('/v1/capabilities', { context, ...body });

  it('gets the answer that the agent gets', async () => {
    for (const [user, agent] of [['alice', 'hr-assistant'], ['carol', 'code-bot'], ['dave', 'hr-assistant'], [undefined, 'code-bot']] as const) {
      const response = await askFor({ token: await own(user, agent) });
      expect(response.statusCode, response.body).toBe(200);
      const { capabilities: list } = response.json<{ capabilities: unknown }>();
      expect(list).toEqual((await ask(await own(user, agent))).json<{ capabilities: unknown }>().capabilities);
      expect(response.headers['remit-decision-id']).toMatch(/^[0-9a-f-]{36}$/);
    }
  }); // prettier-ignore

  it('is asked for the token, whoever it may vouch for', async () => {
    for (const body of [{}, { subject: { type: 'user', id: 'alice', properties: { act: 'hr-assistant' } } }]) {
      const response = await askFor({}, body);
      expect([response.statusCode, response.json<{ error: { at: string } }>().error.at]).toEqual([400, 'context.token']);
    }
    for (const body of [{ context: {} }, {}, { context: null }]) {
      const byHeader = await remit.post('/v1/capabilities', body, { 'remit-token': await own('alice', 'hr-assistant') });
      expect(byHeader.json<{ capabilities: object[] }>().capabilities.length).toBeGreaterThan(0);
    }
  }); // prettier-ignore

  it('is told why there is nothing', async () => {
    for (const [context, code] of [
      [{ token: 'x.y.z' }, 'token_malformed'],
      [{ token: await own('dave', 'payroll-exporter') }, 'delegation_missing'],
    ] as const)
      expect((await askFor(context)).json()).toMatchObject({ capabilities: [], context: { reasons: [{ code }] } });
  });
});
