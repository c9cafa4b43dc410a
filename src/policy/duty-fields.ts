/** The fields that duties name: which ones, how masks hide them, and how duties are written about them. */
import type { Problem } from '../diagnostics/diagnostics.js';
import { suggestNearest } from '../diagnostics/suggest.js';
import type { Obligation } from '../model/obligations.js';
import type { EntityType } from './schema/action.js';

type DutyProperties = Obligation['properties'];

/** The ways to mask a field, the strictest first: of several duties about one field the strictest holds. */
export const MASK_MODES = ['remove', 'null', 'redact', 'hash', 'last4'] as const;
export type MaskMode = (typeof MASK_MODES)[number];

export function isMaskMode(text: string): text is MaskMode {
  return MASK_MODES.some((mode) => mode === text);
}

/** Finds the mode in which the obligations hide a field; undefined where they show it, or where they hide only a part of it. */
export function findMaskMode(obligations: readonly Obligation[], field: string): MaskMode | undefined {
  const visible = obligations.find(({ type }) => type === 'visible_fields')?.properties;
  const isVisible = (listed: string): boolean =>
    isSameOrNestedField(field, listed) || isSameOrNestedField(listed, field);
  if (visible !== undefined && !stringList(visible, 'fields').some(isVisible)) return 'remove';
  return strictestMaskMode(obligations.find(({ type }) => type === 'mask')?.properties, field);
}

export function stringList(properties: DutyProperties | undefined, name: string): readonly string[] {
  const value = properties?.[name];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** The mode in which a mask hides one of its own fields. */
export function listedMaskMode(properties: DutyProperties, field: string): MaskMode {
  const { modes = {} } = properties as { readonly modes?: Readonly<Record<string, MaskMode>> };
  return Object.hasOwn(modes, field) ? (modes[field] ?? 'remove') : 'remove';
}

/** The strictest mode in which a mask hides the field, or what it is a part of; undefined where it hides neither. */
export function strictestMaskMode(properties: DutyProperties | undefined, field: string): MaskMode | undefined {
  if (properties === undefined) return undefined;
  const modes = stringList(properties, 'fields')
    .filter((listed) => isSameOrNestedField(field, listed))
    .map((listed) => listedMaskMode(properties, listed));
  return MASK_MODES.find((mode) => modes.includes(mode));
}

export function formatMask(field: string, mode: MaskMode): string {
  return `mask:${field}${mode === 'remove' ? '' : `=${mode}`}`;
}

export function formatVisibleFields(properties: DutyProperties): string {
  const fields = stringList(properties, 'fields');
  return fields.length === 0
    ? 'visible_fields of nothing'
    : fields.map((field) => `visible_fields:${field}`).join(', ');
}

export function findFieldProblem(argument: string, resource: EntityType): Problem | undefined {
  if (resolveFields(argument, resource).length > 0) return undefined;
  return {
    message: `"${resource.name}" has no attribute of @class("${argument}") and none called so`,
    suggestion: suggestNearest(argument, [...resource.classes.keys(), ...resource.paths]),
  };
}

/** The paths of a class's attributes, or the path itself. */
export function resolveFields(argument: string, resource: EntityType): readonly string[] {
  return resource.classes.get(argument) ?? (resource.paths.has(argument) ? [argument] : []);
}

/** Whether a field is another one or a part of it: `address.street` of `address`. */
export function isSameOrNestedField(field: string, ancestor: string): boolean {
  return field === ancestor || field.startsWith(`${ancestor}.`);
}
