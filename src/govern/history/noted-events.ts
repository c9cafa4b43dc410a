/**
 * Events that aren't stored yet, or never will be: those of the records before in one list, and of the dry runs before in one
 * batch. What comes after them is judged as if they were stored.
 */
import type { HistoryAnswers, HistoryEvent, HistoryQuery, HistoryValue } from '../../model/history.js';
import { readDecimalNumber, MAX_DECIMALS } from '../../model/quantities.js';

export class NotedEvents {
  private readonly events: HistoryEvent[] = [];
  private readonly keys = new Set<string>();

  note(events: readonly HistoryEvent[]): void {
    for (const event of events) {
      this.events.push(event);
      this.keys.add(event.key);
    }
  }

  /** The answers as they were stored, with what was noted since. */
  addTo(answers: HistoryAnswers, queries: readonly HistoryQuery[]): HistoryAnswers {
    const touched = queries.filter(
      ({ key, clearedKey }) => this.keys.has(key) || (clearedKey !== undefined && this.keys.has(clearedKey)),
    );
    if (touched.length === 0) return answers;
    return new Map([
      ...answers,
      ...touched.flatMap((query): [string, HistoryValue][] => {
        const value = answers.get(query.id);
        return value === undefined ? [] : [[query.id, this.addToValue(query, value)]];
      }),
    ]);
  }

  private addToValue(query: HistoryQuery, stored: HistoryValue): HistoryValue {
    const counted = this.events.filter(({ key }) => key === query.key);
    switch (query.kind) {
      case 'count':
        return Math.min(Number(stored) + counted.length, Number.MAX_SAFE_INTEGER);
      case 'sum': {
        const { unit, decimals } = query.amount ?? { unit: '', decimals: 0 };
        const sum = counted.reduce(
          (added, event) =>
            event.unit === unit ? added + readDecimalNumber(event.amount ?? '0', MAX_DECIMALS) : added,
          0n,
        );
        const scale = 10n ** BigInt(MAX_DECIMALS - decimals);
        return Math.min(Number(stored) + Number((sum + scale - 1n) / scale), Number.MAX_SAFE_INTEGER);
      }
      case 'happened':
        return stored === true || counted.length > 0;
      case 'since':
        return this.events.reduce<boolean>(
          (holds, { key }) => key === query.key || (holds && key !== query.clearedKey),
          stored === true,
        );
    }
  }
}
