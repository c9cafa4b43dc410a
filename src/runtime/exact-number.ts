/** Whether a number that is written in digits survives being read as a double, as JSON and YAML readers do. */
import { findStringEnd, QUOTE } from './json-extent.js';

const MAX_KEPT_DIGITS = 15;
/** The smallest double that isn't subnormal. */
const MIN_NORMAL = 2 ** -1022;

/**
 * Whether a JSON number's double gives its value back: the decimal value of `literal` is that of the double's shortest
 * form, which is what `JSON.stringify` writes (the fewest digits that read back as the same double, ECMA-262
 * Number::toString). So 0.1, 1.0, 1e3 and 100.50 are kept, while 9007199254740993 (digits lost), 0.1000000000000000055,
 * 1e400 (overflow) and 1e-400 (underflow) are not. In time linear in the literal's length.
 * @param literal as JSON's grammar writes a number
 */
export function isKeptExactly(literal: string): boolean {
  const value = Number(literal);
  if (!Number.isFinite(value)) return false;
  // A double keeps fifteen digits wherever it has its full precision.
  if (literal.length <= MAX_KEPT_DIGITS && Math.abs(value) >= MIN_NORMAL) return true;
  const written = readDecimal(literal);
  const roundTripped = readDecimal(String(value));
  return written.digits === roundTripped.digits && written.exponent === roundTripped.exponent;
}

/**
 * A literal that may lose value has sixteen digits and points or more, or an exponent. Fifteen significant digits are
 * always kept, since a literal without an exponent neither overflows nor underflows with so few.
 */
const MAYBE_INEXACT = /(?:^|[[:,\s])-?\d(?:[\d.]{15}|[\d.]*[eE])/;

/** The rest of a number, from any place within it. */
const NUMBER_PART = /[\d.eE+-]*/y;
/** The shortest literal that loses value without an exponent. */
const MIN_INEXACT_LENGTH = 16;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/** The place of the first number in a well-formed JSON text that isn't kept exactly; undefined where there is none. */
export function findInexactNumber(json: string): number | undefined {
  // Most texts have none that could be.
  if (!MAYBE_INEXACT.test(json)) return undefined;
  for (let i = 0; i < json.length; i += 1) {
    const code = json.charCodeAt(i);
    if (code === QUOTE) i = findStringEnd(json, i);
    else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      NUMBER_PART.lastIndex = i;
      const [literal = ''] = NUMBER_PART.exec(json) ?? [];
      const mayBeInexact = literal.length >= MIN_INEXACT_LENGTH || /[eE]/.test(literal);
      if (mayBeInexact && !isKeptExactly(literal)) return i;
      i += literal.length - 1;
    }
  }
  return undefined;
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Whether a text is a number as JSON's grammar writes it: in decimal digits, without leading zeros. */
export function isJsonNumber(text: string): boolean {
  return JSON_NUMBER.test(text);
}

/** A number's absolute value is `digits` times ten to the power of `exponent`; digits have no zeros at either end. */
interface Decimal {
  readonly digits: string;
  readonly exponent: number;
}

function readDecimal(literal: string): Decimal {
  const [, whole = '', fraction = '', power = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? [];
  const digits = whole + fraction;
  let start = 0;
  while (digits[start] === '0') start += 1;
  let end = digits.length;
  while (end > start && digits[end - 1] === '0') end -= 1;
  if (start === end) return { digits: '', exponent: 0 };
  return { digits: digits.slice(start, end), exponent: Number(power) - fraction.length + (digits.length - end) };
}
