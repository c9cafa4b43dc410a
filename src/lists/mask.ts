/**
 * Masking: what the obligations `mask` and `visible_fields` say, carried out on a record's properties. A field is a path
 * such as `address.street`; through a list it means every element. What isn't there stays away.
 */
import { createHmac } from 'node:crypto';
import type { MaskMode } from '../policy/duties.js';
import type { Obligation, ObligationType } from '../model/obligations.js';

/** The obligations that are met by masking. */
export const MASKING_OBLIGATIONS: readonly ObligationType[] = ['mask', 'visible_fields'];

type RecordProperties = Readonly<Record<string, unknown>>;

const REDACTED = '[redacted]';
/** Shorter values would be shown whole, or nearly. */
const VISIBLE_CHARACTERS = 4;
const MIN_HIDDEN_CHARACTERS = 4;

/** Hides what obligations say, of one record after another. */
export type Mask = (properties: RecordProperties, obligations: readonly Obligation[]) => RecordProperties;

/**
 * To be made once for a list: what is alike in it is worked out once.
 * @param key a secret of the deployment: equal values get equal hashes, so that joins still work, and nobody can guess them
 */
export function createMask(key: string): Mask {
  const hashes = new Map<string, string>();
  const hash = (value: unknown): string => {
    const text = JSON.stringify(value);
    const hashed = hashes.get(text) ?? createHmac('sha256', key).update(`mask ${text}`).digest('base64url');
    hashes.set(text, hashed);
    return hashed;
  };
  const plans = new Map<string, MaskPlan>();
  return (properties, obligations) => {
    const maskObligations = obligations.filter(({ type }) => MASKING_OBLIGATIONS.includes(type));
    if (maskObligations.length === 0) return properties;
    const text = JSON.stringify(maskObligations);
    const plan = plans.get(text) ?? buildMaskPlan(maskObligations);
    plans.set(text, plan);
    const shown = plan.only === undefined ? properties : keepFields(properties, plan.only);
    return (plan.hide === undefined ? shown : hideFields(shown, plan.hide, hash)) as RecordProperties;
  };
}

/** Fields by the parts of their paths; what a field leads to is at its end. */
interface FieldTree<T> {
  end?: T;
  readonly parts: Map<string, FieldTree<T>>;
}

interface MaskPlan {
  readonly only?: FieldTree<true>;
  readonly hide?: FieldTree<MaskMode>;
}

function buildMaskPlan(obligations: readonly Obligation[]): MaskPlan {
  const propertiesOf = (obligationType: ObligationType): Obligation['properties'] | undefined =>
    obligations.find(({ type }) => type === obligationType)?.properties;
  const visible = propertiesOf('visible_fields') as { readonly fields: readonly string[] } | undefined;
  const mask = propertiesOf('mask') as
    { readonly fields: readonly string[]; readonly modes?: Readonly<Record<string, MaskMode>> } | undefined;
  const modeOf = (field: string): MaskMode => {
    const { modes = {} } = mask ?? {};
    return Object.hasOwn(modes, field) ? (modes[field] ?? 'remove') : 'remove';
  };
  return {
    ...(visible === undefined ? {} : { only: buildFieldTree(visible.fields, () => true as const) }),
    ...(mask === undefined ? {} : { hide: buildFieldTree(mask.fields, modeOf) }),
  };
}

function buildFieldTree<T>(names: readonly string[], end: (name: string) => T): FieldTree<T> {
  const all: FieldTree<T> = { parts: new Map() };
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
function descendField<T>(fields: FieldTree<T>, name: string): FieldTree<T> | undefined {
  let at: FieldTree<T> | undefined = fields;
  for (const part of name.includes('.') ? name.split('.') : [name]) {
    at = at.parts.get(part);
    if (at?.end !== undefined || at === undefined) return at;
  }
  return at;
}

const REMOVED = Symbol('gone');

/** The value with nothing in it but the fields. */
function keepFields(value: unknown, fields: FieldTree<true>): unknown {
  if (Array.isArray(value))
    return value.map((element) => keepFields(element, fields)).filter((element) => element !== REMOVED);
  if (typeof value !== 'object' || value === null) return REMOVED;
  return mapMembers(value, (name, inner) => {
    const at = descendField(fields, name);
    if (at === undefined) return REMOVED;
    return at.end === true ? inner : keepFields(inner, at);
  });
}

/** The value with the fields hidden; everything else is the same. */
function hideFields(value: unknown, fields: FieldTree<MaskMode>, hash: (value: unknown) => string): unknown {
  if (Array.isArray(value)) return value.map((element) => hideFields(element, fields, hash));
  if (typeof value !== 'object' || value === null) return value;
  return mapMembers(value, (name, inner) => {
    const at = descendField(fields, name);
    if (at === undefined) return inner;
    return at.end === undefined ? hideFields(inner, at, hash) : hideValue(inner, at.end, hash);
  });
}

function mapMembers(value: object, change: (name: string, inner: unknown) => unknown): object {
  const changed = Object.entries(value).map(([name, inner]) => [name, change(name, inner)] as const);
  return Object.fromEntries(changed.filter(([, inner]) => inner !== REMOVED));
}

function hideValue(value: unknown, mode: MaskMode, hash: (value: unknown) => string): unknown {
  // A list is hidden element by element only where its elements stay; removed or null, it is so as a whole.
  if (Array.isArray(value) && mode !== 'remove' && mode !== 'null')
    return value.map((element) => hideValue(element, mode, hash));
  switch (mode) {
    case 'remove':
      return REMOVED;
    case 'null':
      return null;
    case 'redact':
      return REDACTED;
    case 'hash':
      return hash(value);
    case 'last4': {
      const characters = typeof value === 'string' || typeof value === 'number' ? Array.from(String(value)) : [];
      const shown =
        characters.length >= VISIBLE_CHARACTERS + MIN_HIDDEN_CHARACTERS
          ? characters.slice(-VISIBLE_CHARACTERS).join('')
          : '';
      return `****${shown}`;
    }
  }
}
