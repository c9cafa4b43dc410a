/**
 * Masking: what the obligation `mask` says, carried out on a record's properties. A field is a path such as
 * `address.street`; through a list it means every element. What isn't there stays away.
 */
import { createHmac } from 'node:crypto';
import type { MaskMode, Obligation } from './rules/duties.js';

type Properties = Readonly<Record<string, unknown>>;

const REDACTED = '[redacted]';
/** Shorter values would be shown whole, or nearly. */
const LAST = 4;
const LEAST_HIDDEN = 4;

/** @param key a secret of the deployment: equal values get equal hashes, so that joins still work, and nobody can guess them */
export function masked(properties: Properties, obligations: readonly Obligation[], key: string): Properties {
  let result = properties;
  for (const { type, properties: said } of obligations) {
    if (type !== 'mask') continue;
    const { fields = [], modes = {} } = said as {
      fields?: readonly string[];
      modes?: Readonly<Record<string, MaskMode>>;
    };
    for (const field of fields) {
      const mode = Object.hasOwn(modes, field) ? modes[field] : undefined;
      result = at(result, field.split('.'), (value) => hidden(value, mode ?? 'remove', key)) as Properties;
    }
  }
  return result;
}

const GONE = Symbol('gone');

/** The value with what the path leads to replaced; everything else is the same. */
function at(value: unknown, path: readonly string[], replace: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => at(one, path, replace)).filter((one) => one !== GONE);
  const [name = '', ...rest] = path;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return value;
  const inner = (value as Record<string, unknown>)[name];
  const changed = rest.length === 0 ? replace(inner) : at(inner, rest, replace);
  const others = Object.fromEntries(Object.entries(value).filter(([other]) => other !== name));
  return changed === GONE ? others : { ...value, [name]: changed };
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
