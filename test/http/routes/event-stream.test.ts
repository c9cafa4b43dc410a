/** The stream of events: each person sees what is theirs, misses nothing, and it ends with their token and the service. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { EventName, OutboxEvent } from '../../../src/model/events.js';
import { v4 as uuid } from 'uuid';
import type { ApprovalStep } from '../../../src/model/approvals.js';
import type { StoredTask } from '../../../src/store/stored-task.js';
import { useStatement } from '../../../src/store/approvals.js';
import { eventStatement } from '../../../src/store/outbox.js';
import { openTask } from '../../support/open-task.js';
import { DAYTIME, startFiles, type Running } from '../../support/sample.js';

const FILES = {
  'schema.zed': `definition user {}
definition agent {
  relation delegator: user
}
definition team {
  relation member: user
  relation deputy: user
  relation lead: user
  permission administer = lead
}
definition repo {
  relation auditor: user
  relation owner: user | team#member
  relation security: user
  permission audit = auditor
  permission own = owner
  permission secure = security
}`,
  'schema.cedarschema': `
entity User;
entity Agent;
entity Repo;
@permission("audit")
action "look" appliesTo { principal: [Agent, User], resource: [Repo], context: {} };`,
  'policies/all.cedar': `@id("all") permit (principal, action, resource);`,
  'world.yaml': `relationships: |
  repo:api#auditor@user:aud
  repo:api#auditor@user:second
  repo:api#owner@user:olga
  repo:api#owner@user:otto
  repo:api#owner@user:ann
  repo:api#owner@team:core#member
  repo:api#owner@team:own#member
  team:core#deputy@user:dan
  team:own#lead@user:ann
  team:own#member@user:pete
  repo:api#security@user:sec
entities:
  - { type: user, id: aud }
  - { type: agent, id: bot }
`,
};
const SOON = { timeout: 20_000, interval: 20 };

let remit: Running;
let port: number;
beforeAll(async () => {
  remit = await startFiles(FILES, { approvals: { deputies: ['team#deputy'] } });
  await remit.app.listen({ port: 0, host: '127.0.0.1' });
  port = (remit.app.server.address() as AddressInfo).port;
  return () => remit.stop();
});
beforeEach(() => {
  remit.at(DAYTIME);
});

interface OpenStream {
  readonly status: number;
  readonly text: () => string;
  readonly events: () => { readonly id: string; readonly event: string; readonly ids: Record<string, string> }[];
  readonly lastId: () => string;
  readonly isEnded: () => boolean;
  readonly close: () => void;
}

async function open(token: string, lastEventId?: string): Promise<OpenStream> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
  };
  const request = httpRequest({ host: '127.0.0.1', port, path: '/v1/approvals/events', headers });
  request.end();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject);
  });
  let text = '';
  let isEnded = false;
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => (text += chunk));
  response.on('close', () => (isEnded = true)).on('error', () => undefined);
  const blocks = () =>
    text
      .split('\n\n')
      .slice(0, -1)
      .map(
        (block) =>
          new Map(block.split('\n').map((line) => [line.split(': ')[0] ?? '', line.slice(line.indexOf(': ') + 2)])),
      );
  const close = () => void request.destroy();
  onTestFinished(close);
  if (response.statusCode === 200)
    await vi.waitFor(() => {
      expect(text).toContain('retry: ');
    }, SOON);
  return {
    status: response.statusCode ?? 0,
    text: () => text,
    events: () =>
      blocks()
        .filter((block) => block.has('event') && block.get('event') !== 'reset')
        .map((block) => ({
          id: block.get('id') ?? '',
          event: block.get('event') ?? '',
          ids: (JSON.parse(block.get('data') ?? '') as { ids: Record<string, string> }).ids,
        })),
    lastId: () =>
      blocks()
        .flatMap((block) => block.get('id') ?? [])
        .at(-1) ?? '',
    isEnded: () => isEnded,
    close,
  };
}
const user = (id: string) => ({ type: 'user', id });
const HOLDERS = { permission: 'audit', resource: { type: 'repo', id: 'api' } };
async function tell(n: string, audience: Partial<OutboxEvent>, event: EventName = 'review.opened'): Promise<void> {
  await remit.service.database.run([eventStatement({ event, at: DAYTIME, ids: { n }, ...audience })]);
}
const seen = (stream: OpenStream) => stream.events().map(({ ids }) => ids['n']);
const untilSeen = (stream: OpenStream, ...ns: string[]) =>
  vi.waitFor(() => {
    expect(seen(stream)).toEqual(ns);
  }, SOON);

it('tells a person what is about them, and what they hold the permission for, and nothing else', async () => {
  const [aud, other] = [await open(await remit.mint({ user: 'aud' })), await open(await remit.mint({ user: 'other' }))];
  await tell('1', { user: user('aud') }, 'consent.given');
  await tell('2', { user: user('other') }, 'consent.given');
  await tell('3', { holders: HOLDERS });
  await tell('4', {});
  await tell('5', { holders: { ...HOLDERS, permission: 'gone' } });
  await tell('6', { user: user('aud') }, 'consent.ended');
  await tell('7', { user: user('other') }, 'consent.ended');
  await untilSeen(aud, '1', '3', '6');
  await untilSeen(other, '2', '7');
  expect(aud.text()).toContain(
    `event: review.opened\ndata: {"event":"review.opened","ids":{"n":"3"},"time":"${DAYTIME.toISOString()}"}`,
  );
});

it('goes on from where a reader left off, without a gap or a repetition, also by another replica’s position', async () => {
  const token = await remit.mint({ user: 'aud' });
  const first = await open(token);
  await tell('1', { user: user('aud') });
  await untilSeen(first, '1');
  first.close();
  for (const n of ['2', '3']) await tell(n, { user: user('aud') });
  await tell('x', { user: user('other') });
  const second = await open(token, first.lastId());
  await untilSeen(second, '2', '3');
  await tell('4', { holders: HOLDERS });
  await untilSeen(second, '2', '3', '4');
  const again = await open(token, second.events()[0]?.id);
  await untilSeen(again, '3', '4');
});

it('doesn’t tell of a review those who may not review it', async () => {
  const [aud, second] = [
    await open(await remit.mint({ user: 'aud' })),
    await open(await remit.mint({ user: 'second' })),
  ];
  const decision = uuid();
  const at = DAYTIME.toISOString();
  await remit.service.database.run([
    {
      sql: `insert into records (id, kind, at, client, decision, record) values ($1::uuid, 'decision', $2::timestamptz, 'api', true, '{}')`,
      params: [decision, at],
    },
    {
      sql: `insert into reviews (decision, permission, resource_type, resource_id, action, agents, barred, opened, due)
            values ($1::uuid, 'audit', 'repo', 'api', 'look', '[]', '["user:second"]', $2::timestamptz, $2::timestamptz)`,
      params: [decision, at],
    },
    eventStatement({ event: 'review.opened', at: DAYTIME, ids: { decision, n: 'barred' }, holders: HOLDERS }),
  ]);
  await tell('all', { holders: HOLDERS });
  await untilSeen(aud, 'barred', 'all');
  await untilSeen(second, 'all');
});

it('doesn’t tell of what the person no longer holds the permission for', async () => {
  const stream = await open(await remit.mint({ user: 'second' }));
  const relationship = { resource: HOLDERS.resource, relation: 'auditor', subject: user('second') };
  await remit.service.activePolicies.engine.write([{ operation: 'delete', relationship }], 'test');
  await tell('1', { holders: HOLDERS });
  await tell('2', { user: user('second') });
  await untilSeen(stream, '2');
});

/** Opens a task of ann by bot, whose steps ask for both permissions. */
async function openTwoSteps(): Promise<StoredTask> {
  const steps: readonly ApprovalStep[] = [
    { kind: 'permission', permission: 'own' },
    { kind: 'permission', permission: 'secure' },
  ];
  const question = {
    subject: user('ann'),
    action: { name: 'look', properties: {} },
    resource: { ...HOLDERS.resource, properties: {} },
    context: {},
  };
  const opened = await openTask(
    remit.service.database,
    {
      requester: 'api',
      user: user('ann'),
      agent: { type: 'agent', id: 'bot' },
      task: { binding: { resource: uuid() }, steps, question, chain: [], denial: uuid() },
      expires: new Date(DAYTIME.getTime() + 3_600_000),
    },
    { open: 100, cooldownMs: 0 },
    DAYTIME,
  );
  if (opened.kind !== 'task') throw new Error(opened.kind);
  return opened.task;
}
const answerStep = (id: string, step: number, by: string): Promise<StoredTask | undefined> =>
  remit.service.approvals.find(id).then(async (task) => {
    if (task === undefined) throw new Error('no task');
    const until = new Date(DAYTIME.getTime() + 60_000).toISOString();
    const given = { step, by: user(by), at: DAYTIME.toISOString(), scope: 'once' as const, until };
    const answers = [...task.answers, given];
    const state = answers.length === task.steps.length ? ('approved' as const) : ('pending' as const);
    return remit.service.approvals.answer(task, { answers, state, scope: 'once', approved_until: until }, DAYTIME);
  });
const toldOf = (stream: OpenStream, task: StoredTask): string[] =>
  stream
    .events()
    .filter(({ ids }) => ids['approval'] === task.id)
    .map(({ event }) => event);
/** Waits until every stream has come to where it is now, by an event that all see. */
async function settleStreams(streams: Readonly<Record<string, OpenStream>>): Promise<void> {
  const n = uuid();
  for (const name of Object.keys(streams)) await tell(n, { user: user(name) }, 'consent.given');
  for (const stream of Object.values(streams))
    await vi.waitFor(() => {
      expect(seen(stream)).toContain(n);
    }, SOON);
}

it('tells of a task its user, and exactly those who may answer one of its steps: holders of each permission and deputies', async () => {
  const streams: Record<string, OpenStream> = {};
  for (const name of ['ann', 'olga', 'sec', 'dan', 'pete', 'aud'])
    streams[name] = await open(await remit.mint({ user: name }));
  const task = await openTwoSteps();
  await settleStreams(streams);
  for (const [name, stream] of Object.entries(streams))
    expect(toldOf(stream, task), name).toEqual(['pete', 'aud'].includes(name) ? [] : ['approval.requested']);
});

it('tells of a step only while it lacks its yes, and then all of the end', async () => {
  const names = ['olga', 'otto', 'dan', 'sec', 'ann'];
  const before: Record<string, OpenStream> = {};
  for (const name of names) before[name] = await open(await remit.mint({ user: name }));
  const task = await openTwoSteps();
  await answerStep(task.id, 0, 'olga');
  await settleStreams(before);
  const late: Record<string, OpenStream> = {};
  for (const name of names)
    late[name] = await open(await remit.mint({ user: name }), before[name]?.text().split('\n')[1]?.slice(4));
  await settleStreams(late);
  expect(Object.fromEntries(names.map((name) => [name, toldOf(late[name] as OpenStream, task)]))).toEqual({
    ann: ['approval.requested'],
    sec: ['approval.requested'],
    olga: ['approval.requested'],
    otto: [],
    dan: [],
  });
  await answerStep(task.id, 1, 'sec');
  await settleStreams(late);
  for (const name of names) expect(toldOf(late[name] as OpenStream, task).at(-1), name).toBe('approval.decided');
});

it('tells of a use the user, those who may approve it and none else, and of one that was taken back nobody', async () => {
  const names = ['ann', 'olga', 'sec', 'dan', 'pete', 'aud'];
  const task = await openTwoSteps();
  await answerStep(task.id, 0, 'olga');
  await answerStep(task.id, 1, 'sec');
  const before: Record<string, OpenStream> = {};
  for (const name of names) before[name] = await open(await remit.mint({ user: name }));
  const [used, withdrawn] = [uuid(), uuid()];
  const { database } = remit.service;
  await database.run([
    useStatement({ id: task.id, decision: withdrawn }, DAYTIME),
    { sql: 'select release_approvals($1::uuid[])', params: [`{${withdrawn}}`] },
  ]);
  await database.run([useStatement({ id: task.id, decision: used }, DAYTIME)]);
  await settleStreams(before);
  for (const [name, stream] of Object.entries(before)) {
    const told = stream.events().filter(({ event }) => event === 'approval.used');
    expect(told.map(({ ids }) => ids), name).toEqual(['pete', 'aud'].includes(name) ? [] : [{ approval: task.id, decision: used }]);
  }
}); // prettier-ignore

it('says where events are no longer kept', async () => {
  const token = await remit.mint({ user: 'aud' });
  const stream = await open(token);
  for (const n of ['1', '2', '3']) await tell(n, { user: user('aud') });
  await untilSeen(stream, '1', '2', '3');
  const [first] = stream
    .text()
    .split('\n')
    .filter((line) => line.startsWith('id: '));
  stream.close();
  await remit.service.database.run([{ sql: 'delete from events where position < (select max(position) from events)' }]);
  const late = await open(token, first?.slice(4));
  await untilSeen(late, '3');
  expect(late.text()).toContain('event: reset\n');
});

it('ends with the token: as it expires, and as it is revoked', async () => {
  const token = await remit.mint({ user: 'aud', ttlSeconds: 60 });
  const [expiring, revoked] = [await open(token), await open(await remit.mint({ user: 'second', ttlSeconds: 3600 }))];
  remit.at(new Date(DAYTIME.getTime() + 61_000));
  await tell('1', { user: user('aud') });
  await vi.waitFor(() => {
    expect(expiring.isEnded()).toBe(true);
  }, SOON);
  expect(seen(expiring)).toEqual([]);
  expect(revoked.isEnded()).toBe(false);
  await remit.service.revocations.add({
    id: uuid(),
    user: 'second',
    revokedAt: DAYTIME.toISOString(),
    revokedBy: 'boss',
  });
  await tell('2', { user: user('second') });
  await vi.waitFor(() => {
    expect(revoked.isEnded()).toBe(true);
  }, SOON);
  expect(seen(revoked)).toEqual([]);
});

it('is for people: 403 to agents and clients, 401 to what is no credential, 400 to another’s position', async () => {
  const agent = await remit.mint({ user: 'aud', agent: 'bot', scope: 'x' });
  expect((await open(agent)).status).toBe(403);
  expect((await open(remit.service.devKey ?? '')).status).toBe(403);
  expect((await open('nothing')).status).toBe(401);
  const aud = await open(await remit.mint({ user: 'aud' }));
  expect((await open(await remit.mint({ user: 'other' }), aud.lastId())).status).toBe(400);
  for (const id of ['1', 'x', aud.lastId().slice(1)])
    expect((await open(await remit.mint({ user: 'aud' }), id)).status).toBe(400);
});

it('is open four times for a person at most, and again once one is closed', async () => {
  const token = await remit.mint({ user: 'many' });
  const streams = [await open(token), await open(token), await open(token), await open(token)];
  expect((await open(token)).status).toBe(429);
  expect((await open(await remit.mint({ user: 'aud' }))).status).toBe(200);
  streams[0]?.close();
  await vi.waitFor(async () => {
    expect((await open(token)).status).toBe(200);
  }, SOON);
});

it('ends where the service stops, which doesn’t wait for it', async () => {
  const other = await startFiles(FILES);
  await other.app.listen({ port: 0, host: '127.0.0.1' });
  const before = port;
  port = (other.app.server.address() as AddressInfo).port;
  const stream = await open(await other.mint({ user: 'aud' }));
  port = before;
  await other.stop();
  await vi.waitFor(() => {
    expect(stream.isEnded()).toBe(true);
  }, SOON);
});
