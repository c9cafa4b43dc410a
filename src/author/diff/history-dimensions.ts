/** Dimensions of the past: the answers to the questions that the members of `context.history` stand for. */
import { emptyAnswer } from '../../govern/history/queries.js';
import type { HistoryValue } from '../../model/history.js';
import { listComparedNumbers } from '../hypotheses/values.js';
import { MAX_VALUES, uniqueValues, type Dimension, type DimensionSource } from './dimension.js';

/** A dimension for each question: where a member stands for another question than before, both have answers of their own. */
export function historyDimensions({ kind, reads, literals }: DimensionSource): Dimension[] {
  const members = kind.versions.flatMap(({ action }) => action.history);
  const byText = new Map(members.map((member) => [member.question.text, member]));
  return [...byText.values()]
    .filter(({ name }) => reads.has(name))
    .map(({ name, question }) => {
      const empty = emptyAnswer(question);
      const compared: readonly HistoryValue[] =
        empty === false ? [true] : listComparedNumbers(literals.of(name)).filter((n) => n >= 0);
      return {
        name: `context.history.${name}`,
        read: name,
        values: uniqueValues([empty, ...compared])
          .slice(0, MAX_VALUES)
          .map((value) => ({ text: String(value), put: (draft) => draft.history.set(question.text, value) })),
      };
    });
}
