/** `notifications` of the configuration: where events may be sent, and messages that give no secret away. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { notificationsFormat, resolveNotifications } from '../../src/config/notifications.js';
import { ConfigError } from '../../src/model/faults.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'remit-notifications-'));
  return () => {
    rmSync(directory, { recursive: true });
  };
});
const secret = (byte: number): string => `whsec_${Buffer.alloc(32, byte).toString('base64')}`;
const GOOD = { url: 'https://hooks.example/x', events: ['consent.given'] };

function resolve(entries: object[], secretText = secret(1)): ReturnType<typeof resolveNotifications> {
  writeFileSync(join(directory, 'secret'), secretText);
  const settings = notificationsFormat.parse(entries.map((entry) => ({ secret_file: 'secret', ...GOOD, ...entry })));
  return resolveNotifications(settings, '/company/remit.yaml', (path) => join(directory, path));
}
function problemOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('notifications', () => {
  it('have a receiver each, with its secrets and what it is told of', () => {
    expect(resolve([{ events: ['consent.given', 'consent.given'] }], `\n ${secret(1)} \n${secret(2)}\n`)).toEqual([
      {
        url: GOOD.url,
        secrets: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)],
        events: ['consent.given'],
        network: 'public',
      },
    ]);
    expect(notificationsFormat.parse(undefined)).toEqual([]);
  });

  it.each([
    'https://hooks.example',
    'https://93.184.215.14/x',
    'http://127.0.0.1:8080/',
    'http://localhost/x',
    'https://[::1]/x',
  ])('may be sent to %s', (url) => {
    expect(resolve([{ url }])[0]?.url).toBe(url);
  });

  it.each<[string, string]>([
    ['http://hooks.example/x', 'must be https; http is for this machine alone'],
    ['http://10.0.0.1/x', 'must be https; http is for this machine alone'],
    ['http://localhost.example/x', 'must be https; http is for this machine alone'],
    ['https://10.0.0.1/x', 'is a private address: say network: private'],
    ['https://[::ffff:10.0.0.1]/x', 'is a private address: say network: private'],
    ['https://[fd00::1]/x', 'is a private address: say network: private'],
    ['https://169.254.169.254/x', 'is an address of a special range, which is never connected to'],
    ['https://168.63.129.16/x', 'is an address of a cloud’s metadata, which is never connected to'],
    ['https://user:topsecret@hooks.example/x', 'must not carry a password'],
    ['https://hooks.example/x#topsecret', 'must not have a fragment'],
  ])('are not sent to %s', (url, problem) => {
    const message = problemOf(() => resolve([{}, { url }]));
    expect(message).toContain('notifications[1].url');
    expect(message).toContain(problem);
    expect(message).not.toContain('topsecret');
  });

  it('are sent to a private address where the entry says so, and never to a link-local one', () => {
    expect(resolve([{ url: 'https://10.0.0.1/x', network: 'private' }])[0]?.network).toBe('private');
    expect(problemOf(() => resolve([{ url: 'https://[fe80::1]/x', network: 'private' }]))).toContain('never connected');
  });

  it.each<[string, string]>([
    ['topsecret', 'must hold "whsec_"'],
    [`whsec_${Buffer.alloc(8).toString('base64')}`, 'must hold "whsec_"'],
    [`${secret(1)}\ntopsecret`, 'must hold "whsec_"'],
    ['', 'must hold one secret'],
    [[1, 2, 3].map(secret).join('\n'), 'must hold one secret, or two'],
  ])('need a secret: %j', (text, problem) => {
    const message = problemOf(() => resolve([{}], text));
    expect(message).toContain('notifications[0].secret_file');
    expect(message).toContain(problem);
    for (const line of text.split('\n').filter((one) => one !== '')) expect(message).not.toContain(line);
  });

  it('name each receiver once, known events, and not too many', () => {
    expect(problemOf(() => resolve([{}, {}]))).toContain('notifications[1].url');
    expect(() => resolve([{ events: ['consent.gone'] }])).toThrow();
    expect(() => resolve([{ events: [] }])).toThrow();
    expect(() => resolve(Array.from({ length: 17 }, (_, i) => ({ url: `https://h${i}.example` })))).toThrow();
  });
});
