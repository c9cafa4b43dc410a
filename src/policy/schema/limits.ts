/**
 * Reads limits in both of their forms: the text of `@limit("100 per P1D by user, agent")`, and the JSON that delegations
 * and consents carry. Both are checked by the same function.
 */
import { z } from 'zod';
import { LIMIT_PERIODS, LIMIT_SUBJECTS, type Limit, type LimitPeriod, type LimitSubject } from '../../model/limits.js';
import { formatQuantity, MAX_DECIMALS, readAmount, UNIT_FORMAT } from '../../model/quantities.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import type { Problem } from '../../diagnostics/diagnostics.js';
import { DEFAULT_ZONE, findZoneProblem } from '../../runtime/local-time.js';

/** The most limits of one owner. */
export const MAX_LIMITS = 8;
const WINDOWS = ['sliding', 'calendar'] as const;

/** A limit as JSON states it. */
export interface LimitJson {
  readonly count?: number | undefined;
  readonly amount?:
    { readonly value: number; readonly unit: string; readonly decimals?: number | undefined } | undefined;
  readonly per: LimitPeriod;
  readonly window?: (typeof WINDOWS)[number] | undefined;
  readonly zone?: string | undefined;
}

export type LimitReadingResult = { readonly limit: Limit } | { readonly problem: string };

/** Checks one limit, and completes it with what is left out: months are of the calendar, every other window slides. */
export function readLimit(json: LimitJson, by: readonly LimitSubject[] = []): LimitReadingResult {
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
  const window = json.window ?? (period === 'P1M' ? 'calendar' : 'sliding');
  if (period === 'P1M' && window === 'sliding')
    return { problem: 'months differ in length, so P1M is of the calendar: write "calendar", or P1W' };
  if (period === 'total' && (json.window !== undefined || zone !== undefined))
    return { problem: '"total" has no window and no zone: it never starts anew' };
  if (zone !== undefined && window === 'sliding')
    return { problem: 'a zone is for calendar windows: write "calendar" before it' };
  const zoneProblem = zone === undefined ? undefined : findZoneProblem(zone);
  if (zoneProblem !== undefined) return { problem: `the zone "${zone}" ${zoneProblem}` };
  const windowText = window === 'calendar' ? ` calendar${zone === undefined ? '' : ` ${zone}`}` : '';
  const byText = by.length === 0 ? '' : ` by ${by.join(', ')}`;
  const text = `${formatQuantity(bound)} per ${period}${windowText}${byText}`;
  return { limit: { bound, period, window, zone: zone ?? DEFAULT_ZONE, by, text } };
}

/** Limits as JSON: `[{"count": 100, "per": "P1D", "window": "sliding"}]`. */
export const useLimitsFormat = z
  .array(
    z
      .strictObject({
        count: z.int().min(1).optional().describe('The most uses'),
        amount: z
          .strictObject({
            value: z.int().min(1),
            unit: z.string().regex(UNIT_FORMAT),
            decimals: z.int().min(0).max(MAX_DECIMALS).default(0),
          })
          .optional()
          .describe('The most of a unit: 500.00 EUR is {"value": 50000, "unit": "EUR", "decimals": 2}'),
        per: z.enum(LIMIT_PERIODS),
        window: z.enum(WINDOWS).optional(),
        zone: z.string().max(64).optional().describe('The time zone of a calendar window; UTC by default'),
      })
      .transform((json, context): Limit => {
        const read = readLimit(json);
        if ('limit' in read) return read.limit;
        context.addIssue({ code: 'custom', message: read.problem });
        return z.NEVER;
      }),
  )
  .max(MAX_LIMITS);

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
  const twin = limits.find((limit, i) => limits.slice(0, i).some((other) => haveSameUses(other, limit)));
  if (twin !== undefined)
    return { problem: { message: `"${twin.text}" bounds what another of the limits bounds: keep the narrower one` } };
  const units = new Set(limits.flatMap(({ bound }) => bound.unit ?? []));
  if (units.size > 1)
    return {
      problem: { message: `names the units ${[...units].join(' and ')}: an amount has one, so it fits no other` },
    };
  return { limits };
}

function haveSameUses(a: Limit, b: Limit): boolean {
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
  const knownWindow = WINDOWS.find((known) => known === window);
  if (window !== undefined && knownWindow === undefined)
    return { problem: unknownWord(`has the window "${window}"`, window, WINDOWS) };
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
