/** Decisions on actions that ask for consent, with the real engines: what a consent does, and what it doesn't. */
import { v4 as uuid } from 'uuid';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describeConsentBasis } from '../../src/govern/consents/consent-basis.js';
import type { Consent } from '../../src/model/consents.js';
import type { ReplayableRecord } from '../../src/model/decision.js';
import { answerRecord } from '../../src/records/redecide.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { approve, ask as askAs, presenting, type AskedQuestion } from '../support/approve.js';
import { askFor, SCOPES, startConsentWorld, type AskedAction } from '../support/consent-world.js';
import { clientNamed, codes, DAYTIME, step, type Answer, type Running } from '../support/sample.js';

let remit: Running;
beforeAll(async () => {
  remit = await startConsentWorld();
  return () => remit.stop();
});
beforeEach(async () => {
  await remit.service.database.run([{ sql: 'delete from consents' }]);
  remit.at(DAYTIME);
});

const at = (hours: number): string => new Date(DAYTIME.getTime() + hours * 3_600_000).toISOString();
const calendar = (more: object = {}): Consent['details'][number] => ({
  type: 'remit',
  actions: ['read'],
  resources: ['calendar:ann'],
  ...more,
});

async function give(more: Partial<Consent> = {}, { user = 'ann', agent = 'helper', by = remit } = {}): Promise<string> {
  const { details = [calendar()] } = more;
  const consent: Consent = {
    id: uuid(), access: 'online', confirm: 'never', starts: at(-1), given: at(-1), ...more, details,
    basis: describeConsentBasis(details, by.service.activePolicies.rules),
  }; // prettier-ignore
  const pair = { user: { type: 'user', id: user }, agent: { type: 'agent', id: agent } };
  const evidence = { surface: 'test', text_sha256: '', locale: 'en', decided_at: at(-1) };
  expect(await by.service.consents.add(pair, consent, evidence, DAYTIME)).toBe(true);
  return consent.id;
}
const ask = (asked: AskedAction = {}): Promise<Answer> => askFor(remit, asked);
const withdraw = (id: string): Promise<boolean> =>
  remit.service.consents.withdraw({ type: 'user', id: 'ann' }, id, DAYTIME);

describe('the consent step', () => {
  it('names the consent that it rests on, and the answer holds until that ends', async () => {
    expect(codes(await ask())).toEqual(['consent_required']);
    const id = await give({ ends: at(0.02) });
    const answer = await ask();
    expect(answer.decision).toBe(true);
    expect(step(answer, 'consent')?.evidence).toEqual({
      required: 'standing', consent: id, access: 'online', given: at(-1), ends: at(0.02),
    }); // prettier-ignore
    expect(answer.context?.valid_until).toBe(at(0.02));
    remit.at(new Date(at(0.02)));
    expect(codes(await ask())).toEqual(['consent_ended']);
  });

  it('holds a withdrawal at the next decision', async () => {
    const id = await give();
    expect((await ask()).decision).toBe(true);
    await withdraw(id);
    const answer = await ask();
    expect(codes(answer)).toEqual(['consent_ended']);
    expect(answer.context?.remedies).toEqual([{ type: 'consent' }]);
  });

  it.each<[string, AskedAction, string[]]>([
    ['another calendar', { resource: 'calendar:team' }, ['consent_required']],
    ['another agent', { agent: 'second', chain: ['helper'] }, ['consent_required']],
    ['another user', { user: 'bob', resource: 'calendar:bob' }, ['consent_required']],
    ['background use', { background: true }, ['consent_access_mismatch']],
    ['another action', { action: 'send', resource: 'mailbox:ann' }, ['consent_required']],
    ['what the user may not reach', { resource: 'calendar:bob' }, ['relationship_missing', 'consent_required']],
  ])('is not enough for %s', async (_what, asked, expected) => {
    await give();
    expect(codes(await ask(asked))).toEqual(expected);
  });

  it('never makes up for a forbid, a missing permission or a missing delegation', async () => {
    const wide = [{ type: 'remit', actions: ['read', 'send', 'purge', 'sign'] }];
    for (const agent of ['helper', 'evil', 'stranger']) await give({ details: wide }, { agent });
    expect(codes(await ask({ resource: 'calendar:sealed' }))).toEqual(['policy_forbid']);
    expect(codes(await ask({ agent: 'evil' }))).toEqual(['policy_forbid']);
    expect(codes(await ask({ resource: 'calendar:bob' }))).toEqual(['relationship_missing']);
    expect(codes(await ask({ agent: 'stranger' }))).toContain('delegation_missing');
    // What needs the user's yes each time, no consent replaces; but the user can be asked.
    const asked = await ask({ action: 'sign', resource: 'mailbox:ann' });
    expect(codes(asked)).toEqual(['approval_required', 'consent_required']);
  });

  it('follows a permission that the user holds now, for the resources and for the path', async () => {
    await give({ details: [calendar({ resources: { type: 'calendar', permission: 'owner' } })] });
    expect((await ask()).decision).toBe(true);
    expect(codes(await ask({ resource: 'calendar:team' }))).toEqual(['consent_required']);
    await remit.touch('calendar:team#owner@user:ann');
    expect((await ask({ resource: 'calendar:team' })).decision).toBe(true);
    await remit.remove('calendar:team#owner@user:ann');
    expect(codes(await ask({ resource: 'calendar:team' }))).toEqual(['consent_required']);
  });

  it('is read by policies, with its end and whether the user has confirmed', async () => {
    const strict = [calendar({ resources: ['calendar:strict'] })];
    const id = await give({ details: strict });
    expect(codes(await ask({ resource: 'calendar:strict' }))).toEqual(['policy_forbid']);
    await withdraw(id);
    await give({ details: strict, ends: at(5) });
    expect((await ask({ resource: 'calendar:strict' })).decision).toBe(true);
  });

  it('costs nothing where the action asks for none', async () => {
    await give();
    const statements: string[] = [];
    const { database } = remit.service;
    const run = database.run.bind(database);
    database.run = (list) => {
      statements.push(...list.map(({ sql }) => sql));
      return run(list);
    };
    try {
      expect((await ask({ action: 'list' })).decision).toBe(true);
      expect(statements.join('\n')).not.toContain('from consents');
      await remit.request('PUT', '/v1/entities/agent/another', { attributes: {} });
      statements.length = 0;
      await ask();
      // In the same round as the entities.
      expect(statements.filter((sql) => sql.includes('from consents') && sql.includes('from entities'))).toHaveLength(
        1,
      );
      statements.length = 0;
      await ask();
      // Kept where this process is the only writer; elsewhere read again with each decision.
      expect(statements.some((sql) => sql.includes('from consents'))).toBe(!database.exclusive);
    } finally {
      database.run = run;
    }
  });

  it('judges the parts of a filter alike', async () => {
    await give({ details: [calendar({ resources: { type: 'calendar', permission: 'owner' } })] });
    const token = await remit.mint({ user: 'ann', agent: 'helper', scope: SCOPES });
    const response = await remit.post('/v1/filter', {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'read' },
      records: ['ann', 'team', 'bob', 'sealed'].map((id) => ({ type: 'calendar', id })),
      context: { token },
    });
    expect(response.json<{ records: object[] }>().records, response.body).toMatchObject([{ id: 'ann' }]);
  });
});

describe('a confirmation', () => {
  it('counts only of a client that may assert it, is of one question, and policies take none from it', async () => {
    const asking = await startConsentWorld({
      issuers: [],
      clients: [
        clientNamed('may', 'remit', 'evaluate', 'asserts_subject', 'asserts_confirmation'),
        clientNamed('may-not', 'remit', 'evaluate', 'asserts_subject'),
      ],
    });
    try {
      await give({ when: { confirmed: true }, details: [{ type: 'remit', actions: ['send'] }] }, { by: asking });
      const ask = async (client: string, context: object): Promise<Answer> => {
        const response = await asking.post(
          '/access/v1/evaluation',
          {
            subject: { type: 'user', id: 'ann', properties: { act: { sub: 'helper' } } },
            action: { name: 'send' },
            resource: { type: 'mailbox', id: 'ann' },
            context,
          },
          { authorization: `Bearer ${client}-key` },
        );
        return response.json();
      };
      const confirmed = await ask('may', { confirmed: true });
      expect(confirmed.decision).toBe(true);
      expect(confirmed.context?.valid_until).toBe(confirmed.context?.evaluated_at);
      expect(confirmed.context?.rationale.ignored).toBeUndefined();
      for (const context of [
        {},
        { confirmed: false },
        { confirmed: 'true' },
        { confirmed: null },
        { confirmed: [true] },
      ])
        expect(codes(await ask('may', context))).toEqual(['consent_required']);
      expect(codes(await ask('may-not', { confirmed: true }))).toEqual(['consent_required']);
    } finally {
      await asking.stop();
    }
  });

  it('can not be asserted by an agent', async () => {
    await give({ when: { confirmed: true } });
    const token = await remit.mint({ user: 'ann', agent: 'helper', scope: SCOPES });
    const response = await remit.post(
      '/access/v1/evaluation',
      {
        subject: { type: 'user', id: 'ann' },
        action: { name: 'read' },
        resource: { type: 'calendar', id: 'ann' },
        context: { confirmed: true },
      },
      { authorization: `Bearer ${token}` },
    );
    expect(codes(response.json())).toEqual(['consent_required']);
  });
});

describe('the record', () => {
  const replay = async (answer: Answer): Promise<void> => {
    const response = await remit.request('GET', `/v1/decisions/${answer.context?.id ?? ''}?values=true`);
    const record = parseRecord(
      response.json<{ record?: unknown }>().record ?? response.json(),
      'test',
    ) as ReplayableRecord;
    const { rules } = remit.service.activePolicies;
    const again = answerRecord(record, rules);
    expect(again).toMatchObject({ kind: 'decided', missing: [] });
    if (again.kind !== 'decided') return;
    expect(again.decision.decision).toBe(answer.decision);
    expect(again.decision.reasons).toEqual(answer.context?.reasons);
    expect(again.decision.rationale).toEqual(answer.context?.rationale);
    const { consents: _consents, ...facts } = record.facts;
    expect(answerRecord({ ...record, facts }, rules)).toMatchObject({
      kind: answer.decision ? 'inconclusive' : (expect.any(String) as string),
      missing: ['consents of agent:helper to "read"'],
    });
  };

  it('has the consents, so that the decision comes out the same from it', async () => {
    await give({ details: [calendar({ resources: { type: 'calendar', permission: 'owner' } })], ends: at(3) });
    const ended = await give({ ends: at(1), details: [calendar({ constraints: { 'context.to': 'x' } })] });
    await replay(await ask());
    await withdraw(ended);
    await replay(await ask());
    await replay(await ask({ resource: 'calendar:team' }));
    await replay(await ask({ background: true }));
  });
});

describe('the user’s yes to one question', () => {
  const letter = (background: boolean): Promise<AskedQuestion> => {
    const scope = background ? `${SCOPES} mail.send.background` : SCOPES;
    return remit.mint({ user: 'ann', agent: 'helper', scope, background }).then((token) => ({
      subject: { type: 'user', id: 'ann' },
      action: { name: 'sign' },
      resource: { type: 'mailbox', id: 'ann' },
      context: { token },
    }));
  };

  it('is for one use, and for what the agent does online or in the background, as it was asked', async () => {
    const credential = remit.service.devKey ?? '';
    for (const background of [false, true]) {
      const [question, other] = [await letter(background), await letter(!background)];
      const denied = await askAs(remit, question, { credential });
      expect(codes(denied)).toEqual(['approval_required', 'consent_required']);
      const approval = await approve(remit, question, denied, ['ann'], { credential });
      const shown = await remit.request(
        'GET',
        `/v1/approvals/${approval.id}`,
        undefined,
        await remit.mint({ user: 'ann' }),
      );
      expect(shown.json()).toMatchObject({ access: background ? 'background' : 'online' });
      const apart = await askAs(remit, presenting(other, approval), { credential });
      expect(codes(apart)).toEqual(['approval_required', 'approval_out_of_scope', 'consent_required']);
      expect(apart.context?.reasons.find(({ code }) => code === 'approval_out_of_scope')).toMatchObject({
        at: 'access',
      });
      expect((await askAs(remit, presenting(question, approval), { credential })).decision).toBe(true);
      expect(codes(await askAs(remit, presenting(question, approval), { credential }))).toContain('approval_used');
    }
  });
});

it('ends with everything else where the user stops the agent', async () => {
  const world = await startConsentWorld();
  try {
    const id = await give({}, { by: world });
    expect((await askFor(world)).decision).toBe(true);
    const response = await world.app.inject({
      method: 'DELETE',
      url: '/v1/agents/helper/access',
      headers: {
        host: `127.0.0.1:${world.service.config.port}`,
        authorization: `Bearer ${await world.mint({ user: 'ann' })}`,
      },
    });
    expect(response.statusCode, response.body).toBe(204);
    expect((await world.service.consents.find({ type: 'user', id: 'ann' }, id))?.consent.withdrawn).toBe(at(0));
    world.at(new Date(at(0.1)));
    expect(codes(await askFor(world))).toContain('consent_ended');
    // Nor does the consent of an agent count for what comes to it through that one.
    world.at(new Date(at(0.2)));
    await world.touch('agent:evil#delegator@user:ann');
    const list = { action: 'list', agent: 'evil', chain: ['helper'] };
    expect(codes(await askFor(world, { ...list, chain: [] }))).toEqual([]);
    expect(codes(await askFor(world, list))).toEqual(['delegation_missing']);
  } finally {
    await world.stop();
  }
});
