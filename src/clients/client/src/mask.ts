/**
 * Carries out the obligations `mask` and `visible_fields` on a value that is about to be sent. A field is a path such as
 * `address.street`; through a list it means every element. What can't be hidden in the way that is asked for is removed.
 */
import type { Obligation } from './evaluation.js';
import { isRecord, parseExactJson } from './strict-json.js';

export const MASKING_TYPES: readonly string[] = ['mask', 'visible_fields'];

const REMOVED = Symbol('removed');
const VISIBLE_CHARACTERS = 4;
/** A value that leaves fewer characters hidden is hidden as a whole. */
const MIN_HIDDEN_CHARACTERS = 4;
/** The depth at which a text that is JSON may stand in others. */
const MAX_TEXT_DEPTH = 8;
/** A text that was meant to be JSON: where it can't be read, it was cut or spoiled. */
const BROKEN_JSON = /^\s*[[{](?:\s*["[{]|[^]*"\s*:)/;

/** Whether an obligation says what it hides or shows in a form that is understood. */
export function isMasking({ type, properties }: Obligation): boolean {
  const { fields, modes } = properties;
  const isListed = Array.isArray(fields) && fields.every((field) => typeof field === 'string' && field !== '');
  return isListed && (type !== 'mask' || modes === undefined || modes === null || isRecord(modes));
}

/**
 * Returns the value as it may be seen. Values that JSON writes in a form of their own (dates, `toJSON`) are taken as they
 * are written.
 * @throws TypeError where the value has no fields that could be hidden, or an obligation can't be read
 */
export function applyMask<T>(value: T, obligations: readonly Obligation[]): T {
  const masking = selectMasking(obligations);
  if (masking.length === 0) return value;
  const plain: unknown = value === undefined ? undefined : JSON.parse(JSON.stringify(value));
  return applyMasking(plain, masking) as T;
}

/** Changes a value that was read from JSON before it is masked. @throws where it may not be shown */
export type PrepareValue = (value: unknown) => unknown;

/**
 * Returns a JSON text as it may be seen, where the record may be within it: a field is hidden in every object, whatever it
 * stands in, also in texts that are JSON. The fields that may be shown are those of the value itself, or of its elements.
 * `null` stays it.
 * @param prepare is given the value, and those of the texts within
 * @throws JsonProblem where the text can't be written again as it is; TypeError as `applyMask`, and for a list within a list,
 * whose members no mask knows
 */
export function maskJson(
  text: string,
  obligations: readonly Obligation[],
  prepare: PrepareValue = (same) => same,
): string {
  const value = parseExactJson(text);
  // Nothing is all that it says.
  if (value === null) return 'null';
  const masking = selectMasking(obligations);
  return JSON.stringify(masking.length === 0 ? value : applyMasking(prepare(value), masking, prepare));
}

/**
 * Masks a text that stands in a field: one that isn't JSON as a whole is shown, unless a part of the field is hidden, since it may be
 * in the text.
 * @param trees as `hideFields` has them: the record may go on in the text, as a column of JSON does
 */
function hideInText(text: string, trees: readonly FieldTree<unknown>[], anywhere: Anywhere): string | typeof REMOVED {
  const hidesPart = trees.some((tree) => tree !== anywhere.tree);
  const plain = hidesPart ? REMOVED : text;
  if (!/^\s*["[{]/.test(text)) return plain;
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch (error) {
    if (isAnyJson(text) || BROKEN_JSON.test(text)) throw error;
    return plain;
  }
  if (anywhere.depth === MAX_TEXT_DEPTH) throw new TypeError('texts are within texts too deeply');
  const deeper = { ...anywhere, depth: anywhere.depth + 1 };
  const masked =
    typeof value === 'string'
      ? hideInText(value, trees, deeper)
      : hideFields(requireFields(anywhere.prepare(value)), trees, deeper);
  if (masked === REMOVED) return REMOVED;
  const [before, after] = [JSON.stringify(value), JSON.stringify(masked)];
  return before === after ? text : after;
}

/** Tells whether a reader that is less strict could read it. */
function isAnyJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** @throws TypeError where one can't be read */
function selectMasking(obligations: readonly Obligation[]): readonly Obligation[] {
  const masking = obligations.filter(({ type }) => MASKING_TYPES.includes(type));
  if (!masking.every(isMasking)) throw new TypeError('the mask can not be read');
  return masking;
}

/**
 * @param plain a value that was read from JSON
 * @param prepare is given where the record may be anywhere within the value
 * @throws TypeError where it has no fields, or is a list of anything but objects
 */
function applyMasking(plain: unknown, masking: readonly Obligation[], prepare?: PrepareValue): unknown {
  return masking.reduce<unknown>(
    (masked, obligation) => applyObligation(masked, obligation, prepare),
    requireFields(plain),
  );
}

function requireFields(value: unknown): unknown {
  const hasFields = Array.isArray(value) ? value.every(isRecord) : isRecord(value);
  if (!hasFields) throw new TypeError('what is to be masked has no fields');
  return value;
}

function applyObligation(value: unknown, { type, properties }: Obligation, prepare: PrepareValue | undefined): unknown {
  const fields = properties['fields'] as readonly string[];
  if (type === 'visible_fields')
    return keepFields(
      value,
      buildTree(fields, () => true as const),
    );
  const modes = isRecord(properties['modes']) ? properties['modes'] : {};
  const tree = buildTree(fields, (field) => (Object.hasOwn(modes, field) ? modes[field] : 'remove'));
  return hideFields(value, [tree], prepare === undefined ? undefined : { tree, prepare, depth: 0 });
}

/** A tree of fields by the parts of their paths; `end` is set where a field's path ends. */
interface FieldTree<T> {
  end?: { readonly mode: T };
  readonly parts: Map<string, FieldTree<T>>;
}

function buildTree<T>(fields: readonly string[], modeOf: (field: string) => T): FieldTree<T> {
  const root: FieldTree<T> = { parts: new Map() };
  for (const field of fields) {
    let node = root;
    for (const part of field.split('.')) {
      const next = node.parts.get(part) ?? { parts: new Map<string, FieldTree<T>>() };
      node.parts.set(part, next);
      node = next;
    }
    node.end = { mode: modeOf(field) };
  }
  return root;
}

/** Descends by a member's name, which may itself be a path: a record may have `address.street` as one name. */
function descend<T>(tree: FieldTree<T>, name: string): FieldTree<T> | undefined {
  let node: FieldTree<T> | undefined = tree;
  for (const part of name.split('.')) {
    node = node.parts.get(part);
    if (node === undefined || node.end !== undefined) return node;
  }
  return node;
}

function keepFields(value: unknown, tree: FieldTree<true>): unknown {
  if (Array.isArray(value))
    return value.map((element) => keepFields(element, tree)).filter((element) => element !== REMOVED);
  if (!isRecord(value)) return REMOVED;
  return mapMembers(value, (name, inner) => {
    const node = descend(tree, name);
    if (node === undefined) return REMOVED;
    return node.end === undefined ? keepFields(inner, node) : inner;
  });
}

/** The tree whose fields may begin in any object, and what is done with texts, which may stand in others. */
interface Anywhere {
  readonly tree: FieldTree<unknown>;
  readonly prepare: PrepareValue;
  readonly depth: number;
}

/** @param trees the places in the tree of fields that the value may stand at */
function hideFields(value: unknown, trees: readonly FieldTree<unknown>[], anywhere: Anywhere | undefined): unknown {
  if (Array.isArray(value)) {
    // A row of a table has no names, so it can't be told what is hidden of it.
    if (anywhere !== undefined && value.some(Array.isArray)) throw new TypeError('a list within a list has no fields');
    return value.map((element) => hideFields(element, trees, anywhere)).filter((element) => element !== REMOVED);
  }
  if (typeof value === 'string' && anywhere !== undefined) return hideInText(value, trees, anywhere);
  if (!isRecord(value)) return value;
  return mapMembers(value, (name, inner) => {
    const nodes = trees.flatMap((tree) => descend(tree, name) ?? []);
    const [end] = nodes.flatMap((node) => node.end ?? []);
    if (end !== undefined) return hideValue(inner, end.mode);
    if (nodes.length === 0 && anywhere === undefined) return inner;
    return hideFields(inner, anywhere === undefined ? nodes : [...nodes, anywhere.tree], anywhere);
  });
}

function mapMembers(
  value: Readonly<Record<string, unknown>>,
  change: (name: string, inner: unknown) => unknown,
): object {
  const members = Object.entries(value).map(([name, inner]) => [name, change(name, inner)] as const);
  return Object.fromEntries(members.filter(([, inner]) => inner !== REMOVED));
}

/** Only the service has the key of a hash, so a field that is to be hashed is removed; so is one of an unknown mode. */
function hideValue(value: unknown, mode: unknown): unknown {
  if (mode === 'null') return null;
  if (mode !== 'redact' && mode !== 'last4') return REMOVED;
  if (Array.isArray(value)) return value.map((element) => hideValue(element, mode));
  return mode === 'redact' ? '[redacted]' : showEnding(value);
}

function showEnding(value: unknown): string {
  // A number counts as JSON writes it, which knows none that is too large.
  const text = typeof value === 'string' ? value : typeof value === 'number' ? JSON.stringify(value) : '';
  const characters = Array.from(text);
  const isLong = characters.length >= VISIBLE_CHARACTERS + MIN_HIDDEN_CHARACTERS;
  return `****${isLong ? characters.slice(-VISIBLE_CHARACTERS).join('') : ''}`;
}
