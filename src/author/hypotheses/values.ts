/**
 * Values of Cedar's types, as callers and stores write them, around the literals that policies compare with. `remit diff`
 * makes up requests of them, and why-not tries them in place of the values that a request or a store had.
 */
import { toDurationMs } from '../../policy/duration.js';
import type { CedarType } from '../../policy/schema/types.js';
import { toLocalTime, type LocalTime } from '../../runtime/local-time.js';
import { literalNumbers, literalTexts, type Literal, type Literals } from './literals.js';

export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** The end of the year 9999. */
const LAST_MS = 253_402_300_799_999;

type ExtensionName = Extract<CedarType, { kind: 'Extension' }>['name'];

/** Values beside those that policies compare with. */
export interface UsualValues extends Readonly<Record<ExtensionName, readonly string[]>> {
  /** A text that no policy is likely to compare with. */
  readonly text: string;
}

export interface ValueSources {
  /** The literals that policies compare the attribute with. */
  readonly literals: readonly Literal[];
  /** Ids that an attribute of that entity type may name. */
  readonly ids: (entityType: string) => readonly string[];
  readonly usual: UsualValues;
  /** The day whose hours a duration is taken for where policies compare the clock with one. */
  readonly day: Date;
}

export interface TypeValues {
  /** Values whatever policies compare with, the most usual first. */
  readonly usual: readonly unknown[];
  /** Values that policies compare with, each followed by its neighbours. */
  readonly compared: readonly unknown[];
}

export function makeValues(type: CedarType, sources: ValueSources): TypeValues {
  const { literals, ids, usual } = sources;
  switch (type.kind) {
    case 'String':
      return { usual: [usual.text], compared: literalTexts(literals) };
    case 'Bool':
      return { usual: [false], compared: [true] };
    case 'Long':
      return { usual: literalNumbers(literals).length === 0 ? [0] : [], compared: listComparedNumbers(literals) };
    case 'Set': {
      const elements = listValues(makeValues(type.element, sources));
      return { usual: [[]], compared: [...elements.map((element) => [element]), elements] };
    }
    case 'Record': {
      const record = makeRecord(type, sources);
      return { usual: record === undefined ? [] : [record], compared: [] };
    }
    case 'Entity':
      return { usual: [], compared: listEntityIds(type, ids(type.name)) };
    case 'Extension':
      return { usual: usual[type.name], compared: extensionValues(type.name, sources) };
  }
}

/** The integers that policies compare with, each followed by its neighbours; 1 where they compare with none. */
export function listComparedNumbers(literals: readonly Literal[]): number[] {
  const numbers = literalNumbers(literals);
  return numbers.length === 0 ? [1] : numbers.flatMap((n) => [n, n - 1, n + 1]);
}

/** Each value once, the usual ones first. */
export function listValues({ usual, compared }: TypeValues): unknown[] {
  return [...new Map([...usual, ...compared].map((value) => [JSON.stringify(value), value])).values()];
}

/** A record of its required members alone; undefined where one of them has no value. */
function makeRecord(
  { members }: Extract<CedarType, { kind: 'Record' }>,
  sources: ValueSources,
): Record<string, unknown> | undefined {
  const values = Object.entries(members)
    .filter(([, { required }]) => required)
    .map(([name, { type }]) => [name, listValues(makeValues(type, sources))[0]] as const);
  return values.some(([, value]) => value === undefined) ? undefined : Object.fromEntries(values);
}

/** The ids that a reference may have: of an `enum` type those that it has, the proposed ones first. */
function listEntityIds(
  { ids }: Extract<CedarType, { kind: 'Entity' }>,
  proposed: readonly string[],
): readonly string[] {
  return ids === undefined ? proposed : [...proposed.filter((id) => ids.includes(id)), ...ids];
}

function extensionValues(name: ExtensionName, { literals, day }: ValueSources): string[] {
  switch (name) {
    case 'datetime':
      return findMoments(literals, day).map((moment) => moment.toISOString());
    case 'duration':
      return literalTexts(literals, 'duration').flatMap((text) => [text, ...neighbourDurations(text)]);
    case 'decimal':
      return literalTexts(literals, 'decimal').flatMap((text) => [text, addSteps(text, -1), addSteps(text, 1)]);
    case 'ipaddr':
      // A range begins with an address that is in it.
      return literalTexts(literals, 'ip').map((text) => text.replace(/\/\d+$/, ''));
  }
}

/** Instants, and times of that day, at which policies that compare with these literals change their answer. */
export function findMoments(literals: readonly Literal[], day: Date): Date[] {
  const midnight = day.getTime() - (day.getTime() % DAY_MS);
  const instants = literalTexts(literals, 'datetime').flatMap((text) => {
    const ms = Date.parse(text.length === 10 ? `${text}T00:00:00Z` : text);
    return Number.isNaN(ms) ? [] : [ms];
  });
  const times = literalTexts(literals, 'duration').map((text) => midnight + toDurationMs(text));
  return [...instants, ...times]
    .flatMap((ms) => [ms, ms - 1, ms + 1])
    .filter((ms) => ms >= 0 && ms <= LAST_MS)
    .map((ms) => new Date(ms));
}

/**
 * Instants near that day at which the local time has one of the values that policies compare it with, or one next to it:
 * on each such day, at each such time.
 */
export function findLocalMoments({ of }: Literals, zone: string, day: Date): Date[] {
  const findShifted = (from: Date, member: keyof LocalTime, unitMs: number): Date[] => {
    const current = toLocalTime(from, zone)[member];
    return literalNumbers(of(member))
      .flatMap((value) => [value, value - 1, value + 1])
      .filter((value) => value >= 0 && value < 60)
      .map((value) => ({ value, moment: new Date(from.getTime() + (value - current) * unitMs) }))
      .filter(({ value, moment }) => toLocalTime(moment, zone)[member] === value)
      .map(({ moment }) => moment);
  };
  const days = [day, ...findShifted(day, 'weekday', DAY_MS), ...findShifted(day, 'day', DAY_MS)];
  const hours = days.flatMap((from) => [from, ...findShifted(from, 'hour', HOUR_MS)]);
  return hours.flatMap((from) => [from, ...findShifted(from, 'minute', MINUTE_MS)]);
}

/** A millisecond less, and one more. */
function neighbourDurations(duration: string): string[] {
  const ms = toDurationMs(duration);
  return Math.abs(ms) > LAST_MS ? [] : [`${ms - 1}ms`, `${ms + 1}ms`];
}

/** @param steps of a decimal's smallest, a ten-thousandth */
function addSteps(decimal: string, steps: number): string {
  return (Number(decimal) + steps / 10_000).toFixed(4);
}
