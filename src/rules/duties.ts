/** Duties: what `@duty("mask:pii, notify:owner")` means, one registry entry a kind. */
import { ConfigError } from '../model/faults.js';
import type { EntityType } from './vocabulary.js';
import { didYouMean } from './suggest.js';

/** One entry of a `@duty` annotation. */
export interface Duty {
  readonly kind: ObligationType;
  readonly argument: string;
}

/** What a client must do if it goes on (AuthZEN obligations). */
export interface Obligation {
  readonly id: string;
  readonly type: ObligationType;
  readonly properties: Readonly<Record<string, unknown>>;
}

export type ObligationType = keyof typeof KINDS;

interface Kind {
  /** Why the argument doesn't fit a resource type; undefined if it does. */
  problem(argument: string, resource: EntityType): string | undefined;
  /** All duties of this kind that apply, united; undefined where nothing is left to do. */
  unite(arguments_: readonly string[], resource: EntityType): Readonly<Record<string, unknown>> | undefined;
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
        return `"${mode}" is no way to mask${didYouMean(mode, MASK_MODES)}: ${MASK_MODES.join(', ')}`;
      return fieldsOf(what, resource).length > 0
        ? undefined
        : `"${resource.name}" has no attribute of @class("${what}") and none called so${didYouMean(what, [...resource.classes.keys(), ...Object.keys(resource.attributes)])}`;
    },
    unite: (arguments_, resource) => {
      const modes = new Map<string, MaskMode>();
      for (const argument of arguments_) {
        const [what = '', given] = argument.split('=');
        const mode = given !== undefined && isMaskMode(given) ? given : 'remove';
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
  },
  /** `notify:<whom>`: the client tells them. */
  notify: {
    problem: (argument) =>
      /^[\w.@:/-]{1,128}$/.test(argument) ? undefined : `"${argument}" is not a name of whom to notify`,
    unite: (arguments_) => ({ to: [...new Set(arguments_)].sort() }),
  },
} satisfies Record<string, Kind>;

export const OBLIGATION_TYPES = Object.keys(KINDS) as ObligationType[];

/** @throws ConfigError naming the policy's place */
export function parseDuties(text: string, source: string): Duty[] {
  return text.split(',').map((part) => {
    const [kind = '', ...rest] = part.trim().split(':');
    const argument = rest.join(':').trim();
    if (!isKind(kind))
      throw new ConfigError(
        `@duty "${part.trim()}" is of no known kind${didYouMean(kind, OBLIGATION_TYPES)}: ${OBLIGATION_TYPES.join(', ')}`,
        source,
      );
    if (argument === '') throw new ConfigError(`@duty "${kind}" needs an argument, as in "mask:pii"`, source);
    return { kind, argument };
  });
}

/** Why `duty` fits none of the resource types it can apply to; undefined if it fits one. */
export function dutyProblem(duty: Duty, resources: readonly EntityType[]): string | undefined {
  const problems = resources.map((resource) => KINDS[duty.kind].problem(duty.argument, resource));
  return problems.includes(undefined) ? undefined : problems[0];
}

/** The obligations of all duties that apply, one a kind, in a fixed order. */
export function obligationsOf(duties: readonly Duty[], resource: EntityType): Obligation[] {
  return OBLIGATION_TYPES.flatMap((type) => {
    const of = duties.filter((d) => d.kind === type).map((d) => d.argument);
    const properties = of.length === 0 ? undefined : KINDS[type].unite(of, resource);
    return properties === undefined ? [] : [{ id: type, type, properties }];
  });
}

function isKind(kind: string): kind is ObligationType {
  return Object.hasOwn(KINDS, kind);
}

function fieldsOf(argument: string, resource: EntityType): readonly string[] {
  return resource.classes.get(argument) ?? (Object.hasOwn(resource.attributes, argument) ? [argument] : []);
}
