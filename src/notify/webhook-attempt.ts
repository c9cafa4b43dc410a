/** One try to send an event to a receiver: bounded in time and in what is read of the answer, of which only the status counts. */
import { toEventJson } from '../model/events.js';
import { AddressRefusedError, openOutbound, type HostResolver } from '../runtime/outbound.js';
import { VERSION } from '../runtime/version.js';
import type { Delivery } from '../store/deliveries.js';
import type { WebhookEndpoint } from './webhook-endpoint.js';
import { signWebhook } from './webhook-signature.js';

/** The longest that a try takes, with its lookup and its answer. */
export const ATTEMPT_TIMEOUT_MS = 5000;
/** The most that is read of an answer. A receiver that answers more has answered all the same. */
const MAX_TAKEN_ANSWER_BYTES = 64 * 1024;

/** The failure of a try, as a short code: it says nothing of what a receiver answered but the status. */
export type AttemptFailure =
  `status_${number}` | 'redirect' | 'address_refused' | 'timeout' | 'connection_failed' | 'stopped';

export interface AttemptOptions {
  readonly now: () => Date;
  readonly resolve?: HostResolver | undefined;
  /** Ends the try as the service stops. */
  readonly stopping: AbortSignal;
}

/** @returns undefined where the receiver has taken the event */
export async function attemptWebhook(
  { url, secrets, network }: WebhookEndpoint,
  { event }: Pick<Delivery, 'event'>,
  { now, resolve, stopping }: AttemptOptions,
): Promise<AttemptFailure | undefined> {
  const body = JSON.stringify(toEventJson(event));
  const timeout = AbortSignal.timeout(ATTEMPT_TIMEOUT_MS);
  const signal = AbortSignal.any([timeout, stopping]);
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'user-agent': `Remit/${VERSION}`,
    ...signWebhook(event.id, now(), body, secrets),
  };
  try {
    const response = await raceSignal(
      openOutbound(url, {
        method: 'POST',
        headers,
        body,
        signal,
        network,
        literals: 'checked',
        ...(resolve === undefined ? {} : { resolve }),
      }),
      signal,
    );
    const status = response.statusCode ?? 0;
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_TAKEN_ANSWER_BYTES) break;
    }
    if (status >= 200 && status < 300) return undefined;
    return status >= 300 && status < 400 ? 'redirect' : `status_${status}`;
  } catch (error) {
    if (stopping.aborted) return 'stopped';
    if (timeout.aborted) return 'timeout';
    return error instanceof AddressRefusedError ? 'address_refused' : 'connection_failed';
  }
}

/** Waits no longer than the signal lets: the system's lookup of a name can't be ended, and would be waited for. */
async function raceSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      reject(new Error('the try was ended'));
    };
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
