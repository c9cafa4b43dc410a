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

const KINDS = {
  /** `mask:<class or attribute>`: these fields must not be shown. */
  mask: {
    problem: (argument, resource) =>
      fieldsOf(argument, resource).length > 0
        ? undefined
        : `"${resource.name}" has no attribute of @class("${argument}") and none called so${didYouMean(argument, [...resource.classes.keys(), ...Object.keys(resource.attributes)])}`,
    unite: (arguments_, resource) => {
      const fields = [...new Set(arguments_.flatMap((a) => fieldsOf(a, resource)))].sort();
      return fields.length === 0 ? undefined : { fields };
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
