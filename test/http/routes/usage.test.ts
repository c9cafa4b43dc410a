/** Usage over HTTP: what was granted and never used, what was done, and what would have been enough for it. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { reportUsage } from '../../../src/http/usage-report.js';
import type { UsageJson } from '../../../src/http/usage-json.js';
import { clientNamed, codes, DAYTIME, startFiles, type Answer, type Running } from '../../support/sample.js';

const DOCS = ['d0', 'd1', 'd2', 'd3', 'd4'];
/** Each test has users of its own, so that none sees what another did. */
const USERS = [
  'ann',
  'ben',
  'cem',
  'dan',
  'eva',
  'fay',
  'gus',
  'hal',
  'ida',
  ...Array.from({ length: 8 }, (_, i) => `p${i}`),
];
const actionText = (name: string, more = '', context = '{}'): string => `
@permission("${name === 'send' ? 'read' : name}") @scope("docs.${name}") @title("Do ${name}") @effect("${name === 'remove' ? 'delete' : 'write'}") ${more}
action "${name}" appliesTo { principal: [Agent, User], resource: [Doc], context: ${context} };`;
const FILES = {
  'schema.zed': `
definition user {}
definition agent {
  relation delegator: user | agent
}
definition doc {
  relation owner: user
  permission read = owner
  permission write = owner
  permission remove = owner
}`,
  'schema.cedarschema': `
entity User;
entity Agent;
entity Doc;
${actionText('read')}
${actionText('write', '', '{ action: { amount?: Long } }')}
${actionText('remove')}
${actionText('send', '@consent("standing")')}`,
  'policies/all.cedar': `
@id("all") permit (principal, action, resource);
@id("agents-remove-nothing") @title("Agents remove nothing.")
forbid (principal is Agent, action == Action::"remove", resource);`,
  'world.yaml': `relationships: |
${USERS.flatMap((user) => [
  ...DOCS.map((doc) => `  doc:${doc}#owner@user:${user}`),
  `  agent:bot#delegator@user:${user}`,
  `  agent:idle#delegator@user:${user}`,
]).join('\n')}
  agent:worker#delegator@agent:bot
entities:
${USERS.map((id) => `  - { type: user, id: ${id} }`).join('\n')}
${['bot', 'idle', 'worker'].map((id) => `  - { type: agent, id: ${id} }`).join('\n')}
`,
};
const ALL_SCOPES = 'docs.read docs.write docs.remove docs.send';

let remit: Running;
beforeAll(async () => {
  remit = await startFiles(FILES, { limits: { deadline_ms: 20_000 } });
  return () => remit.stop();
}, 60_000);

interface Act {
  readonly action?: string;
  readonly doc?: string;
  readonly agent?: string;
  readonly scope?: string;
  readonly properties?: object;
  readonly context?: object;
}
async function ask(user: string, act: Act = {}): Promise<Answer> {
  const { action = 'read', doc = 'd0', agent = 'bot', scope = ALL_SCOPES, properties = {}, context = {} } = act;
  const token = await remit.mint({ user, agent, scope });
  return remit.evaluate({
    subject: { type: 'user', id: user },
    action: { name: action, properties },
    resource: { type: 'doc', id: doc },
    context: { token, ...context },
  });
}
async function allow(user: string, act: Act = {}): Promise<string> {
  const answer = await ask(user, act);
  expect(codes(answer)).toEqual([]);
  return answer.context?.id ?? '';
}
async function report(id: string, outcome: string, credential?: string): Promise<void> {
  const response = await remit.request('POST', `/v1/decisions/${id}/outcome`, { outcome }, credential);
  expect(response.statusCode, response.body).toBe(201);
}
async function usage(query: string, credential?: string): Promise<UsageJson> {
  const response = await remit.request('GET', `/v1/usage${query}`, undefined, credential);
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
}
const usageOf = async (user: string, query = ''): Promise<UsageJson> => usage(query, await remit.mint({ user }));

describe('what was done', () => {
  it('is covered by the details that are proposed, and what came to nothing would have been denied', async () => {
    await allow('ann', { doc: 'd1' });
    await allow('ann', { doc: 'd0' });
    await allow('ann', { doc: 'd0' });
    await report(await allow('ann', { doc: 'd2' }), 'failed');
    await report(await allow('ann', { doc: 'd0' }), 'executed');
    await ask('ann', { doc: 'd3', context: { dry_run: true } });
    const { suggestions, cut, records } = await usageOf('ann');
    expect([cut, records]).toEqual([[], { read: 6, values_erased: 0 }]);
    expect(suggestions).toEqual([
      {
        user: 'user:ann',
        agent: 'agent:bot',
        detail: { type: 'remit', actions: ['read'], resources: ['doc:d0', 'doc:d1'], access: 'online' },
        would_deny: { n: 1, of: 5 },
        not_replayed: 0,
      },
    ]);
  });

  it('stays so by an agent’s own word', async () => {
    const token = await remit.mint({ user: 'ben', agent: 'bot', scope: ALL_SCOPES });
    const question = { subject: { type: 'user', id: 'ben' }, action: { name: 'read' }, resource: { type: 'doc', id: 'd4' } };
    const asked = await remit.request('POST', '/access/v1/evaluation', question, token);
    expect(asked.json()).toMatchObject({ decision: true });
    await report(String(asked.headers['remit-decision-id']), 'abandoned', token);
    expect((await usageOf('ben')).suggestions).toMatchObject([{ detail: { resources: ['doc:d4'] }, would_deny: { n: 0, of: 1 } }]);
  }); // prettier-ignore

  it('is also what a filter handed out, which cannot be decided again', async () => {
    const token = await remit.mint({ user: 'cem', agent: 'bot', scope: ALL_SCOPES });
    const records = ['d1', 'd3'].map((id) => ({ type: 'doc', id }));
    const question = { subject: { type: 'user', id: 'cem' }, action: { name: 'read' }, context: { token }, records };
    expect((await remit.post('/v1/filter', question)).statusCode).toBe(200);
    const { suggestions, never } = await usageOf('cem');
    expect(suggestions).toMatchObject([
      { detail: { actions: ['read'], resources: ['doc:d1', 'doc:d3'] }, would_deny: { n: 0, of: 0 }, not_replayed: 1 },
    ]);
    expect(never).toMatchObject([{ agent: 'agent:bot', action: 'read', resource_type: 'doc' }]);
  });

  it('is decided again over a delegation that was passed on', async () => {
    await allow('dan', { agent: 'worker' });
    await report(await allow('dan', { agent: 'worker', doc: 'd1' }), 'failed');
    const { suggestions, unused } = await usageOf('dan');
    expect(suggestions).toMatchObject([{ agent: 'agent:worker', detail: { resources: ['doc:d0'] }, would_deny: { n: 1, of: 2 } }]);
    // What another agent came by is a use of the delegation that it came by.
    expect(unused.filter(({ kind }) => kind === 'delegation')).toEqual([{ kind: 'delegation', user: 'user:dan', agent: 'agent:idle' }]);
  }); // prettier-ignore

  it('is allowed by the delegation that was narrowed so, and as much is denied as was foretold', async () => {
    const step = fc.record({
      action: fc.constantFrom('read', 'write'),
      doc: fc.constantFrom(...DOCS),
      amount: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined, freq: 4 }),
      failed: fc.boolean(),
    });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const user = `p${runs}`;
        runs += 1;
        const acts = steps.map(({ action, doc, amount, failed }) => {
          const properties = action === 'write' && amount !== undefined ? { amount } : {};
          return { act: { action, doc, properties }, failed };
        });
        for (const { act, failed } of acts) {
          const id = await allow(user, act);
          if (failed) await report(id, 'failed');
        }
        const { suggestions } = await usageOf(user);
        const details = suggestions.map(({ detail }) => detail);
        if (details.length === 0) return;
        const narrowed = await remit.request('PATCH', '/v1/delegations/bot', { details }, await remit.mint({ user }));
        expect(narrowed.statusCode, narrowed.body).toBe(200);
        let denied = 0;
        for (const { act, failed } of acts) {
          const { decision } = await ask(user, act);
          if (!failed) expect([act, decision]).toEqual([act, true]);
          const isSuggested = details.some((detail) => (detail['actions'] as string[]).includes(act.action));
          if (!decision && isSuggested) denied += 1;
        }
        expect(suggestions.reduce((sum, { would_deny: { n } }) => sum + n, 0)).toBe(denied);
      }),
      { numRuns: 6, endOnFailure: true },
    );
  }, 120_000);
});

describe('what was granted', () => {
  it('and never used is named: delegations, consents, scopes and permissions', async () => {
    const own = await remit.mint({ user: 'eva' });
    const consent = async (doc: string): Promise<string> => {
      const details = [{ type: 'remit', actions: ['send'], resources: [`doc:${doc}`] }];
      const ends = new Date(DAYTIME.getTime() + 3_600_000).toISOString();
      const response = await remit.request('POST', '/v1/consents', { agent: 'bot', details, ends }, own);
      expect(response.statusCode, response.body).toBe(201);
      return response.json<{ id: string }>().id;
    };
    const [, idle] = [await consent('d0'), await consent('d1')];
    await allow('eva', { scope: 'docs.read docs.write' });
    await allow('eva', { action: 'send', scope: 'docs.send' });
    const { unused } = await usageOf('eva');
    expect(unused).toEqual([
      { kind: 'delegation', user: 'user:eva', agent: 'agent:idle' },
      { kind: 'consent', id: idle, user: 'user:eva', agent: 'agent:bot', actions: ['send'], given_at: DAYTIME.toISOString() },
      { kind: 'scope', user: 'user:eva', agent: 'agent:bot', scope: 'docs.write' },
      ...['remove', 'write'].map((name) => ({
        kind: 'permission', user: 'user:eva', agent: 'agent:bot', resource_type: 'doc', permission: name, actions: [name],
      })),
    ]);
    expect((await usageOf('eva', '?agent=idle')).unused).toEqual([unused[0]]);
  }); // prettier-ignore
});

describe('what is unusual', () => {
  it('is what was never done before, what was denied, and how fast', async () => {
    remit.at(new Date(DAYTIME.getTime() - 40 * 86_400_000));
    await allow('fay');
    remit.at(DAYTIME);
    await allow('fay');
    const id = await allow('fay', { action: 'write' });
    for (let i = 0; i < 20; i += 1) expect(codes(await ask('fay', { action: 'remove' }))).toEqual(['policy_forbid']);
    const { never, denied, bursts } = await usageOf('fay');
    const at = DAYTIME.toISOString();
    const parties = { user: 'user:fay', agent: 'agent:bot' };
    expect(never).toEqual([{ ...parties, action: 'write', resource_type: 'doc', first: at, decision: id }]);
    expect(denied).toEqual([{ ...parties, action: 'remove', resource_type: 'doc', reason: 'policy_forbid', count: 20, last: at }]);
    expect(bursts).toEqual([{ agent: 'agent:bot', from: at, to: at, decisions: 22, denied: 20 }]);
    // Within 60 days the first time lies in the period.
    expect((await usageOf('fay', '?days=60')).never.map(({ action }) => action).sort()).toEqual(['read', 'write']);
  }); // prettier-ignore
});

describe('usage', () => {
  it('is a user’s own, and for an admin that of a user or an agent', async () => {
    await allow('gus');
    await allow('hal', { doc: 'd1' });
    const own = await usageOf('gus');
    expect(JSON.stringify(own)).not.toContain('user:hal');
    expect(await usage('?user=user:gus')).toEqual(own);
    expect(await usage('?user=gus&agent=agent:bot')).toMatchObject({ suggestions: own.suggestions, denied: [] });
    const both = (await usage('?agent=bot')).suggestions.map(({ user }) => user);
    expect(both).toEqual(expect.arrayContaining(['user:gus', 'user:hal']));
    expect((await usage('?agent=idle')).unused).toContainEqual({ kind: 'delegation', user: 'user:gus', agent: 'agent:idle' });
  }); // prettier-ignore

  it('is shown to no other', async () => {
    const user = await remit.mint({ user: 'gus' });
    const agent = await remit.mint({ user: 'gus', agent: 'bot', scope: ALL_SCOPES });
    const statusOf = async (query: string, credential?: string): Promise<number> =>
      (await remit.request('GET', `/v1/usage${query}`, undefined, credential)).statusCode;
    expect(await statusOf('?user=hal', user)).toBe(404);
    expect(await statusOf('', agent)).toBe(403);
    expect(await statusOf('', 'nothing')).toBe(401);
    for (const query of ['', '?days=0&user=gus', '?days=366&user=gus', '?who=gus']) expect(await statusOf(query)).toBe(400);
    const clients = [clientNamed('plain', 'remit', 'evaluate'), clientNamed('blind', 'remit', 'admin')];
    const other = await startFiles(FILES, { issuers: [], clients });
    expect((await other.request('GET', '/v1/usage?user=gus', undefined, 'plain-key')).statusCode).toBe(403);
    const blind = await other.request('GET', '/v1/usage?user=gus', undefined, 'blind-key');
    expect([blind.statusCode, blind.body]).toEqual([403, expect.stringContaining('read_values')]);
    await other.stop();
  }, 60_000); // prettier-ignore

  it('names nothing whose values are gone', async () => {
    const id = await allow('ida', { action: 'write', properties: { amount: 3 } });
    await remit.service.database.run([{ sql: 'delete from record_values where record = $1::uuid', params: [id] }]);
    const { records, suggestions } = await usageOf('ida');
    expect(records).toEqual({ read: 1, values_erased: 1 });
    expect(suggestions).toEqual([
      {
        user: 'user:ida',
        agent: 'agent:bot',
        detail: { type: 'remit', actions: ['write'], resources: ['doc:*'] },
        would_deny: { n: 0, of: 0 },
        not_replayed: 1,
      },
    ]);
  });

  it('says what it had no time for', async () => {
    const user = { type: 'user', id: 'gus' };
    const question = { user, periodMs: 86_400_000, readsOwnOnly: true, tellReason: () => undefined, withinMs: 0 };
    const { cut, records, period } = await reportUsage(remit.service, question);
    expect([cut, records.read, period.since]).toEqual([['records'], 0, period.until]);
  });
});
