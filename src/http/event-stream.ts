/** The events that one user sees, as server-sent events: from where they left off, and then as they come. */
import { findHeldPermissions, heldPermissionKey } from '../govern/permission-holders.js';
import { toEventJson, type StoredEvent } from '../model/events.js';
import { Fault } from '../model/faults.js';
import { isSameRef, type EntityRef } from '../model/ids.js';
import type { RevocableToken } from '../model/revocations.js';
import type { Service } from '../service/service.js';

/** Shorter than proxies wait for a silent connection. */
export const HEARTBEAT_MS = 15_000;
/** The pause after which readers connect again, in milliseconds. */
const RECONNECT_MS = 2000;
const EVENTS_AT_A_TIME = 200;

export interface EventReader {
  readonly person: EntityRef;
  /** The token that the stream was opened with: it ends with it. */
  readonly token: RevocableToken & { readonly expiresAt: number };
  /** The position after which it begins. */
  readonly after: number;
  /** Writes a position so that only this reader can use it. */
  readonly encodePosition: (position: number) => string;
  /** Ends the stream: the reader has gone, or the service stops. */
  readonly closing: AbortSignal;
  readonly heartbeatMs?: number;
}

type StreamParts = Pick<Service, 'activePolicies' | 'eventTail' | 'events' | 'now' | 'revocations'>;

/** Yields the text of the stream. It ends with the token, and where an engine can't answer: the reader connects again. */
export async function* streamEvents(service: StreamParts, reader: EventReader): AsyncGenerator<string, void> {
  const { person, token, encodePosition, closing, heartbeatMs = HEARTBEAT_MS } = reader;
  const { eventTail, events, now, revocations } = service;
  const signal = createSignal(closing);
  const unsubscribe = eventTail.subscribe(signal.raise);
  let position = reader.after;
  const mark = (): string => `id: ${encodePosition(position)}\n`;
  try {
    yield `retry: ${RECONNECT_MS}\n${mark()}\n`;
    const { first } = await events.findRange();
    if (position + 1 < first) {
      position = first - 1;
      yield `event: reset\n${mark()}data: {"reason":"Events before this are no longer kept: read the lists again."}\n\n`;
    }
    while (!closing.aborted) {
      const page = await eventTail.read(position, EVENTS_AT_A_TIME);
      const visible = new Set(await selectVisibleEvents(service, person, page));
      // Asked after the permissions and before anything is told: what a token of before may see is no one's any more.
      if (now().getTime() >= token.expiresAt * 1000 || (await revocations.find(token)) !== undefined) return;
      for (const event of page) {
        position = event.position;
        if (visible.has(event))
          yield `id: ${encodePosition(position)}\nevent: ${event.event}\ndata: ${JSON.stringify(toEventJson(event))}\n\n`;
      }
      if (page.length === EVENTS_AT_A_TIME) continue;
      const hasMore = await signal.wait(Math.min(heartbeatMs, token.expiresAt * 1000 - now().getTime()));
      // A reader that sees little still goes on from here.
      if (!hasMore) yield `: still here\n${mark()}\n`;
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  } finally {
    unsubscribe();
  }
}

/** The events that a person may see now: those about them, and those for holders of a permission that they hold. */
async function selectVisibleEvents(
  { activePolicies: { engine, rules } }: Pick<Service, 'activePolicies'>,
  person: EntityRef,
  events: readonly StoredEvent[],
): Promise<StoredEvent[]> {
  const asked = events.flatMap(({ holders }) => holders ?? []);
  const held = await findHeldPermissions(engine, rules, person, asked);
  return events.filter(
    ({ user, holders }) =>
      (user !== undefined && isSameRef(user, person)) ||
      (holders !== undefined && held.has(heldPermissionKey(holders))),
  );
}

/** A signal that is raised while one waits for it, or before. */
function createSignal(closing: AbortSignal): {
  readonly raise: () => void;
  /** @returns whether it was raised within the time */
  readonly wait: (ms: number) => Promise<boolean>;
} {
  let isRaised = false;
  let settle: ((raised: boolean) => void) | undefined;
  const raise = (): void => {
    isRaised = true;
    settle?.(true);
  };
  closing.addEventListener('abort', raise, { once: true });
  return {
    raise,
    wait: async (ms) => {
      if (!isRaised && !closing.aborted) {
        let timer: NodeJS.Timeout | undefined;
        await new Promise<boolean>((resolve) => {
          settle = resolve;
          timer = setTimeout(resolve, Math.max(0, ms), false).unref();
        });
        clearTimeout(timer);
        settle = undefined;
      }
      const raised = isRaised;
      isRaised = false;
      return raised;
    },
  };
}
