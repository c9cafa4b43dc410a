/**
 * Carries out the obligations `mask` and `visible_fields` on a record's properties, for the filter route. A field is a path
 * such as `address.street`; through a list it means every element. A field that the record doesn't have stays absent.
 */
import { createHmac } from 'node:crypto';
import type { MaskMode } from '../policy/duty-fields.js';
import type { Obligation, ObligationType } from '../model/obligations.js';
import { memoizeByObject } from '../runtime/memoize.js';
import type { Properties } from '../model/question.js';

/** The obligations that are met by masking. */
export const MASKING_OBLIGATIONS: readonly ObligationType[] = ['mask', 'visible_fields'];

const REDACTED = '[redacted]';
/** The characters at the end of a value that `last4` leaves visible. */
const VISIBLE_CHARACTERS = 4;
/** A value that leaves fewer characters hidden is hidden as a whole. */
const MIN_HIDDEN_CHARACTERS = 4;

/** Returns the properties with the obligations carried out. */
export type Mask = (properties: Properties, obligations: readonly Obligation[]) => Properties;

/**
 * Creates the mask for a list, which computes the hash of a value once.
 * @param key a secret of the deployment: equal values get equal hashes, so that joins still work, and no client can guess
 * the values
 */
export function createMask(key: string): Mask {
  const hashes = new Map<string, string>();
  const hash = (value: unknown): string => {
    const text = JSON.stringify(value);
    const hashed = hashes.get(text) ?? createHmac('sha256', key).update(`mask ${text}`).digest('base64url');
    hashes.set(text, hashed);
    return hashed;
  };
  return (properties, obligations) => {
    const plan = buildMaskPlan(obligations);
    if (plan === undefined) return properties;
    const visible = plan.only === undefined ? properties : keepFields(properties, plan.only);
    return (plan.hide === undefined ? visible : hideFields(visible, plan.hide, hash)) as Properties;
  };
}

/** A tree of fields by the parts of their paths; `end` is set where a field's path ends. */
interface FieldTree<T> {
  end?: T;
  readonly parts: Map<string, FieldTree<T>>;
}

interface MaskPlan {
  readonly only?: FieldTree<true>;
  readonly hide?: FieldTree<MaskMode>;
}

/** The plan of the obligations that mask; undefined where none does. Records with the same duties share their obligations. */
const buildMaskPlan = memoizeByObject((obligations: readonly Obligation[]): MaskPlan | undefined => {
  const propertiesOf = (obligationType: ObligationType): Obligation['properties'] | undefined =>
    obligations.find(({ type }) => type === obligationType)?.properties;
  const visible = propertiesOf('visible_fields') as { readonly fields: readonly string[] } | undefined;
  const mask = propertiesOf('mask') as
    { readonly fields: readonly string[]; readonly modes?: Readonly<Record<string, MaskMode>> } | undefined;
  const modeOf = (field: string): MaskMode => {
    const { modes = {} } = mask ?? {};
    return Object.hasOwn(modes, field) ? (modes[field] ?? 'remove') : 'remove';
  };
  if (visible === undefined && mask === undefined) return undefined;
  return {
    ...(visible === undefined ? {} : { only: buildFieldTree(visible.fields, () => true as const) }),
    ...(mask === undefined ? {} : { hide: buildFieldTree(mask.fields, modeOf) }),
  };
});

function buildFieldTree<T>(names: readonly string[], end: (name: string) => T): FieldTree<T> {
  const root: FieldTree<T> = { parts: new Map() };
  for (const name of names) {
    let node = root;
    for (const part of name.split('.')) {
      const next = node.parts.get(part) ?? { parts: new Map() };
      node.parts.set(part, next);
      node = next;
    }
    node.end = end(name);
  }
  return root;
}

/**
 * Descends into the tree by a member's name: to the end of a field that the member is or is within, or to the fields
 * within the member; undefined where the member has to do with no field. A record may have `address.street` as one name,
 * like a column: that means the same path.
 */
function descendField<T>(fields: FieldTree<T>, name: string): FieldTree<T> | undefined {
  let node: FieldTree<T> | undefined = fields;
  for (const part of name.includes('.') ? name.split('.') : [name]) {
    node = node.parts.get(part);
    if (node?.end !== undefined || node === undefined) return node;
  }
  return node;
}

const REMOVED = Symbol('gone');

/** Returns the value with only the fields kept. */
function keepFields(value: unknown, fields: FieldTree<true>): unknown {
  if (Array.isArray(value))
    return value.map((element) => keepFields(element, fields)).filter((element) => element !== REMOVED);
  if (typeof value !== 'object' || value === null) return REMOVED;
  return mapMembers(value, (name, inner) => {
    const node = descendField(fields, name);
    if (node === undefined) return REMOVED;
    return node.end === true ? inner : keepFields(inner, node);
  });
}

/** Returns the value with the fields hidden. */
function hideFields(value: unknown, fields: FieldTree<MaskMode>, hash: (value: unknown) => string): unknown {
  if (Array.isArray(value)) return value.map((element) => hideFields(element, fields, hash));
  if (typeof value !== 'object' || value === null) return value;
  return mapMembers(value, (name, inner) => {
    const node = descendField(fields, name);
    if (node === undefined) return inner;
    return node.end === undefined ? hideFields(inner, node, hash) : hideValue(inner, node.end, hash);
  });
}

function mapMembers(value: object, change: (name: string, inner: unknown) => unknown): object {
  const changed = Object.entries(value).map(([name, inner]) => [name, change(name, inner)] as const);
  return Object.fromEntries(changed.filter(([, inner]) => inner !== REMOVED));
}

function hideValue(value: unknown, mode: MaskMode, hash: (value: unknown) => string): unknown {
  // The modes `remove` and `null` hide a list as a whole, the others each of its elements.
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
      const ending =
        characters.length >= VISIBLE_CHARACTERS + MIN_HIDDEN_CHARACTERS
          ? characters.slice(-VISIBLE_CHARACTERS).join('')
          : '';
      return `****${ending}`;
    }
  }
}
