/** Notifications of a running service: what people do reaches a receiver, and what is given up is shown to admins alone. */
import { beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { WebhookSender } from '../../../src/notify/webhook-sender.js';
import { CONSENT_FILES } from '../../support/consent-world.js';
import { clientNamed, DAYTIME, startFiles, type Running } from '../../support/sample.js';
import { isSigned, receiveWebhooks, SECRET, take, type WebhookReceiver } from '../../notify/receiver.js';

const SOON = { timeout: 20_000, interval: 20 };
let receiver: WebhookReceiver;
let remit: Running;
beforeAll(async () => {
  receiver = await receiveWebhooks();
  return () => {
    receiver.close();
  };
});
beforeAll(async () => {
  const url = `http://127.0.0.1:${receiver.port}/hooks/topsecret?key=topsecret`;
  remit = await startFiles(
    { ...CONSENT_FILES, hook: `whsec_${SECRET.toString('base64')}` },
    {
      clients: [clientNamed('boss', 'remit', 'admin'), clientNamed('shop', 'remit', 'evaluate', 'delegate')],
      notifications: [{ url, secret_file: 'hook', events: ['delegation.given', 'delegation.ended'] }],
    },
  );
  return () => remit.stop();
});
beforeEach(() => {
  receiver.messages.length = 0;
  receiver.answer = take;
});

const delegate = (method: 'POST' | 'DELETE') =>
  method === 'POST'
    ? remit.request(
        'POST',
        '/v1/delegations',
        { user: 'bob', agent: 'second', ends: '2030-03-05T10:00:00Z' },
        'shop-key',
      )
    : remit.request('DELETE', '/v1/delegations/second?user=bob', undefined, 'shop-key');

it('reach the receiver with ids alone, and show in the metrics', async () => {
  expect((await delegate('POST')).statusCode).toBe(201);
  expect((await delegate('DELETE')).statusCode).toBe(204);
  await vi.waitFor(() => {
    expect(receiver.messages).toHaveLength(2);
  }, SOON);
  const ids = { user: 'user:bob', agent: 'agent:second' };
  const bodies = receiver.messages.map(({ body }) => JSON.parse(body) as { event: string });
  expect(bodies.sort((a, b) => (a.event > b.event ? -1 : 1))).toEqual([
    { event: 'delegation.given', ids, time: DAYTIME.toISOString() },
    { event: 'delegation.ended', ids, time: DAYTIME.toISOString() },
  ]);
  expect(receiver.messages.every((message) => isSigned(message))).toBe(true);
  const name = `http://127.0.0.1:${receiver.port}`;
  await vi.waitFor(async () => {
    const { text } = await remit.service.metrics.exposition();
    expect(text).toContain(`remit_notification_attempts_total{endpoint="${name}",outcome="sent"} 2`);
    expect(text).toContain(`remit_notifications_waiting{endpoint="${name}"} `);
    expect(text).not.toContain('topsecret');
  }, SOON);
});

it('that were given up are listed for admins, without what may be secret of the URL', async () => {
  receiver.answer = (response) => response.writeHead(410).end('topsecret');
  await delegate('POST');
  const list = (key: string) => remit.request('GET', '/v1/notifications/failed', undefined, key);
  await vi.waitFor(async () => {
    expect((await list('boss-key')).json<{ failed: object[] }>().failed).toHaveLength(1);
  }, SOON);
  const answer = await list('boss-key');
  expect(answer.json()).toEqual({
    failed: [
      {
        id: receiver.messages[0]?.headers['webhook-id'],
        endpoint: `http://127.0.0.1:${receiver.port}`,
        body: JSON.parse(receiver.messages[0]?.body ?? '') as object,
        attempts: 1,
        failure: 'status_410',
        failed_at: expect.any(String) as string,
      },
    ],
  });
  expect(answer.body).not.toContain('topsecret');
  expect((await list('shop-key')).statusCode).toBe(403);
  expect((await list('nothing')).statusCode).toBe(401);
  expect((await remit.request('GET', '/v1/notifications/failed?limit=0', undefined, 'boss-key')).statusCode).toBe(400);
});

it('are sent by the service’s own sender, whose receivers a reload replaces', () => {
  expect(remit.service.webhooks).toBeInstanceOf(WebhookSender);
  remit.service.webhooks.replace([]);
  expect(remit.service.webhooks.stats()).toEqual([]);
});
