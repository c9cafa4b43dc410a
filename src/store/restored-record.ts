/** The record with its values, as the transaction that stored it has left it. */
import type { EntityRef } from '../model/ids.js';

/** A record as it is stored: without people and values. */
export type ShownRecord = Readonly<Record<string, unknown>>;
interface StoredItem {
  readonly type?: string;
  readonly id?: string;
}

/** The members that the transaction of the record may change, or adds. */
const STORED_MEMBERS = ['id', 'decision', 'found', 'left_out', 'reservation', 'object', 'before', 'after'];

/**
 * Restores the values of a record. Its transaction takes out of a list what a limit leaves out, and keeps the order.
 * @param shown the record as it is stored
 * @param nameOf makes the names that the stored record has
 */
export function restoreRecord(
  full: object,
  shown: ShownRecord,
  nameOf: (ref: EntityRef) => string | undefined,
): object {
  const stored = Object.fromEntries(STORED_MEMBERS.flatMap((name) => (name in shown ? [[name, shown[name]]] : [])));
  const { items: kept } = shown as { readonly items?: readonly StoredItem[] };
  const { items: all } = full as { readonly items?: readonly StoredItem[] };
  if (kept === undefined || all === undefined || kept.length === all.length) return { ...full, ...stored };
  let next = 0;
  const items = all.filter(({ type = '', id = '' }) => {
    const item = kept[next];
    const isKept = item !== undefined && item.type === type && item.id === nameOf({ type, id });
    if (isKept) next += 1;
    return isKept;
  });
  return { ...full, ...stored, items };
}
