/** Duties: what `@duty("mask:pii, notification:owner")` means, one registry entry a kind. */
import { meant, type Problem } from '../diagnostics/diagnostics.js';
import { OBLIGATION_TYPES, type Obligation, type ObligationType } from '../model/obligations.js';
import type { EntityType } from './schema/action.js';

/** One entry of a `@duty` annotation. */
export interface Duty {
  readonly kind: ObligationType;
  readonly argument: string;
}

interface Kind {
  /** Why the argument doesn't fit a resource type; undefined if it does. */
  problem(argument: string, resource: EntityType): Problem | undefined;
  /**
   * All duties of this kind that apply, united; undefined where nothing is left to do.
   * @param given the arguments of each policy that has any
   */
  unite(given: readonly (readonly string[])[], resource: EntityType, occasion: Occasion): Properties | undefined;
  /** Whether whoever does the one has done the other as well. */
  covers(one: Properties, other: Properties): boolean;
}

type Properties = Obligation['properties'];

/** What a notification is about: `topic` is the same for every such request, `body` is a sentence for people. */
export interface Occasion {
  readonly topic: string;
  readonly body: string;
}

/** Ways to mask a field, the strictest first: where several duties speak of one field, the strictest holds. */
export const MASK_MODES = ['remove', 'null', 'redact', 'hash', 'last4'] as const;
export type MaskMode = (typeof MASK_MODES)[number];

function isMaskMode(text: string): text is MaskMode {
  return MASK_MODES.some((mode) => mode === text);
}

const KINDS = {
  /** `mask:<class or attribute>[=<mode>]`: these fields must not be shown, or not as they are. */
  mask: {
    problem: (argument, resource) => {
      const [what = '', mode] = argument.split('=');
      if (mode !== undefined && !isMaskMode(mode))
        return {
          message: `"${mode}" is no way to mask: ${MASK_MODES.join(', ')}`,
          suggestion: meant(mode, MASK_MODES),
        };
      return unknownField(what, resource);
    },
    unite: (given, resource) => {
      const modes = new Map<string, MaskMode>();
      for (const argument of given.flat()) {
        const [what = '', said] = argument.split('=');
        const mode = said !== undefined && isMaskMode(said) ? said : 'remove';
        for (const field of fieldsOf(what, resource)) {
          const before = modes.get(field);
          if (before === undefined || MASK_MODES.indexOf(mode) < MASK_MODES.indexOf(before)) modes.set(field, mode);
        }
      }
      const fields = [...modes.keys()].sort();
      const others = fields.filter((field) => modes.get(field) !== 'remove');
      if (fields.length === 0) return undefined;
      // Removing is what masking means where nothing else is said.
      return others.length === 0
        ? { fields }
        : { fields, modes: Object.fromEntries(others.map((f) => [f, modes.get(f)])) };
    },
    covers: (one, other) =>
      listed(other, 'fields').every((field) =>
        listed(one, 'fields').some((of) => isWithin(field, of) && strictness(one, of) <= strictness(other, field)),
      ),
  },
  /**
   * `visible_fields:<class or attribute>`: these and no others may be shown. One policy's several are shown together; of
   * several policies what all of them show.
   */
  visible_fields: {
    problem: unknownField,
    unite: (given, resource) => {
      const lists = given.map((arguments_) => arguments_.flatMap((argument) => fieldsOf(argument, resource)));
      const shown = [...new Set(lists.flat())].filter((field) => lists.every((list) => list.some((of) => isWithin(field, of)))); // prettier-ignore
      return { fields: shown.filter((field) => !shown.some((of) => of !== field && isWithin(field, of))).sort() };
    },
    covers: (one, other) =>
      listed(one, 'fields').every((field) => listed(other, 'fields').some((of) => isWithin(field, of))),
  },
  /** `notification:<whom>`: the client notifies them. */
  notification: {
    problem: (argument) =>
      /^[\w.@:/-]{1,128}$/.test(argument) ? undefined : { message: `"${argument}" is not a name of whom to notify` },
    unite: (given, _, occasion) => ({ to: [...new Set(given.flat())].sort(), ...occasion }),
    covers: (one, other) => listed(other, 'to').every((whom) => listed(one, 'to').includes(whom)),
  },
} satisfies Record<ObligationType, Kind>;

/** Kinds of duties that had another name before: an error says the new one. */
const RENAMED: ReadonlyMap<string, ObligationType> = new Map([['notify', 'notification']]);

/** @param report takes what is wrong; such an entry is left out */
export function parseDuties(text: string, report: (problem: Problem) => void): Duty[] {
  return text.split(',').flatMap((part) => {
    const [kind = '', ...rest] = part.trim().split(':');
    const argument = rest.join(':').trim();
    if (isKind(kind) && argument !== '') return [{ kind, argument }];
    const renamed = RENAMED.get(kind);
    report(
      renamed !== undefined
        ? { message: `@duty "${kind}" is now called "${renamed}"`, suggestion: `did you mean "${renamed}"?` }
        : isKind(kind)
          ? { message: `@duty "${kind}" needs an argument, as in "mask:pii"` }
          : {
              message: `@duty "${part.trim()}" is of no known kind: ${OBLIGATION_TYPES.join(', ')}`,
              suggestion: meant(kind, OBLIGATION_TYPES),
            },
    );
    return [];
  });
}

/** Why `duty` fits none of the resource types it can apply to; undefined if it fits one. */
export function dutyProblem(duty: Duty, resources: readonly EntityType[]): Problem | undefined {
  const problems = resources.map((resource) => KINDS[duty.kind].problem(duty.argument, resource));
  return problems.includes(undefined) ? undefined : problems[0];
}

/**
 * The obligations of all duties that apply, one a kind, in a fixed order.
 * @param duties those of each policy
 */
export function obligationsOf(
  duties: readonly (readonly Duty[])[],
  resource: EntityType,
  occasion: Occasion,
): Obligation[] {
  const united = OBLIGATION_TYPES.flatMap((type): Obligation[] => {
    const given = duties.map((of) => of.filter((d) => d.kind === type).map((d) => d.argument));
    const some = given.filter((of) => of.length > 0);
    const properties = some.length === 0 ? undefined : KINDS[type].unite(some, resource, occasion);
    return properties === undefined ? [] : [{ id: type, type, properties }];
  });
  return united.map((one) => (one.type === 'visible_fields' ? withoutRemoved(one, united) : one));
}

/** Whether whoever meets the ones has met the others as well: there is as much to do, or more. */
export function coverObligations(ones: readonly Obligation[], others: readonly Obligation[]): boolean {
  return others.every((other) =>
    ones.some((one) => one.type === other.type && KINDS[one.type].covers(one.properties, other.properties)),
  );
}

/** What a mask removes altogether isn't visible either. */
function withoutRemoved(visible: Obligation, all: readonly Obligation[]): Obligation {
  const { fields = [], modes = {} } = (all.find(({ type }) => type === 'mask')?.properties ?? {}) as {
    readonly fields?: readonly string[];
    readonly modes?: Readonly<Record<string, MaskMode>>;
  };
  const removed = fields.filter((field) => !Object.hasOwn(modes, field));
  const shown = (visible.properties['fields'] as readonly string[]).filter(
    (field) => !removed.some((of) => isWithin(field, of)),
  );
  return { ...visible, properties: { fields: shown } };
}

function listed(properties: Properties, name: string): readonly string[] {
  const value = properties[name];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** Of the way that a field is masked: the less the stricter. */
function strictness({ modes = {} }: { readonly modes?: Readonly<Record<string, MaskMode>> }, field: string): number {
  return MASK_MODES.indexOf(modes[field] ?? 'remove');
}

function isKind(kind: string): kind is ObligationType {
  return Object.hasOwn(KINDS, kind);
}

function unknownField(argument: string, resource: EntityType): Problem | undefined {
  if (fieldsOf(argument, resource).length > 0) return undefined;
  return {
    message: `"${resource.name}" has no attribute of @class("${argument}") and none called so`,
    suggestion: meant(argument, [...resource.classes.keys(), ...resource.paths]),
  };
}

/** The paths that a class stands for, or the one that is called so. */
function fieldsOf(argument: string, resource: EntityType): readonly string[] {
  return resource.classes.get(argument) ?? (resource.paths.has(argument) ? [argument] : []);
}

/** Whether the field is the other or a part of it: `address.street` of `address`. */
function isWithin(field: string, other: string): boolean {
  return field === other || field.startsWith(`${other}.`);
}
