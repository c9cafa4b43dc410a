/** Whether a number that is written in digits survives being read as a double, as JSON and YAML readers do. */

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
  const written = readDecimal(literal);
  const roundTripped = readDecimal(String(value));
  return written.digits === roundTripped.digits && written.exponent === roundTripped.exponent;
}

/**
 * A literal that may lose value has sixteen digits and points or more, or an exponent. Fifteen significant digits are
 * always kept, since a literal without an exponent neither overflows nor underflows with so few.
 */
const MAYBE_INEXACT = /(?:^|[[:,\s])-?\d(?:[\d.]{15}|[\d.]*[eE])/;

/** Whether a JSON text may hold a number that isn't kept exactly; a text in quotes can make this true as well. */
export function mayHoldInexactNumber(json: string): boolean {
  return MAYBE_INEXACT.test(json);
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
