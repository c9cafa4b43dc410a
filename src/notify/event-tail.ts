/**
 * Follows the outbox for all streams of this process: while there are any, it looks for new events once a second, and
 * keeps the last in memory, so that the number of streams doesn't count at the database.
 */
import type { StoredEvent } from '../model/events.js';
import { repeat, type RepeatedWork } from '../runtime/repeat.js';
import type { EventLog } from '../store/event-log.js';
import type { Log } from '../telemetry/log.js';
import { reportFailing } from '../telemetry/report-failing.js';

const TAIL_PAUSE_MS = 1000;
/** Events that are kept in memory. They are ids alone, and short. */
const KEPT_EVENTS = 1000;
/** Events that are read at a time. */
const READ_AT_A_TIME = 500;

export class EventTail {
  private recent: readonly StoredEvent[] = [];
  private last: number | undefined;
  private readonly listeners = new Set<() => void>();
  private loop: RepeatedWork | undefined;

  constructor(
    private readonly events: Pick<EventLog, 'read' | 'findRange'>,
    private readonly log: Log,
  ) {}

  /** Calls the listener when there is more to read. @returns what ends that */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    this.loop ??= repeat(() => this.follow(), {
      pauseMs: TAIL_PAUSE_MS,
      onFailing: reportFailing(this.log, 'Streams can not be told of events', 'events_unread'),
    });
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      void this.loop?.stop();
      this.loop = undefined;
      this.recent = [];
      this.last = undefined;
    };
  }

  /** Reads the events after a position, from memory where all of them are there. @throws Fault */
  async read(after: number, limit: number): Promise<readonly StoredEvent[]> {
    const [first] = this.recent;
    // Positions have no gaps.
    if (first !== undefined && first.position <= after + 1)
      return this.recent.slice(after + 1 - first.position).slice(0, limit);
    return this.last !== undefined && after >= this.last ? [] : this.events.read(after, limit);
  }

  private async follow(): Promise<void> {
    this.last ??= (await this.events.findRange()).last;
    for (let isLast = false; !isLast;) {
      const found: readonly StoredEvent[] = await this.events.read(this.last, READ_AT_A_TIME);
      const newest = found.at(-1);
      if (newest === undefined) return;
      this.recent = [...this.recent, ...found].slice(-KEPT_EVENTS);
      this.last = newest.position;
      isLast = found.length < READ_AT_A_TIME;
    }
    for (const listener of this.listeners) listener();
  }
}
