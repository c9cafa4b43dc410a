/** Counts the questions of a body, for the limits: a batch costs as many decisions as it has items. */
import { isObject } from '../../policy/schema/types.js';

/** The items of a batch or the records of a filter; 1 for any other body. Longer lists are refused by validation. */
export function countItems(body: unknown): number {
  if (!isObject(body)) return 1;
  const { evaluations, records } = body;
  const items = Array.isArray(evaluations) ? evaluations : Array.isArray(records) ? records : [];
  return Math.max(1, items.length);
}
