/** A receiver of webhooks, as the operator configures it. */
import type { EventName } from '../model/events.js';
import type { Network } from '../runtime/ip-address.js';
import { sha256 } from '../runtime/sha256.js';

export interface WebhookEndpoint {
  readonly url: string;
  /** One, or two while it is replaced. */
  readonly secrets: readonly Buffer[];
  readonly events: readonly EventName[];
  readonly network: Network;
}

/** The key of a receiver's rows. It stays while the URL does. */
export function webhookEndpointKey({ url }: Pick<WebhookEndpoint, 'url'>): string {
  return sha256(url);
}

/** Names a receiver in logs and metrics, without its path and query: those of some services are secrets. */
export function describeWebhookEndpoint({ url }: Pick<WebhookEndpoint, 'url'>): string {
  return new URL(url).origin;
}
