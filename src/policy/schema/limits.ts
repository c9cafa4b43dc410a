/**
 * Reads limits in both of their forms: the text of `@limit("100 per P1D by user, agent")`, and the JSON that delegations
 * and consents carry. Both are checked by the same function.
 */
import {
  LIMIT_PERIODS,
  LIMIT_SUBJECTS,
  LIMIT_WINDOWS,
  type Limit,
  type LimitSubject,
  type StatedLimit,
} from '../../model/limits.js';
import { formatQuantity, readAmount } from '../../model/quantities.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import type { Problem } from '../../diagnostics/diagnostics.js';
import { DEFAULT_ZONE, findZoneProblem } from '../../runtime/local-time.js';

/** The most limits of one action. */
const MAX_LIMITS = 8;

const TOTAL_PROBLEM = '"total" has no window and no zone: it never starts anew';

export type LimitReadingResult = { readonly limit: Limit } | { readonly problem: string };

/**
 * Checks one limit, and completes it with what is left out: months are of the calendar, every other window slides. What ends
 * never has none, whatever is said.
 */
export function readLimit(json: StatedLimit, by: readonly LimitSubject[] = []): LimitReadingResult {
  const { count, amount, per: period, zone } = json;
  if ((count === undefined) === (amount === undefined))
    return { problem: 'needs a "count" or an "amount", and not both' };
  const read =
    amount === undefined
      ? { amount: { value: BigInt(Number.isSafeInteger(count) ? (count ?? 0) : 0), unit: undefined, decimals: 0 } }
      : readAmount(amount);
  if ('problem' in read) return { problem: `the amount ${read.problem}` };
  const bound = read.amount;
  if (bound.value < 1n) return { problem: 'the bound must be a whole number from 1 to 2^53 − 1' };
  const window = period === 'total' ? 'sliding' : (json.window ?? (period === 'P1M' ? 'calendar' : 'sliding'));
  if (period === 'P1M' && window === 'sliding')
    return { problem: 'months differ in length, so P1M is of the calendar: write "calendar", or P1W' };
  if (period === 'total' && zone !== undefined) return { problem: TOTAL_PROBLEM };
  if (zone !== undefined && window === 'sliding')
    return { problem: 'a zone is for calendar windows: write "calendar" before it' };
  const zoneProblem = zone === undefined ? undefined : findZoneProblem(zone);
  if (zoneProblem !== undefined) return { problem: `the zone "${zone}" ${zoneProblem}` };
  const windowText = window === 'calendar' ? ` calendar${zone === undefined ? '' : ` ${zone}`}` : '';
  const byText = by.length === 0 ? '' : ` by ${by.join(', ')}`;
  const text = `${formatQuantity(bound)} per ${period}${windowText}${byText}`;
  return { limit: { bound, period, window, zone: zone ?? DEFAULT_ZONE, by, text } };
}

export type LimitTextReading = { readonly limits: readonly Limit[] } | { readonly problem: Problem };

/** Reads the text of `@limit`: limits that are separated by `;`. */
export function readLimitText(text: string): LimitTextReading {
  const parts = text.split(';').map((part) => part.trim());
  if (parts.length > MAX_LIMITS)
    return { problem: { message: `names ${parts.length} limits; ${MAX_LIMITS} are the most` } };
  const limits: Limit[] = [];
  for (const part of parts) {
    const read = readLimitPart(part);
    if ('problem' in read) return { problem: { ...read.problem, message: `"${part}" ${read.problem.message}` } };
    limits.push(read.limit);
  }
  const message = findLimitConflict(limits);
  return message === undefined ? { limits } : { problem: { message } };
}

/** Says why limits can't hold together; undefined where they can. */
export function findLimitConflict(limits: readonly Limit[]): string | undefined {
  const twin = limits.find((limit, i) => limits.slice(0, i).some((other) => haveSameUses(other, limit)));
  if (twin !== undefined) return `"${twin.text}" bounds what another of the limits bounds: keep the narrower one`;
  const units = new Set(limits.flatMap(({ bound }) => bound.unit ?? []));
  return units.size > 1
    ? `names the units ${[...units].join(' and ')}: an amount has one, so it fits no other`
    : undefined;
}

/** Whether two limits of one owner bound the same uses. */
export function haveSameUses(a: Limit, b: Limit): boolean {
  const usesOf = ({ bound, period, window, zone, by }: Limit): string =>
    JSON.stringify([bound.unit, period, window, zone, [...by].sort()]);
  return usesOf(a) === usesOf(b);
}

const LIMIT_TEXT =
  /^(?<number>\d{1,16}(?:\.\d{1,18})?)(?:\s+(?<unit>(?!per\b)\S+))?\s+per\s+(?<period>\S+)(?:\s+(?<window>(?!by\b)\S+)(?:\s+(?<zone>(?!by\b)\S+))?)?(?:\s+by\s+(?<by>.+))?$/;

function readLimitPart(part: string): { readonly limit: Limit } | { readonly problem: Problem } {
  const { number, unit, period = '', window, zone, by } = LIMIT_TEXT.exec(part)?.groups ?? {};
  if (number === undefined)
    return {
      problem: {
        message:
          'is no limit; one is written "100 per P1D by user, agent" or "500.00 EUR per P1M calendar Europe/Berlin by user"',
      },
    };
  const knownPeriod = LIMIT_PERIODS.find((known) => known === period);
  if (knownPeriod === undefined) return { problem: unknownWord(`has the period "${period}"`, period, LIMIT_PERIODS) };
  const knownWindow = LIMIT_WINDOWS.find((known) => known === window);
  if (window !== undefined && knownWindow === undefined)
    return { problem: unknownWord(`has the window "${window}"`, window, LIMIT_WINDOWS) };
  if (knownPeriod === 'total' && window !== undefined) return { problem: { message: `is no limit: ${TOTAL_PROBLEM}` } };
  const names = by === undefined ? [] : by.split(',').map((name) => name.trim());
  const stranger = names.find((name) => !LIMIT_SUBJECTS.some((known) => known === name));
  if (stranger !== undefined) return { problem: unknownWord(`counts by "${stranger}"`, stranger, LIMIT_SUBJECTS) };
  const subjects = LIMIT_SUBJECTS.filter((subject) => names.includes(subject));
  if (subjects.length < names.length) return { problem: { message: 'counts by one party twice' } };
  const [whole = '', fraction = ''] = number.split('.');
  if (unit === undefined && fraction !== '')
    return { problem: { message: 'counts uses, so its bound must be a whole number' } };
  const value = Number(whole + fraction);
  const bound = unit === undefined ? { count: value } : { amount: { value, unit, decimals: fraction.length } };
  const read = readLimit({ ...bound, per: knownPeriod, window: knownWindow, zone }, subjects);
  return 'limit' in read ? read : { problem: { message: `is no limit: ${read.problem}` } };
}

function unknownWord(what: string, word: string, known: readonly string[]): Problem {
  const suggestion = suggestNearest(word, known);
  const message = `${what}, which is none of ${known.join(', ')}`;
  return { message, ...(suggestion === undefined ? {} : { suggestion }) };
}
