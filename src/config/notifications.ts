/** `notifications` of the configuration: the systems that are told of events by webhooks. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import { EVENT_NAMES } from '../model/events.js';
import { readWebhookSecret } from '../notify/webhook-signature.js';
import type { WebhookEndpoint } from '../notify/webhook-endpoint.js';
import { findAddressProblem, isLoopback, type Network } from '../runtime/ip-address.js';
import { displayPath, readTextFile } from './files.js';

const MAX_ENDPOINTS = 16;
const MAX_SECRETS = 2;

const notificationFormat = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).max(2048),
  secret_file: z.string().min(1),
  events: z.array(z.enum(EVENT_NAMES)).min(1),
  network: z.enum(['public', 'private'], 'must be "public" or "private"').default('public'),
});

export const notificationsFormat = z.array(notificationFormat).max(MAX_ENDPOINTS).default([]);

/**
 * Checks what the formats don't, and reads the secrets. No message repeats a secret, or a URL, which may have one.
 * @throws ConfigError naming the key
 */
export function resolveNotifications(
  notifications: z.infer<typeof notificationsFormat>,
  path: string,
  resolvePath: (path: string) => string,
): WebhookEndpoint[] {
  return notifications.map(({ url, secret_file: file, events, network }, i) => {
    const fail = (key: string, why: string): never => {
      throw new ConfigError(why, { file: displayPath(path), key: `notifications[${i}].${key}` });
    };
    const problem = findUrlProblem(url, network);
    if (problem !== undefined) return fail('url', problem);
    if (notifications.findIndex((other) => other.url === url) !== i)
      return fail('url', 'is that of an earlier entry: one entry names all the events of a receiver');
    const secrets = readTextFile(resolvePath(file))
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .map(
        (line) =>
          readWebhookSecret(line) ??
          fail('secret_file', 'must hold "whsec_" and the base64 of 24 to 64 random bytes on each line'),
      );
    if (secrets.length === 0 || secrets.length > MAX_SECRETS)
      return fail('secret_file', 'must hold one secret, or two while one is replaced');
    return { url, secrets, events: [...new Set(events)], network };
  });
}

/** Finds the fault of a URL that is called; undefined where it has none. */
export function findUrlProblem(url: string, network: Network): string | undefined {
  const { protocol, hostname, username, password, hash } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  if (username + password !== '') return 'must not carry a password: receivers tell messages by their signature';
  if (hash !== '') return 'must not have a fragment: it is never sent';
  if (isLoopback(host)) return undefined;
  if (protocol !== 'https:') return 'must be https; http is for this machine alone, as in http://127.0.0.1:8080/';
  const problem = isIP(host) === 0 ? undefined : findAddressProblem(host, network);
  if (problem === undefined) return undefined;
  return findAddressProblem(host, 'private') === undefined
    ? `${problem}: say network: private`
    : `${problem}, which is never connected to`;
}
