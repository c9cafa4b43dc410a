/** Webhooks, sent to real receivers on this machine: each event at least once, and none that fails holds up another. */
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { v4 as uuid } from 'uuid';
import { webhookEndpointKey, type WebhookEndpoint } from '../../src/notify/webhook-endpoint.js';
import { RETRY_SECONDS, WebhookSender, type WebhookSenderDeps } from '../../src/notify/webhook-sender.js';
import type { PgliteDatabase } from '../../src/store/database/pglite.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import { DeliveryStore } from '../../src/store/deliveries.js';
import { migrateSchema } from '../../src/store/migrations.js';
import { eventStatement } from '../../src/store/outbox.js';
import type { EventName } from '../../src/model/events.js';
import { isSigned, receiveWebhooks, SECRET, take, type WebhookReceiver } from './receiver.js';

const NOW = new Date('2030-03-04T10:00:00.500Z');
const SOON = { timeout: 20_000, interval: 20 };

let database: PgliteDatabase;
beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  return () => database.close();
});
let receiver: WebhookReceiver;
let lines: string[];
beforeEach(async () => {
  await database.run([{ sql: 'delete from events' }]);
  lines = [];
  receiver = await receiveWebhooks();
  return () => {
    receiver.close();
  };
});

function send(endpoints: readonly WebhookEndpoint[], more: Partial<WebhookSenderDeps> = {}): WebhookSender {
  const deliveries = new DeliveryStore(database);
  const log = (line: string) => void lines.push(line);
  const sender = new WebhookSender(
    { deliveries, now: () => NOW, log, pauseMs: 20, random: () => 0.5, ...more },
    endpoints,
  );
  onTestFinished(() => sender.stop());
  return sender;
}
async function tell(event: EventName = 'consent.given', n = 1): Promise<void> {
  for (let i = 0; i < n; i += 1)
    await database.run([eventStatement({ event, at: NOW, ids: { consent: uuid(), user: 'user:ann' } })]);
}
const rows = async () => {
  const [found = []] = await database.run([
    { sql: `select *, round(extract(epoch from next_at - now())) as wait from deliveries order by endpoint` },
  ]);
  return found.map(({ attempts, failure, dead, wait }) => ({
    attempts, failure, isDead: dead !== null, wait: Number(wait),
  })); // prettier-ignore
};
/** Has everything that waits be due. */
const hurry = () => database.run([{ sql: 'update deliveries set next_at = now() where dead is null' }]);
const untilFailed = (attempts = 1) =>
  vi.waitFor(async () => {
    const [row] = await rows();
    expect(row).toMatchObject({ attempts });
    expect(row?.failure).not.toBeNull();
    return row;
  }, SOON);

describe('a receiver', () => {
  it('is sent the events that it asks for, signed, and nothing else', async () => {
    await tell('delegation.given');
    await tell();
    const sender = send([receiver.endpoint()]);
    await vi.waitFor(() => {
      expect(receiver.messages).toHaveLength(1);
    }, SOON);
    const [message] = receiver.messages;
    if (message === undefined) throw new TypeError('there is one');
    expect(isSigned(message)).toBe(true);
    expect(isSigned(message, Buffer.alloc(32, 8))).toBe(false);
    expect(JSON.parse(message.body)).toEqual({
      event: 'consent.given',
      ids: { consent: expect.any(String) as string, user: 'user:ann' },
      time: NOW.toISOString(),
    });
    expect(message.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-timestamp': String(Math.floor(NOW.getTime() / 1000)),
      connection: 'close',
    });
    await vi.waitFor(async () => {
      expect(await rows()).toEqual([]);
    }, SOON);
    expect(sender.stats()).toMatchObject([{ outcomes: { sent: 1, failed: 0, dead: 0 } }]);
    expect(lines).toEqual([]);
  });

  it('is sent each event once, however many replicas there are', async () => {
    await tell('consent.given', 40);
    send([receiver.endpoint()]);
    send([receiver.endpoint()]);
    await vi.waitFor(async () => {
      expect(receiver.messages.length).toBeGreaterThanOrEqual(40);
      expect(await rows()).toEqual([]);
    }, SOON);
    expect(receiver.messages).toHaveLength(40);
    expect(new Set(receiver.messages.map(({ headers }) => headers['webhook-id'])).size).toBe(40);
  });

  it('is sent an event again under the same id where the sender dies before it has noted it', async () => {
    await tell();
    let isKilled = false;
    // A process that was killed writes nothing more.
    const run: PgliteDatabase['run'] = (statements) => {
      isKilled ||= statements[0]?.sql.startsWith('delete from deliveries where') === true;
      return isKilled ? new Promise(() => undefined) : database.run(statements);
    };
    const deliveries = new DeliveryStore({ run });
    new WebhookSender({ deliveries, now: () => NOW, log: () => undefined, pauseMs: 20 }, [receiver.endpoint()]);
    await vi.waitFor(() => {
      expect(receiver.messages).toHaveLength(1);
    }, SOON);
    const [held] = await rows();
    expect(held).toMatchObject({ attempts: 1, failure: null, isDead: false });
    expect(held?.wait).toBeGreaterThan(5);
    send([receiver.endpoint()]);
    await hurry();
    await vi.waitFor(async () => {
      expect(await rows()).toEqual([]);
    }, SOON);
    const ids = receiver.messages.map(({ headers }) => headers['webhook-id']);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  it('that is slow is given up on after five seconds, and holds up no other', async () => {
    const other = await receiveWebhooks();
    onTestFinished(() => {
      other.close();
    });
    receiver.answer = () => undefined;
    await tell('consent.given', 30);
    const sender = send([receiver.endpoint(), other.endpoint()]);
    await vi.waitFor(() => {
      expect(other.messages).toHaveLength(30);
    }, SOON);
    expect(sender.stats()[0]?.outcomes).toEqual({ sent: 0, failed: 0, dead: 0 });
    // No more are under way than are taken at a time.
    expect(receiver.messages).toHaveLength(4);
    await vi.waitFor(async () => {
      expect((await rows()).filter(({ failure }) => failure === 'timeout')).not.toEqual([]);
    }, SOON);
  });

  it.each<[string, WebhookReceiver['answer'], string]>([
    ['redirects is not followed', (response) => response.writeHead(307, { location: '/elsewhere' }).end(), 'redirect'],
    ['refuses', (response) => response.writeHead(500).end('secret trouble'), 'status_500'],
    ['closes the connection', (response) => response.socket?.destroy(), 'connection_failed'],
    ['answers no HTTP', (response) => response.socket?.end('nonsense'), 'connection_failed'],
  ])('that %s', async (_, answer, failure) => {
    receiver.answer = answer;
    await tell();
    const sender = send([receiver.endpoint()]);
    expect(await untilFailed()).toMatchObject({ failure, wait: RETRY_SECONDS[0] });
    receiver.answer = take;
    await hurry();
    await vi.waitFor(async () => {
      expect(await rows()).toEqual([]);
    }, SOON);
    expect(receiver.messages.map(({ path }) => path)).toEqual(['/hook', '/hook']);
    expect(sender.stats()).toMatchObject([{ outcomes: { sent: 1, failed: 1, dead: 0 } }]);
    const name = `http://127.0.0.1:${receiver.port}`;
    expect(lines).toEqual([
      `A notification could not be sent to ${name} (${failure}). It is tried again.`,
      `Notifications reach ${name} again.`,
    ]);
  });

  it('that answers without end has taken the event, and is read no further', async () => {
    let written = 0;
    receiver.answer = (response) => {
      const piece = 'x'.repeat(64 * 1024);
      const pour = (): void => {
        while (!response.destroyed && written < 256 * 1024 * 1024) {
          written += piece.length;
          if (!response.write(piece)) break;
        }
      };
      response.on('drain', pour);
      pour();
    };
    await tell();
    send([receiver.endpoint()]);
    await vi.waitFor(async () => {
      expect(receiver.messages).toHaveLength(1);
      expect(await rows()).toEqual([]);
    }, SOON);
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });

  it('is tried again after longer and longer, and is given up in the end', async () => {
    receiver.answer = (response) => response.writeHead(503).end();
    await tell();
    const sender = send([receiver.endpoint()]);
    const waits: number[] = [];
    for (let attempts = 1; attempts <= RETRY_SECONDS.length; attempts += 1) {
      waits.push((await untilFailed(attempts))?.wait ?? NaN);
      await hurry();
    }
    expect(waits).toEqual(RETRY_SECONDS);
    await vi.waitFor(async () => {
      expect(await rows()).toMatchObject([{ attempts: RETRY_SECONDS.length + 1, isDead: true, failure: 'status_503' }]);
    }, SOON);
    const dead = await new DeliveryStore(database).listDead([webhookEndpointKey(receiver.endpoint())], 10);
    expect(dead).toMatchObject([{ attempts: RETRY_SECONDS.length + 1, failure: 'status_503', event: { at: NOW } }]);
    expect(await new DeliveryStore(database).listDead(['of another'], 10)).toEqual([]);
    expect(sender.stats()).toMatchObject([{ outcomes: { dead: 1 } }]);
    expect(new Set(receiver.messages.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it('that is gone for good is given up at once', async () => {
    receiver.answer = (response) => response.writeHead(410).end();
    await tell();
    send([receiver.endpoint()]);
    expect(await untilFailed()).toMatchObject({ attempts: 1, isDead: true, failure: 'status_410' });
  });

  it('is sent nothing more once another configuration is in force, and is signed for by its secrets', async () => {
    const other = await receiveWebhooks();
    onTestFinished(() => {
      other.close();
    });
    const sender = send([receiver.endpoint()]);
    const secret = Buffer.alloc(24, 3);
    sender.replace([other.endpoint({ secrets: [secret, SECRET], events: ['consent.given', 'consent.ended'] })]);
    await tell('consent.ended', 3);
    await vi.waitFor(() => {
      expect(other.messages).toHaveLength(3);
    }, SOON);
    expect(receiver.messages).toEqual([]);
    expect(other.messages.every((message) => isSigned(message) && isSigned(message, secret))).toBe(true);
  });
});

describe('a name', () => {
  const named = (network: 'public' | 'private' = 'public') =>
    receiver.endpoint({ url: `https://hooks.example:${receiver.port}/hook`, network });
  const resolver = (...answers: string[][]) => {
    let calls = 0;
    const resolve = (hostname: string) => {
      expect(hostname).toBe('hooks.example');
      const addresses = answers[Math.min(calls, answers.length - 1)] ?? [];
      calls += 1;
      return Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
    };
    return { resolve, calls: () => calls };
  };

  it.each([
    ['127.0.0.1'],
    ['10.0.0.1'],
    ['169.254.169.254'],
    ['::ffff:127.0.0.1'],
    ['64:ff9b::7f00:1'],
    ['fd00::1'],
    ['fe80::1'],
    ['168.63.129.16'],
    // One good address doesn't make up for a bad one.
    ['1.1.1.1', '192.168.0.1'],
  ])('that leads to %s is not connected to', async (...addresses: string[]) => {
    await tell();
    send([named()], { resolve: resolver(addresses).resolve });
    expect(await untilFailed()).toMatchObject({ failure: 'address_refused' });
    expect(receiver.messages).toEqual([]);
  });

  it.each([
    ['169.254.169.254'],
    ['100.100.100.200'],
    ['fd00:ec2::254'],
    ['fe80::1'],
    ['64:ff9b::a00:1'],
    ['::10.0.0.1'],
  ])('that leads to %s is not connected to on a private network either', async (address) => {
    await tell();
    send([named('private')], { resolve: resolver([address]).resolve });
    expect(await untilFailed()).toMatchObject({ failure: 'address_refused' });
  });

  it('is resolved at each try and once for it: what it leads to later is checked as well', async () => {
    await tell();
    // The first try reaches the receiver, which speaks no TLS; by the second the name leads elsewhere.
    const { resolve, calls } = resolver(['127.0.0.1'], ['169.254.169.254']);
    send([named('private')], { resolve });
    expect(await untilFailed(1)).toMatchObject({ failure: 'connection_failed' });
    expect(calls()).toBe(1);
    await hurry();
    expect(await untilFailed(2)).toMatchObject({ failure: 'address_refused' });
    expect(calls()).toBe(2);
  });

  it('that never resolves holds up no other receiver', async () => {
    const stuck = [1, 2, 3].map((n) => receiver.endpoint({ url: `https://stuck${n}.example/` }));
    await tell('consent.given', 2);
    send([...stuck, receiver.endpoint()], { resolve: () => new Promise(() => undefined) });
    await vi.waitFor(() => {
      expect(receiver.messages).toHaveLength(2);
    }, SOON);
  });
});
