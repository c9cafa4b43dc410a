/** Writes values of Cedar in one way each: what Cedar takes for equal, and what is the same amount, is then the same JSON. */
import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import { readAmount, shortenQuantity } from '../model/quantities.js';
import { formatCanonicalJson } from '../runtime/canonical-json.js';
import { formatAddressRange } from '../runtime/ip-address.js';
import { toDurationMs } from './duration.js';

/** @param value as Cedar's requests have it: lists in it are sets. @returns JSON to compare, and none for Cedar */
export function normalizeCedarValue(value: CedarValueJson): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const elements = new Map(value.map(normalizeCedarValue).map((element) => [formatCanonicalJson(element), element]));
    return [...elements.keys()].sort().map((text) => elements.get(text));
  }
  if ('__entity' in value) return value;
  if ('__extn' in value) return { __extn: normalizeExtension(value['__extn'] as { fn: string; arg?: unknown }) };
  const stated = readAmount(value);
  if ('amount' in stated) {
    const { value: count, decimals } = shortenQuantity(stated.amount);
    return { value: String(count), unit: stated.amount.unit, decimals };
  }
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, normalizeCedarValue(member)]));
}

function normalizeExtension({ fn, arg }: { readonly fn: string; readonly arg?: unknown }): unknown {
  if (typeof arg !== 'string') return { fn, arg };
  switch (fn) {
    case 'decimal':
      return { fn, arg: formatDecimalUnits(arg) };
    case 'duration':
      return { fn, arg: toDurationMs(arg) };
    case 'ip':
      return { fn, arg: formatAddressRange(arg) ?? arg };
    default:
      return { fn, arg };
  }
}

/** The most digits after the point of Cedar's decimals. */
const DECIMAL_DIGITS = 4;

/** `-1.50` is -15000 of the smallest parts. */
function formatDecimalUnits(text: string): string {
  const [whole = '', fraction = ''] = text.split('.');
  return String(
    BigInt(whole.replace('-', '') + fraction.padEnd(DECIMAL_DIGITS, '0')) * (text.startsWith('-') ? -1n : 1n),
  );
}
