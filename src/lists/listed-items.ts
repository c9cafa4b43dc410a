/**
 * The items of a list as its record names them. Items that were masked alike share one mask, which the record has once: so the
 * record of a thousand items is hardly longer than their ids. Filters and searches fill it; record.ts stores it.
 */
import type { AppliedMask, ListedItem, SearchRecord } from '../model/decision.js';
import type { Obligation } from '../model/obligations.js';
import type { ReasonCode } from '../model/reasons.js';
import { MASKING_OBLIGATIONS } from './mask.js';

/** The part of a list's record that says what was returned, and what was left out. */
export type ListContents = Required<Pick<SearchRecord, 'items'>> & Pick<SearchRecord, 'masks' | 'left_out'>;

export class ListedItems {
  private readonly items: ListedItem[] = [];
  private readonly masks: AppliedMask[] = [];
  private readonly places = new Map<string, number>();
  /** The places by the obligations themselves: items with the same duties share them. */
  private readonly placesOf = new Map<readonly Obligation[], number | undefined>();
  private readonly leftOut = new Map<ReasonCode, number>();

  /** @param obligations of which those that mask were carried out */
  add(type: string, id: string, obligations: readonly Obligation[] = []): void {
    const place = this.findMask(obligations);
    this.items.push({ type, id, ...(place === undefined ? {} : { masked: place }) });
  }

  /** Counts what was left out, by the code of the first reason. */
  leaveOut(code: ReasonCode, count = 1): void {
    if (count > 0) this.leftOut.set(code, (this.leftOut.get(code) ?? 0) + count);
  }

  get removed(): ReadonlyMap<ReasonCode, number> {
    return this.leftOut;
  }

  contents(): ListContents {
    return {
      items: this.items,
      ...(this.masks.length === 0 ? {} : { masks: this.masks }),
      left_out: Object.fromEntries(this.leftOut),
    };
  }

  private findMask(obligations: readonly Obligation[]): number | undefined {
    if (obligations.length === 0) return undefined;
    if (this.placesOf.has(obligations)) return this.placesOf.get(obligations);
    const mask: AppliedMask = Object.fromEntries(
      obligations.flatMap(({ type, properties }) => (MASKING_OBLIGATIONS.includes(type) ? [[type, properties]] : [])),
    );
    const place = Object.keys(mask).length === 0 ? undefined : this.placeMask(mask);
    this.placesOf.set(obligations, place);
    return place;
  }

  private placeMask(mask: AppliedMask): number {
    const text = JSON.stringify(mask);
    const place = this.places.get(text) ?? this.masks.push(mask) - 1;
    this.places.set(text, place);
    return place;
  }
}

/** The contents without the items that a limit leaves out, which are counted. @param isReserved of each item, in order */
export function withoutUnreserved(contents: ListContents, isReserved: readonly boolean[]): ListContents {
  const items = contents.items.filter((_item, i) => isReserved[i] !== false);
  const count = contents.items.length - items.length;
  if (count === 0) return contents;
  const { limit_exceeded: before = 0, ...others } = contents.left_out ?? {};
  return { ...contents, items, left_out: { ...others, limit_exceeded: before + count } };
}
