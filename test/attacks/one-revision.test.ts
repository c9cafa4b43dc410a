/**
 * One revision a decision: transactions swap relationships while decisions are made, and no answer is one that no state
 * of the graph gives. Each world has two halves of which exactly one holds at any time, so nothing may ever be allowed,
 * or, in the search, exactly one thing is found.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import type { DecisionRecord, SearchRecord } from '../../src/model/decision.js';
import { startFiles, type Answer, type Running } from '../support/sample.js';

const FILES = {
  'schema.zed': `use expiration

definition user {}
definition crew {
  relation member: user
  relation paused: user with expiration
  permission active = member - paused
}
definition agent {
  relation delegator: user | user with expiration | agent | agent with expiration | crew#active
}
definition payment {
  relation approver: user
  relation requester: user
  relation viewer: user | user with expiration
  permission view = viewer
  permission approve = approver
  permission request = requester
}
`,
  'schema.cedarschema': `entity User;
entity Agent;
entity Payment;
@scope("pay") @permission("view") action "pay" appliesTo { principal: [Agent, User], resource: [Payment], context: { can: { approve: Bool, request: Bool } } };
@scope("pay") @permission("view") action "half" appliesTo { principal: [Agent, User], resource: [Payment], context: { can: { approve: Bool } } };
@scope("pay") @permission("view") action "other-half" appliesTo { principal: [Agent, User], resource: [Payment], context: { can: { request: Bool } } };
@scope("sign") @permission("approve") action "sign" appliesTo { principal: [Agent, User], resource: [Payment], context: {} };
@scope("sign") @permission("request") action "withdraw" appliesTo { principal: [Agent, User], resource: [Payment], context: {} };
@scope("pay") action "view" appliesTo { principal: [Agent, User], resource: [Payment], context: {} };
`,
  'policies/all.cedar': `@id("view") permit (principal, action == Action::"view", resource);
@id("pay") permit (principal, action == Action::"pay", resource);
@id("sign") permit (principal, action in [Action::"sign", Action::"withdraw"], resource);
@id("both") forbid (principal, action == Action::"pay", resource) unless { context.can.approve && context.can.request };
`,
  'world.yaml': stringify({
    relationships: '',
    entities: [
      ...['ann', 'bob'].map((id) => ({ type: 'user', id })),
      ...['bot', 'planner'].map((id) => ({ type: 'agent', id })),
      { type: 'payment', id: 'p' },
    ],
  }),
};

let remit: Running;
beforeAll(async () => {
  remit = await startFiles(FILES, { issuers: [], clients: [], limits: { deadline_ms: 30_000 } });
  return () => remit.stop();
});

/** Has one transaction after the other exchange the two until `work` is done. */
async function whileSwapping(one: string, other: string, work: () => Promise<void>): Promise<void> {
  await remit.touch(one);
  const until = { isDone: false };
  const swap = async (gone: string, come: string): Promise<void> => {
    const updates = [
      { operation: 'delete', relationship: gone },
      { operation: 'touch', relationship: come },
    ];
    expect((await remit.post('/v1/relationships', { updates })).statusCode).toBe(200);
  };
  const swapping = (async (): Promise<number> => {
    let swaps = 0;
    for (; !until.isDone; swaps += 1) await (swaps % 2 === 0 ? swap(one, other) : swap(other, one));
    return swaps;
  })();
  try {
    await work();
  } finally {
    until.isDone = true;
    expect(await swapping).toBeGreaterThan(1);
    await remit.remove(one);
    await remit.remove(other);
  }
}

/** On a machine that is busy with other things a decision may run out of time; it says so, and nothing else. */
const isUnexpected =
  (code: string) =>
  ({ context }: Answer): boolean =>
    ![code, 'deadline_exceeded', 'overloaded'].includes(context?.reason ?? context?.error?.code ?? '');

const atOnce = (callers: number, times: number, ask: () => Promise<void>): Promise<unknown> =>
  Promise.all(
    Array.from({ length: callers }, async () => {
      for (let i = 0; i < times; i += 1) await ask();
    }),
  );

/** The revisions that the answer's record names. */
async function revisionsOf(answer: Answer): Promise<string[]> {
  const record = (
    await remit.request('GET', `/v1/decisions/${answer.context?.id ?? ''}?values=true`)
  ).json<DecisionRecord>();
  const checks = Object.values(record.facts?.checks ?? {});
  const evidence = record.rationale.steps.flatMap((step) => (step.evidence['revision'] ?? []) as string | string[]);
  return [...new Set([...checks.flatMap((check) => ('revision' in check ? [check.revision] : [])), ...evidence])];
}

describe('no decision mixes two states of the graph', () => {
  it('neither the gate’s with those of `can`, kept or not', async () => {
    const question = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'pay' },
      resource: { type: 'payment', id: 'p' },
      context: { mode: 'human' },
    };
    await remit.touch('payment:p#viewer@user:ann');
    const answers: Answer[] = [];
    await whileSwapping('payment:p#approver@user:ann', 'payment:p#requester@user:ann', async () => {
      await atOnce(10, 25, async () => {
        // Other questions ask for one half alone, so that answers to it are kept, and travel, apart.
        const name = ['half', 'other-half'][answers.length % 2];
        const half = remit.evaluate({ ...question, action: { name } });
        answers.push(await remit.evaluate(question));
        await half;
      });
    });
    expect(answers.filter(({ decision }) => decision)).toEqual([]);
    expect(answers.filter(isUnexpected('policy_forbid'))).toEqual([]);
    for (const answer of answers.slice(0, 20)) expect(await revisionsOf(answer)).toHaveLength(1);
    await remit.remove('payment:p#viewer@user:ann');
  });

  it.each([
    ['the delegation', 'agent:bot#delegator@user:ann'],
    ['a delegation that was passed on', 'agent:planner#delegator@user:ann'],
    ['the agent that passed a delegation on', 'agent:bot#delegator@agent:planner'],
  ])('nor %s with the gate', async (_, delegation) => {
    const isPassedOn = delegation !== 'agent:bot#delegator@user:ann';
    const standing = ['agent:planner#delegator@user:ann', 'agent:bot#delegator@agent:planner'].filter(
      (text) => isPassedOn && text !== delegation,
    );
    await remit.touch(...standing, delegation);
    const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'pay', ttlSeconds: 3600 });
    const question = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'view' },
      resource: { type: 'payment', id: 'p' },
      context: { token },
    };
    await remit.touch('payment:p#viewer@user:ann');
    // Both halves together are an allow.
    const allowed = await remit.evaluate(question);
    expect([allowed.decision, (await revisionsOf(allowed)).length]).toEqual([true, 1]);
    await remit.remove('payment:p#viewer@user:ann', delegation);
    const answers: Answer[] = [];
    await whileSwapping(delegation, 'payment:p#viewer@user:ann', async () => {
      await atOnce(10, 25, async () => {
        answers.push(await remit.evaluate(question));
      });
    });
    expect(answers.filter(({ decision }) => decision)).toEqual([]);
    expect(answers.filter(({ context }) => context?.reasons.length !== 1)).toEqual([]);
    for (const answer of answers.slice(0, 10)) expect(await revisionsOf(answer)).toHaveLength(1);
    for (const text of standing) await remit.remove(text);
  });

  it('nor does a search or a filter', async () => {
    const shared = { subject: { type: 'user', id: 'bob' }, action: { name: 'view' }, context: { mode: 'human' } };
    const records = ['a', 'b'].map((id) => ({ type: 'payment', id, properties: {} }));
    await whileSwapping('payment:a#viewer@user:bob', 'payment:b#viewer@user:bob', async () => {
      await atOnce(6, 15, async () => {
        const found = await remit.post('/access/v1/search/resource', { ...shared, resource: { type: 'payment' } });
        expect(found.json<{ results: object[] }>().results).toHaveLength(1);
        const filtered = await remit.post('/v1/filter', { ...shared, records });
        expect(filtered.json<{ records: object[] }>().records).toHaveLength(1);
      });
    });
  });

  it('nor do capabilities, which are many lookups', async () => {
    await remit.touch('agent:bot#delegator@user:ann');
    const authorization = `Bearer ${await remit.mint({ user: 'ann', agent: 'bot', scope: 'sign', audience: undefined, ttlSeconds: 3600 })}`;
    const headers = { host: `127.0.0.1:${remit.service.config.port}`, authorization };
    await whileSwapping('payment:p#approver@user:ann', 'payment:p#requester@user:ann', async () => {
      let answered = 0;
      await atOnce(2, 12, async () => {
        const response = await remit.app.inject({ url: '/v1/capabilities', headers });
        // A busy machine may have no time for it, which is no answer.
        if (response.statusCode === 503) return;
        expect(response.statusCode).toBe(200);
        answered += 1;
        const [type] = response.json<{ capabilities: { actions: { name: string; status: string }[] }[] }>()
          .capabilities;
        expect(type?.actions.filter(({ status }) => status === 'allowed')).toHaveLength(1);
      });
      expect(answered).toBeGreaterThan(0);
    });
    await remit.remove('agent:bot#delegator@user:ann');
  });
});

describe('no decision mixes what is before an expiration with what is after it', () => {
  const GATE = 'payment:p#viewer@user:ann';
  const PASSED_ON = ['agent:bot#delegator@agent:planner', 'agent:planner#delegator@user:ann'];
  const ask = async (): Promise<Answer> =>
    remit.evaluate({
      subject: { type: 'user', id: 'ann' },
      action: { name: 'view' },
      resource: { type: 'payment', id: 'p' },
      context: { token: await remit.mint({ user: 'ann', agent: 'bot', scope: 'pay', ttlSeconds: 3600 }) },
    });
  /** Holds up the second call of each decision, which reads who passed the delegation on, until the instant is past. */
  const holdUpUntil = (instant: number): (() => void) => {
    const { engine } = remit.service.activePolicies;
    const read = engine.read.bind(engine);
    const spy = vi.spyOn(engine, 'read').mockImplementation(async (...args) => {
      await sleep(Math.max(instant + 30 - Date.now(), 0));
      return read(...args);
    });
    return () => {
      expect(spy).toHaveBeenCalled();
      spy.mockRestore();
    };
  };
  const soon = (): { at: number; text: string } => {
    const at = Math.ceil(Date.now() / 1000) * 1000 + 4000;
    return { at, text: `[expiration:${new Date(at).toISOString()}]` };
  };
  /** Asks before the expiration, with the rest of the decision after it. */
  const askAcross = async (at: number): Promise<Answer> => {
    const release = holdUpUntil(at);
    const answer = await ask();
    release();
    return answer;
  };

  it('the user’s permission ends between the calls: it is asked anew, and denied', async () => {
    const { at, text } = soon();
    await remit.touch(`${GATE}${text}`, ...PASSED_ON);
    expect((await ask()).decision).toBe(true);
    const answer = await askAcross(at);
    expect(answer).toMatchObject({ decision: false, context: { reason: 'relationship_missing' } });
    expect(await revisionsOf(answer)).toHaveLength(1);
    await remit.remove(GATE, ...PASSED_ON);
  });

  it('a delegation begins at the instant at which the permission ends, by what is subtracted from it', async () => {
    const { at, text } = soon();
    const [edge = ''] = PASSED_ON;
    const halves = [`crew:c#paused@user:ann`, GATE];
    const standing = [edge, 'agent:planner#delegator@crew:c#active', 'crew:c#member@user:ann'];
    await remit.touch(...halves.map((half) => `${half}${text}`), ...standing);
    expect((await ask()).decision).toBe(false);
    expect((await askAcross(at)).decision).toBe(false);
    await remit.remove(...halves, ...standing);
  });
});

describe('the record of a list names the revision of its answers', () => {
  const shared = { subject: { type: 'user', id: 'bob' }, action: { name: 'view' }, context: { mode: 'human' } };
  const resource = { type: 'payment', id: 'a' };
  const searchFor = (what: string, body: object) => () => remit.post(`/access/v1/search/${what}`, body);
  const findOwnCapabilities = async () => {
    const token = await remit.mint({ user: 'bob', agent: 'bot', scope: 'pay', audience: undefined });
    const headers = { host: `127.0.0.1:${remit.service.config.port}`, authorization: `Bearer ${token}` };
    return remit.app.inject({ url: '/v1/capabilities', headers });
  };

  it.each<[string, string, () => Promise<{ statusCode: number }>]>([
    ['a search for resources', 'resource', searchFor('resource', { ...shared, resource: { type: 'payment' } })],
    ['a search for subjects', 'subject', searchFor('subject', { ...shared, subject: { type: 'user' }, resource })],
    ['a search for actions', 'action', searchFor('action', { subject: shared.subject, context: shared.context, resource })],
    ['a filter', 'filter', () => remit.post('/v1/filter', { ...shared, records: [{ ...resource, properties: {} }] })],
    ['capabilities', 'capabilities', findOwnCapabilities],
  ])('%s', async (_, search, list) => {
    const revisionOf = async (): Promise<string> => {
      expect((await list()).statusCode).toBe(200);
      const { results } = (await remit.request('GET', '/v1/decisions?limit=10&values=true')).json<{ results: SearchRecord[] }>();
      const record = results.find((listed) => listed.search === search);
      expect(record).toMatchObject({ revision: expect.any(String) as string });
      return record?.revision ?? '';
    };
    const decidedAt = async (): Promise<string[]> => revisionsOf(await remit.evaluate({ ...shared, resource }));
    await remit.touch('agent:bot#delegator@user:bob', 'payment:a#viewer@user:bob');
    const first = await revisionOf();
    // The embedded SpiceDB answers at the newest revision, whether a decision asks it or a list.
    expect(await decidedAt()).toEqual([first]);
    expect(await revisionOf()).toBe(first);
    await remit.remove('payment:a#viewer@user:bob');
    const second = await revisionOf();
    expect(second).not.toBe(first);
    expect(await decidedAt()).toEqual([second]);
  }); // prettier-ignore
});
