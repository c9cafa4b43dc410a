/** The stream of events: each person sees what is theirs, misses nothing, and it ends with their token and the service. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { EventName, OutboxEvent } from '../../../src/model/events.js';
import { v4 as uuid } from 'uuid';
import { eventStatement } from '../../../src/store/outbox.js';
import { DAYTIME, startFiles, type Running } from '../../support/sample.js';

const FILES = {
  'schema.zed': `definition user {}
definition agent {
  relation delegator: user
}
definition repo {
  relation auditor: user
  permission audit = auditor
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
entities:
  - { type: user, id: aud }
  - { type: agent, id: bot }
`,
};
const SOON = { timeout: 20_000, interval: 20 };

let remit: Running;
let port: number;
beforeAll(async () => {
  remit = await startFiles(FILES);
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

it('doesn’t tell of what the person no longer holds the permission for', async () => {
  const stream = await open(await remit.mint({ user: 'second' }));
  const relationship = { resource: HOLDERS.resource, relation: 'auditor', subject: user('second') };
  await remit.service.activePolicies.engine.write([{ operation: 'delete', relationship }], 'test');
  await tell('1', { holders: HOLDERS });
  await tell('2', { user: user('second') });
  await untilSeen(stream, '2');
});

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
