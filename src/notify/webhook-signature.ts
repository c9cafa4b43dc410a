/** The headers of Standard Webhooks, by which a receiver tells a message of ours from others, and from one sent again. */
import { createHmac } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';
/** The bytes that the specification recommends. */
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;

/** Reads a secret: `whsec_` and base64. @returns undefined where the text is none */
export function readWebhookSecret(text: string): Buffer | undefined {
  if (!text.startsWith(SECRET_PREFIX)) return undefined;
  const encoded = text.slice(SECRET_PREFIX.length);
  const secret = Buffer.from(encoded, 'base64');
  // Buffer reads base64 leniently.
  const isExact = secret.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '');
  return isExact && secret.length >= MIN_SECRET_BYTES && secret.length <= MAX_SECRET_BYTES ? secret : undefined;
}

/**
 * @param id the same at each try
 * @param sentAt the time of this try
 * @param secrets each signs: while one is replaced, receivers know either
 */
export function signWebhook(
  id: string,
  sentAt: Date,
  body: string,
  secrets: readonly Buffer[],
): { readonly 'webhook-id': string; readonly 'webhook-timestamp': string; readonly 'webhook-signature': string } {
  const timestamp = String(Math.floor(sentAt.getTime() / 1000));
  const signed = `${id}.${timestamp}.${body}`;
  const signatures = secrets.map((secret) => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`);
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
