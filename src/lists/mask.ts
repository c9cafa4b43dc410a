/**
 * Masking: what the obligations `mask` and `visible_fields` say, carried out on a record's properties. A field is a path
 * such as `address.street`; through a list it means every element. What isn't there stays away.
 */
import { createHmac } from 'node:crypto';
import type { MaskMode } from '../policy/duties.js';
import type { Obligation, ObligationType } from '../model/obligations.js';

/** The obligations that are met by masking. */
export const MASKING: readonly ObligationType[] = ['mask', 'visible_fields'];

type Properties = Readonly<Record<string, unknown>>;

const REDACTED = '[redacted]';
/** Shorter values would be shown whole, or nearly. */
const LAST = 4;
const LEAST_HIDDEN = 4;

/** Hides what obligations say, of one record after another. */
export type Mask = (properties: Properties, obligations: readonly Obligation[]) => Properties;

/**
 * To be made once for a list: what is alike in it is worked out once.
 * @param key a secret of the deployment: equal values get equal hashes, so that joins still work, and nobody can guess them
 */
export function masking(key: string): Mask {
  const hashes = new Map<string, string>();
  const hash = (value: unknown): string => {
    const text = JSON.stringify(value);
    const hashed = hashes.get(text) ?? createHmac('sha256', key).update(`mask ${text}`).digest('base64url');
    hashes.set(text, hashed);
    return hashed;
  };
  const plans = new Map<string, Plan>();
  return (properties, obligations) => {
    const due = obligations.filter(({ type }) => MASKING.includes(type));
    if (due.length === 0) return properties;
    const text = JSON.stringify(due);
    const plan = plans.get(text) ?? planOf(due);
    plans.set(text, plan);
    const shown = plan.only === undefined ? properties : only(properties, plan.only);
    return (plan.hide === undefined ? shown : without(shown, plan.hide, hash)) as Properties;
  };
}

/** Fields by the parts of their paths; what a field leads to is at its end. */
interface Fields<T> {
  end?: T;
  readonly parts: Map<string, Fields<T>>;
}

interface Plan {
  readonly only?: Fields<true>;
  readonly hide?: Fields<MaskMode>;
}

function planOf(obligations: readonly Obligation[]): Plan {
  const of = (wanted: ObligationType): Obligation['properties'] | undefined =>
    obligations.find(({ type }) => type === wanted)?.properties;
  const visible = of('visible_fields') as { readonly fields: readonly string[] } | undefined;
  const mask = of('mask') as
    { readonly fields: readonly string[]; readonly modes?: Readonly<Record<string, MaskMode>> } | undefined;
  const modeOf = (field: string): MaskMode => {
    const { modes = {} } = mask ?? {};
    return Object.hasOwn(modes, field) ? (modes[field] ?? 'remove') : 'remove';
  };
  return {
    ...(visible === undefined ? {} : { only: fieldsOf(visible.fields, () => true as const) }),
    ...(mask === undefined ? {} : { hide: fieldsOf(mask.fields, modeOf) }),
  };
}

function fieldsOf<T>(names: readonly string[], end: (name: string) => T): Fields<T> {
  const all: Fields<T> = { parts: new Map() };
  for (const name of names) {
    let at = all;
    for (const part of name.split('.')) {
      const next = at.parts.get(part) ?? { parts: new Map() };
      at.parts.set(part, next);
      at = next;
    }
    at.end = end(name);
  }
  return all;
}

/**
 * Where a member leads to: the end of a field that it is or is within, or the fields within it. A record may say
 * `address.street` in one word, as columns are called: that is the same.
 */
function step<T>(fields: Fields<T>, name: string): Fields<T> | undefined {
  let at: Fields<T> | undefined = fields;
  for (const part of name.includes('.') ? name.split('.') : [name]) {
    at = at.parts.get(part);
    if (at?.end !== undefined || at === undefined) return at;
  }
  return at;
}

const GONE = Symbol('gone');

/** The value with nothing in it but the fields. */
function only(value: unknown, fields: Fields<true>): unknown {
  if (Array.isArray(value)) return value.map((one) => only(one, fields)).filter((one) => one !== GONE);
  if (typeof value !== 'object' || value === null) return GONE;
  return members(value, (name, inner) => {
    const at = step(fields, name);
    if (at === undefined) return GONE;
    return at.end === true ? inner : only(inner, at);
  });
}

/** The value with the fields hidden; everything else is the same. */
function without(value: unknown, fields: Fields<MaskMode>, hash: (value: unknown) => string): unknown {
  if (Array.isArray(value)) return value.map((one) => without(one, fields, hash));
  if (typeof value !== 'object' || value === null) return value;
  return members(value, (name, inner) => {
    const at = step(fields, name);
    if (at === undefined) return inner;
    return at.end === undefined ? without(inner, at, hash) : hidden(inner, at.end, hash);
  });
}

function members(value: object, change: (name: string, inner: unknown) => unknown): object {
  const changed = Object.entries(value).map(([name, inner]) => [name, change(name, inner)] as const);
  return Object.fromEntries(changed.filter(([, inner]) => inner !== GONE));
}

function hidden(value: unknown, mode: MaskMode, hash: (value: unknown) => string): unknown {
  // A list is hidden element by element only where its elements stay; removed or null, it is so as a whole.
  if (Array.isArray(value) && mode !== 'remove' && mode !== 'null') return value.map((one) => hidden(one, mode, hash));
  switch (mode) {
    case 'remove':
      return GONE;
    case 'null':
      return null;
    case 'redact':
      return REDACTED;
    case 'hash':
      return hash(value);
    case 'last4': {
      const characters = typeof value === 'string' || typeof value === 'number' ? Array.from(String(value)) : [];
      const shown = characters.length >= LAST + LEAST_HIDDEN ? characters.slice(-LAST).join('') : '';
      return `****${shown}`;
    }
  }
}
