/** The events that one user sees, as server-sent events: from where they left off, and then as they come. */
import { selectVisibleEvents } from '../govern/event-audience.js';
import { toEventJson, type StoredEvent } from '../model/events.js';
import { Fault } from '../model/faults.js';
import type { EntityRef } from '../model/ids.js';
import type { RevocableToken } from '../model/revocations.js';
import type { Service } from '../service/service.js';
import { askApproverGraph } from './approver-graph.js';

/** Shorter than proxies wait for a silent connection. */
export const HEARTBEAT_MS = 15_000;
/** The pause after which readers connect again, in milliseconds. */
const RECONNECT_MS = 2000;
const EVENTS_AT_A_TIME = 200;
/** The time limit for finding who may see them. No caller waits for an answer, and a stream that ends is opened again. */
const AUDIENCE_DEADLINE_MS = 10_000;

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

type StreamParts = Pick<
  Service,
  'activePolicies' | 'approvals' | 'config' | 'eventTail' | 'events' | 'now' | 'revocations'
>;

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
      const found = await eventTail.read(position, EVENTS_AT_A_TIME);
      const { page, visible } = await findAudience(service, person, found);
      // Asked after the permissions and before anything is told: what a token of before may see is no one's any more.
      if (now().getTime() >= token.expiresAt * 1000 || (await revocations.find(token)) !== undefined) return;
      for (const event of page) {
        position = event.position;
        if (visible.has(event))
          yield `id: ${encodePosition(position)}\nevent: ${event.event}\ndata: ${JSON.stringify(toEventJson(event))}\n\n`;
      }
      if (page.length < found.length || found.length === EVENTS_AT_A_TIME) continue;
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

/**
 * Finds which events the person may see now.
 * @returns of the events those that were looked at: fewer where not all could be in time, so that a stream always comes on
 */
async function findAudience(
  service: StreamParts,
  person: EntityRef,
  events: readonly StoredEvent[],
): Promise<{ readonly page: readonly StoredEvent[]; readonly visible: ReadonlySet<StoredEvent> }> {
  const findTasks = (ids: readonly string[]) => service.approvals.findAll(ids);
  for (let page = events; ; page = page.slice(0, Math.ceil(page.length / 2)))
    try {
      const visible = await askApproverGraph(service, AUDIENCE_DEADLINE_MS, (graph, deadline) =>
        selectVisibleEvents(person, page, { ...graph, findTasks }, deadline),
      );
      return { page, visible };
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'deadline_exceeded') || page.length <= 1) throw error;
    }
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
