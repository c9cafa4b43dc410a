/** Values of Cedar's types, as callers and stores write them, around what policies compare them with. */
import type { CedarType } from '../../policy/schema/types.js';
import type { Literal } from './literals.js';

/** The time of a generated request, where policies don't ask for another. */
export const NOON = new Date('2030-03-04T12:00:00Z');
/** A text that no policy is likely to name. */
const OTHER = 'other';
const DAY_MS = 86_400_000;
/** The end of the year 9999. */
const LAST_MS = 253_402_300_799_999;
/** Of one attribute: a policy that lists more is looked at in parts. */
const MAX_VALUES = 16;

export interface Around {
  /** What policies compare it with. */
  readonly literals: readonly Literal[];
  /** Ids that an attribute of that entity type may name. */
  readonly ids: (entityType: string) => readonly string[];
}

/** At least one, the most usual first. @param type anything but a record: its members have values of their own */
export function valuesOf(type: CedarType, around: Around): readonly unknown[] {
  return unique(candidates(type, around)).slice(0, MAX_VALUES);
}

function candidates(type: CedarType, around: Around): readonly unknown[] {
  const { literals } = around;
  switch (type.kind) {
    case 'String':
      return [OTHER, ...texts(literals, undefined)];
    case 'Bool':
      return [false, true];
    case 'Long': {
      const numbers = literals.flatMap(({ value }) => (typeof value === 'number' ? [value] : []));
      return numbers.length === 0 ? [0, 1] : numbers.flatMap((n) => [n, n - 1, n + 1]);
    }
    case 'Set': {
      const elements = valuesOf(type.element, around);
      return [[], ...elements.map((one) => [one]), elements];
    }
    case 'Record':
      return [
        Object.fromEntries(
          Object.entries(type.members)
            .filter(([, member]) => member.required)
            .map(([name, member]) => [name, valuesOf(member.type, around)[0]]),
        ),
      ];
    case 'Entity':
      return [...around.ids(type.name), OTHER];
    case 'Extension':
      return extension(type.name, literals);
  }
}

function extension(name: Extract<CedarType, { kind: 'Extension' }>['name'], literals: readonly Literal[]): unknown[] {
  switch (name) {
    case 'datetime':
      return [NOON.getTime() + DAY_MS, NOON.getTime() - DAY_MS, ...moments(literals)].map((ms) =>
        new Date(ms).toISOString(),
      );
    case 'duration':
      return ['0s', ...texts(literals, 'duration').flatMap((text) => [text, ...nextTo(text)])];
    case 'decimal':
      return ['0.0', ...texts(literals, 'decimal').flatMap((text) => [text, shifted(text, -1), shifted(text, 1)])];
    case 'ipaddr':
      // The first is set aside for documentation (RFC 5737); a range begins with an address that is in it.
      return ['192.0.2.1', ...texts(literals, 'ip').map((text) => text.replace(/\/\d+$/, ''))];
  }
}

/** Moments of a day and instants at which policies that compare the clock with these change their answer. */
export function momentsAround(literals: readonly Literal[]): readonly Date[] {
  return unique([NOON.getTime(), ...moments(literals)])
    .slice(0, MAX_VALUES)
    .map((ms) => new Date(ms as number));
}

function moments(literals: readonly Literal[]): number[] {
  const midnight = NOON.getTime() - (NOON.getTime() % DAY_MS);
  const instants = texts(literals, 'datetime').flatMap((text) => {
    const ms = Date.parse(text.length === 10 ? `${text}T00:00:00Z` : text);
    return Number.isNaN(ms) ? [] : [ms];
  });
  const hours = texts(literals, 'duration').map((text) => midnight + milliseconds(text));
  return [...instants, ...hours].flatMap((ms) => [ms, ms - 1, ms + 1]).filter((ms) => ms >= 0 && ms <= LAST_MS);
}

/** Of Cedar's `1d2h3m4s5ms`. */
function milliseconds(duration: string): number {
  const units: Record<string, number> = { d: DAY_MS, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
  const sum = [...duration.matchAll(/(\d+)(ms|[dhms])/g)].reduce(
    (ms, [, n, unit]) => ms + Number(n) * (units[unit ?? ''] ?? 0),
    0,
  );
  return duration.startsWith('-') ? -sum : sum;
}

/** A millisecond less, and one more. */
function nextTo(duration: string): string[] {
  const ms = milliseconds(duration);
  return Math.abs(ms) > LAST_MS ? [] : [`${ms - 1}ms`, `${ms + 1}ms`];
}

/** A decimal of Cedar's, one of its smallest steps on. */
function shifted(decimal: string, steps: number): string {
  return (Number(decimal) + steps / 10_000).toFixed(4);
}

function texts(literals: readonly Literal[], as: Literal['as']): string[] {
  return literals.flatMap((one) => (one.as === as && typeof one.value === 'string' ? [one.value] : []));
}

function unique(values: readonly unknown[]): unknown[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}
