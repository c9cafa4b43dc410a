/** What tells one question from another where a person has said no: who asks for whom and what policies read, however it is written. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientNamed, DAYTIME, startFiles, type Answer, type Running } from '../support/sample.js';

const FILES = {
  'schema.zed': `definition user {}
definition agent {
  relation delegator: user
}
definition account {
  relation owner: user
  relation payer: user
  permission own = owner
  permission pay = payer
}`,
  'schema.cedarschema': `
entity User { level?: Long };
entity Agent { level?: Long };
entity Account { limit?: Long, label?: String };
@permission("pay") @scope("pay") @effect("write")
action "pay" appliesTo { principal: [Agent, User], resource: [Account], context: {
  action: {
    amount?: { value: Long, unit: String, decimals: Long }, count?: Long, rate?: decimal, wait?: duration, day?: datetime,
    from?: ipaddr, tags?: Set<String>, to?: User, note?: String, parts?: { read?: Long, unread?: Long } },
  request: { ticket?: String, other?: String }, approval?: Remit::Approval } };
@permission("pay") @scope("pay") @effect("write") @consent("each") @title("Send mail")
action "send" appliesTo { principal: [Agent, User], resource: [Account], context: {
  action: { to?: String, cc?: Set<String> }, request: { about?: String } } };`,
  'policies/all.cedar': `
@id("all") permit (principal, action, resource);
@id("approved") @remedy("approval:own")
forbid (principal is Agent, action == Action::"pay", resource) unless {
  context has approval &&
  !(context.action has amount && context.action.amount == { value: 1, unit: "", decimals: 0 }) &&
  !(context.action has count && context.action.count < 0) &&
  !(context.action has rate && context.action.rate.lessThan(decimal("-1.0"))) &&
  !(context.action has wait && context.action.wait < duration("-1s")) &&
  !(context.action has day && context.action.day < datetime("1999-01-01")) &&
  !(context.action has from && context.action.from.isLoopback()) &&
  !(context.action has tags && context.action.tags.contains("never")) &&
  !(context.action has to && context.action.to == User::"nobody") &&
  !(context.action has parts && context.action.parts has read && context.action.parts.read < 0) &&
  !(context.request has ticket && context.request.ticket == "") &&
  !(resource has limit && resource.limit < 0) &&
  !(principal has level && principal.level < 0)
};`,
  'world.yaml': `relationships: |
  account:a#owner@user:olga
  account:a#payer@user:ann
  account:b#payer@user:ann
  account:a#payer@user:bob
  agent:bot#delegator@user:ann
  agent:bot#delegator@user:bob
  agent:other#delegator@user:ann
entities:
  - { type: agent, id: bot, attributes: { level: 3 } }
  - { type: agent, id: other }
  - { type: agent, id: planner }
  - { type: account, id: a, attributes: { limit: 5 } }
`,
};

/** By the member that policies read: the ways to write one value, and other values. Texts of JSON. */
const PROPERTIES: Readonly<Record<string, { readonly same: readonly string[]; readonly others: readonly string[] }>> = {
  amount: {
    same: [
      '{"value":1250,"unit":"EUR","decimals":2}',
      '{"decimals":3,"value":12500,"unit":"EUR","more":1}',
      '{"unit":"EUR","value":125e1,"decimals":2.0}',
      '{"unit":"EUR","value":125,"decimals":1,"none":null}',
    ],
    others: ['{"value":1250,"unit":"EUR","decimals":1}', '{"value":1250,"unit":"USD","decimals":2}', 'null'],
  },
  count: { same: ['10', '1e1', '10.0', '100E-1'], others: ['11', 'null'] },
  rate: { same: ['"1.5"', '"1.50"', '1.5', '15e-1', '"01.5000"'], others: ['"1.51"', '"-0.5"'] },
  wait: { same: ['"90s"', '"1m30s"', '"0h90000ms"'], others: ['"91s"', '"89s999ms"'] },
  day: {
    same: ['"2030-01-01"', '"2030-01-01T00:00:00Z"', '"2030-01-01T01:00:00.000+01:00"'],
    others: ['"2030-01-02"'],
  },
  from: {
    same: ['"10.0.0.1"', '"10.0.0.1/32"', '"::ffff:a00:1"', '"0:0:0:0:0:FFFF:0a00:0001"'],
    others: ['"10.0.0.1/31"', '"10.0.0.2"'],
  },
  tags: { same: ['["a","b"]', '["b","a"]', '["a","b","a"]'], others: ['["a"]', '[]'] },
  to: { same: ['"carol"', '{"type":"user","id":"carol"}', '{"id":"carol","type":"User"}'], others: ['"dave"'] },
  parts: {
    same: ['{"read":1}', '{"read":1,"unread":2}', '{"unread":null,"read":1.0,"x":[]}'],
    others: ['{"read":2}', '{}'],
  },
};
const NAMES = Object.keys(PROPERTIES);
/** Members that nothing reads. */
const UNREAD = ['"note":"x"', '"note":"y"', '"undeclared":{"a":[1]}', '"nothing":null'];

interface Spelling {
  readonly properties: Readonly<Record<string, string>>;
  readonly unread?: string | undefined;
  readonly resource?: string;
  readonly context?: string;
  readonly client?: string;
  readonly user?: string;
  readonly agent?: string;
  readonly chain?: readonly string[];
  /** Whether the request names the agent as its subject. */
  readonly ofAgent?: boolean;
  readonly id?: string;
}

describe('a question', () => {
  let remit: Running;
  beforeAll(async () => {
    const limits = { agent_rate: 100_000 };
    const clients = ['git', 'other'].map((id) => ({ ...clientNamed(id, 'pay', 'evaluate'), rate: 100_000 }));
    const asserting = {
      ...clientNamed('knows', 'pay', 'evaluate', 'asserts_subject', 'asserts_attributes'),
      rate: 100_000,
    };
    remit = await startFiles(FILES, { clients: [...clients, asserting], limits });
    remit.at(DAYTIME);
    return () => remit.stop();
  });

  /** Asks it as it is spelled. @returns what its record tells it from others by */
  async function identify(spelling: Spelling): Promise<string> {
    const {
      properties,
      unread,
      resource = '',
      context = '"ticket":"T-1"',
      client = 'git',
      user = 'ann',
      agent = 'bot',
      chain,
      ofAgent,
      id = 'a',
    } = spelling;
    const stated = [
      ...Object.entries(properties).map(([name, text]) => `"${name}":${text}`),
      ...(unread === undefined ? [] : [unread]),
    ];
    const token =
      client === 'knows'
        ? undefined
        : await remit.mint({ user, agent, scope: 'pay', audience: 'pay', ...(chain && { chain }) });
    const act = token === undefined ? `,"properties":{"act":{"sub":"${agent}"}}` : '';
    const subject =
      ofAgent === true && token !== undefined
        ? `{"type":"agent","id":"${agent}"}`
        : `{"type":"user","id":"${user}"${act}}`;
    const response = await remit.app.inject({
      method: 'POST',
      url: '/access/v1/evaluation',
      headers: {
        host: `127.0.0.1:${remit.service.config.port}`,
        authorization: `Bearer ${client}-key`,
        'content-type': 'application/json',
      },
      payload: `{"subject":${subject},"action":{"name":"pay","properties":{${stated.join(',')}}},
        "resource":{"type":"account","id":"${id}","properties":{${resource}}},
        "context":{${[context, ...(token === undefined ? [] : [`"token":"${token}"`])].filter((text) => text !== '').join(',')}}}`,
    });
    const record = (await remit.service.decisions.find(response.json<Answer>().context?.id ?? ''))?.record;
    const hash =
      record !== undefined && 'access_request' in record ? record.access_request?.question_sha256 : undefined;
    if (hash === undefined) throw new Error(response.body);
    return hash;
  }
  const first = Object.fromEntries(NAMES.map((name) => [name, PROPERTIES[name]?.same[0] ?? '']));

  it('is the same however it is written, by whomever it is passed on, and with whatever nothing reads', async () => {
    const base = await identify({ properties: first });
    const spellings = fc.record({
      properties: fc.record(
        Object.fromEntries(NAMES.map((name) => [name, fc.constantFrom(...(PROPERTIES[name]?.same ?? []))])),
      ),
      unread: fc.constantFrom(undefined, ...UNREAD),
      resource: fc.constantFrom(
        '',
        '"label":"x"',
        '"limit":5',
        '"limit":5.0,"label":null',
        '"other":[1]',
        '"limit":null',
      ),
      context: fc.constantFrom(
        '"ticket":"T-1"',
        '"ticket":"T-1","other":"x"',
        '"ticket":"T-1","purpose":"again"',
        '"ticket":"T-1","x":{}',
      ),
      client: fc.constantFrom('git', 'other', 'knows'),
      ofAgent: fc.boolean(),
      chain: fc.constantFrom<readonly string[]>([], ['planner']),
    });
    await fc.assert(
      fc.asyncProperty(spellings, async (spelling) => {
        expect(await identify(spelling)).toBe(base);
      }),
      { numRuns: 60 },
    );
  });

  it('is another with another value of what is read, for another user, agent or resource', async () => {
    const changes: Spelling[] = NAMES.flatMap((name) =>
      (PROPERTIES[name]?.others ?? []).map((text) => ({ properties: { ...first, [name]: text } })),
    );
    for (const more of [
      { user: 'bob' },
      { agent: 'other' },
      { id: 'b' },
      { resource: '"limit":6' },
      { context: '"ticket":"T-2"' },
      { context: '' },
    ])
      changes.push({ properties: first, ...more });
    const hashes = [await identify({ properties: first })];
    for (const change of changes) hashes.push(await identify(change));
    expect(new Set(hashes).size).toBe(changes.length + 1);
  });

  it('is not asked again for a while after a no, by another client or with what nothing reads', async () => {
    const ask = async (client: string, properties: object) => {
      const question = {
        subject: { type: 'user', id: 'ann' },
        action: { name: 'pay', properties },
        resource: { type: 'account', id: 'a' },
      };
      const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'pay', audience: 'pay' });
      const headers = { authorization: `Bearer ${client}-key` };
      const denied = await remit.post('/access/v1/evaluation', { ...question, context: { token } }, headers);
      const { context } = denied.json<Answer>();
      const offered = context?.access_request?.expires_at;
      const denial = { evaluation_id: context?.id, expires_at: offered ?? '2999-01-01T00:00:00Z' };
      return remit.post('/access/v1/requests', { ...question, denial }, headers);
    };
    const opened = await ask('git', { count: 7 });
    expect(opened.statusCode, opened.body).toBe(202);
    const { id } = opened.json<{ task: { id: string } }>().task;
    const no = { decision: 'deny' };
    const answer = await remit.request('POST', `/v1/approvals/${id}/decision`, no, await remit.mint({ user: 'olga' }));
    expect(answer.statusCode, answer.body).toBe(200);
    for (const [client, properties] of [
      ['git', { count: 7 }],
      ['other', { count: 7 }],
      ['git', { count: 7, note: 'please' }],
      ['other', { count: 7, undeclared: 1, wait: null }],
    ] as const) {
      const again = await ask(client, properties);
      expect([again.statusCode, again.body], JSON.stringify(properties)).toEqual([
        400,
        expect.stringContaining('not_requestable'),
      ]);
    }
    expect((await ask('other', { count: 8 })).statusCode).toBe(202);
  });

  it('of which the user is asked each time is another with any content that the schema declares, and the yes is to that content', async () => {
    const askToSend = async (properties: object, stated: object = {}, client = 'git') => {
      const question = { subject: { type: 'user', id: 'ann' }, action: { name: 'send', properties }, resource: { type: 'account', id: 'a' } };
      const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'pay', audience: 'pay' });
      const headers = { authorization: `Bearer ${client}-key` };
      const denied = (await remit.post('/access/v1/evaluation', { ...question, context: { ...stated, token } }, headers)).json<Answer>();
      const expires = denied.context?.access_request?.expires_at;
      const body = { ...question, context: stated, denial: { evaluation_id: denied.context?.id, expires_at: expires ?? '2999-01-01T00:00:00Z' } };
      const opened = await remit.post('/access/v1/requests', body, headers);
      const { task } = opened.json<{ task?: { id: string } }>();
      expect([opened.statusCode, task !== undefined]).toEqual(expires === undefined ? [400, false] : [202, true]);
      const reevaluate = async (approval: object, more: object = {}, otherStated = stated): Promise<boolean> => {
        const asked = { ...question, action: { name: 'send', properties: { ...properties, ...more } }, context: { ...otherStated, token, approval } };
        return (await remit.post('/access/v1/evaluation', asked, headers)).json<Answer>().decision;
      };
      return { id: task?.id, reevaluate };
    };
    const answer = async (id: string | undefined, decision: string): Promise<void> => {
      const response = await remit.request('POST', `/v1/approvals/${id}/decision`, { decision }, await remit.mint({ user: 'ann' }));
      expect(response.statusCode, response.body).toBe(200);
    };
    await answer((await askToSend({ to: 'x', cc: ['a', 'b'] }, { about: 'lunch' })).id, 'deny');
    // The same, however it is written and whoever passes it on; what isn't declared is no content.
    for (const [properties, stated, client] of [
      [{ to: 'x', cc: ['b', 'a'] }, { about: 'lunch' }, 'git'],
      [{ to: 'x', cc: ['a', 'b'], undeclared: 1 }, { about: 'lunch', undeclared: 'x' }, 'other'],
    ] as const)
      expect((await askToSend(properties, stated, client)).id, JSON.stringify(properties)).toBeUndefined();
    for (const [properties, stated] of [
      [{ to: 'y', cc: ['a', 'b'] }, { about: 'lunch' }],
      [{ to: 'x', cc: ['a'] }, { about: 'lunch' }],
      [{ to: 'x', cc: ['a', 'b'] }, { about: 'money' }],
      [{ to: 'x', cc: ['a', 'b'] }, {}],
    ] as const) {
      const { id, reevaluate } = await askToSend(properties, stated);
      expect(id, JSON.stringify([properties, stated])).toBeDefined();
      expect((await remit.service.approvals.find(id ?? ''))?.question).toMatchObject({ action: { properties }, context: stated });
      await answer(id, 'approve');
      // A yes to this content is to no other.
      expect(await reevaluate({ id }, { to: 'z' })).toBe(false);
      expect(await reevaluate({ id }, {}, { about: 'something else' })).toBe(false);
      expect(await reevaluate({ id })).toBe(true);
    }
  }); // prettier-ignore
});
