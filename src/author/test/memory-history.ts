/** Serves decisions what a scene says has happened, by the members of `context.history`. What it doesn't say hasn't. */
import { emptyAnswer } from '../../govern/history/queries.js';
import type { History, HistoryAnswers, HistoryQuery, HistoryValue } from '../../model/history.js';

export class MemoryHistory implements History {
  private stated: ReadonlyMap<string, HistoryValue> = new Map();

  set(stated: Readonly<Record<string, HistoryValue>>): void {
    this.stated = new Map(Object.entries(stated));
  }

  fetch(queries: readonly HistoryQuery[]): Promise<HistoryAnswers> {
    return Promise.resolve(
      new Map(
        queries.map((query): [string, HistoryValue] => [query.id, this.stated.get(query.member) ?? emptyAnswer(query)]),
      ),
    );
  }
}
