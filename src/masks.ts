/**
 * Masking: what the obligations `mask` and `visible_fields` say, carried out on a record's properties. A field is a path
 * such as `address.street`; through a list it means every element. What isn't there stays away.
 */
import { createHmac } from 'node:crypto';
import { isWithin, type MaskMode, type Obligation, type ObligationType } from './rules/duties.js';

/** The obligations that are met by masking. */
export const MASKING: readonly ObligationType[] = ['mask', 'visible_fields'];

type Properties = Readonly<Record<string, unknown>>;

const REDACTED = '[redacted]';
/** Shorter values would be shown whole, or nearly. */
const LAST = 4;
const LEAST_HIDDEN = 4;

/** @param key a secret of the deployment: equal values get equal hashes, so that joins still work, and nobody can guess them */
export function masked(properties: Properties, obligations: readonly Obligation[], key: string): Properties {
  let result = properties;
  for (const { type, properties: said } of obligations) {
    if (type === 'visible_fields') result = only(result, said['fields'] as readonly string[]) as Properties;
    if (type !== 'mask') continue;
    const { fields = [], modes = {} } = said as {
      fields?: readonly string[];
      modes?: Readonly<Record<string, MaskMode>>;
    };
    for (const field of fields) {
      const mode = Object.hasOwn(modes, field) ? modes[field] : undefined;
      result = at(result, field, (value) => hidden(value, mode ?? 'remove', key)) as Properties;
    }
  }
  return result;
}

const GONE = Symbol('gone');

/** The value with nothing in it but what the fields name. */
function only(value: unknown, fields: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((one) => only(one, fields)).filter((one) => one !== GONE);
  if (typeof value !== 'object' || value === null) return GONE;
  const kept = Object.entries(value).flatMap(([name, inner]) => {
    if (fields.some((field) => isWithin(name, field))) return [[name, inner] as const];
    const parts = fields.flatMap((field) => (isWithin(field, name) ? [field.slice(name.length + 1)] : []));
    const shown = parts.length === 0 ? GONE : only(inner, parts);
    return shown === GONE ? [] : [[name, shown] as const];
  });
  return Object.fromEntries(kept);
}

/** The value with what the field names replaced; everything else is the same. */
function at(value: unknown, field: string, replace: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => at(one, field, replace)).filter((one) => one !== GONE);
  if (typeof value !== 'object' || value === null) return value;
  const changed = Object.entries(value).map(([name, inner]): readonly [string, unknown] => {
    // A record may say `address.street` in one word, as columns are called: that is the same.
    if (isWithin(name, field)) return [name, replace(inner)];
    return [name, isWithin(field, name) ? at(inner, field.slice(name.length + 1), replace) : inner];
  });
  return Object.fromEntries(changed.filter(([, inner]) => inner !== GONE));
}

function hidden(value: unknown, mode: MaskMode, key: string): unknown {
  // A list is hidden element by element only where its elements stay; removed or null, it is so as a whole.
  if (Array.isArray(value) && mode !== 'remove' && mode !== 'null') return value.map((one) => hidden(one, mode, key));
  switch (mode) {
    case 'remove':
      return GONE;
    case 'null':
      return null;
    case 'redact':
      return REDACTED;
    case 'hash':
      return createHmac('sha256', key)
        .update(`mask ${JSON.stringify(value)}`)
        .digest('base64url');
    case 'last4': {
      const characters = typeof value === 'string' || typeof value === 'number' ? Array.from(String(value)) : [];
      const shown = characters.length >= LAST + LEAST_HIDDEN ? characters.slice(-LAST).join('') : '';
      return `****${shown}`;
    }
  }
}
