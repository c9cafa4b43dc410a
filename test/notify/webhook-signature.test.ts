/** The signature of Standard Webhooks, and which secrets are taken. */
import { expect, it } from 'vitest';
import { readWebhookSecret, signWebhook } from '../../src/notify/webhook-signature.js';

it('is the one of the specification’s example', () => {
  const secret = readWebhookSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  if (secret === undefined) throw new TypeError('the secret is good');
  const at = new Date(1_614_265_330_999);
  const headers = signWebhook('msg_p5jXN8AQM9LWM0D4loKWxJek', at, '{"test": 2432232314}', [secret]);
  expect(headers).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
  const two = signWebhook('msg_p5jXN8AQM9LWM0D4loKWxJek', at, '{"test": 2432232314}', [Buffer.alloc(32), secret]);
  expect(two['webhook-signature'].split(' ')).toHaveLength(2);
  expect(two['webhook-signature'].split(' ')[1]).toBe(headers['webhook-signature']);
});

const base64 = (bytes: number): string => Buffer.alloc(bytes, 7).toString('base64');
it.each<[string, string, boolean]>([
  ['of 24 bytes', `whsec_${base64(24)}`, true],
  ['of 64 bytes', `whsec_${base64(64)}`, true],
  ['without padding', `whsec_${base64(32).replace(/=+$/, '')}`, true],
  ['too short', `whsec_${base64(23)}`, false],
  ['too long', `whsec_${base64(65)}`, false],
  ['without its prefix', base64(32), false],
  ['of another alphabet', `whsec_${'-_'.repeat(16)}`, false],
  ['with more after it', `whsec_${base64(32)} x`, false],
  ['empty', 'whsec_', false],
])('a secret %s', (_, text, isTaken) => {
  expect(readWebhookSecret(text) !== undefined).toBe(isTaken);
});
