/** What varies of those whom and which a request is about: their attributes, what they are in, and who they are. */
import type { CedarType, Members } from '../../policy/schema/types.js';
import type { EntityType } from '../../policy/schema/action.js';
import { IDS, type Draft } from './draft.js';
import type { Known } from './kinds.js';
import type { Dimension, Matter, Value } from './matter.js';
import { valuesOf } from './values.js';

/** Of entities that policies name, how many a request tries to be, or to be in. */
const MAX_NAMED = 8;

/** The attributes of one of those that Cedar is given, as either set of rules declares them, and what it is in. */
export function entityDimensions(
  matter: Matter,
  of: keyof Draft['attributes'],
  called: string,
  typeOf: (known: Known) => EntityType | undefined,
): Dimension[] {
  const types = matter.kind.known.flatMap((known) => typeOf(known) ?? []);
  const parents = matter.literals.entities
    .filter(({ type }) => types.some(({ ancestors }) => ancestors.has(type)))
    .slice(0, MAX_NAMED)
    .map(({ type, id }): Dimension => ({
      name: `${called} in`,
      read: '',
      values: [
        { text: 'nothing', put: () => undefined },
        {
          text: `${type}::"${id}"`,
          put: ({ ancestors }) => ancestors[of].push({ type: objectOf(matter.kind.known, type), id }),
        },
      ],
    }));
  return [
    ...members(
      matter,
      types.map(({ attributes }) => attributes),
      called,
      [],
      ({ attributes }) => attributes[of],
    ),
    ...parents,
  ];
}

/** Declared by the later rules, or only by the earlier. */
function members(
  matter: Matter,
  declared: readonly Members[],
  called: string,
  path: readonly string[],
  within: (draft: Draft) => Record<string, unknown>,
): Dimension[] {
  const names = [...new Set(declared.flatMap((members) => Object.keys(members)))];
  return names.flatMap((name) => {
    const members = declared
      .flatMap((of) => (Object.hasOwn(of, name) ? [of[name]] : []))
      .filter((m) => m !== undefined);
    const optional = members.length < declared.length || members.some(({ required }) => !required);
    if (optional && !matter.reads.has(name)) return [];
    const at = [...path, name];
    const text = [called, ...at].join('.');
    const types = members.map(({ type }) => type);
    const own = oneMember(matter, types, called, at, within);
    const gone: Dimension = {
      name: text,
      read: name,
      values: [
        { text: 'there', put: () => undefined },
        { text: 'not there', put: (draft) => Reflect.deleteProperty(inner(within(draft), path), name) },
      ],
    };
    return optional ? [...own, gone] : own;
  });
}

/** @param types at least one: the earlier declaration's, then the later one's */
function oneMember(
  matter: Matter,
  types: readonly CedarType[],
  called: string,
  at: readonly string[],
  within: (draft: Draft) => Record<string, unknown>,
): Dimension[] {
  const records = types.flatMap((one) => (one.kind === 'Record' ? [one.members] : []));
  if (records.length > 0) {
    // There even where none of its members are.
    const whole: Dimension = {
      name: [called, ...at].join('.'),
      read: '',
      values: [{ text: 'there', put: (d) => void inner(within(d), at) }],
    };
    return [whole, ...members(matter, records, called, at, within)];
  }
  const name = at.at(-1) ?? '';
  const type = types.at(-1);
  if (type === undefined) return [];
  const isRead = matter.reads.has(name);
  const values = valuesOf(type, { literals: matter.literals.of(name), ids: (entity) => idsOf(matter, entity) });
  return [
    {
      name: [called, ...at].join('.'),
      read: name,
      values: (isRead ? values : values.slice(0, 1)).map((value) => ({
        text: JSON.stringify(value),
        put: (draft) => {
          inner(within(draft), at.slice(0, -1))[name] = value;
        },
      })),
    },
  ];
}

/** Ids that stand for those who are asked about, and those that policies name. */
function idsOf({ kind: { user, agent, resource, known }, literals }: Matter, entityType: string): string[] {
  const object = objectOf(known, entityType);
  return [
    ...(object === user ? [IDS.user] : []),
    ...(object === agent ? [IDS.agent] : []),
    ...(object === resource ? [IDS.resource] : []),
    ...literals.entities.filter(({ type }) => type === entityType).map(({ id }) => id),
  ];
}

/** Being one that a policy names. */
export function identityDimensions(
  { kind, literals }: Matter,
  of: keyof Draft['ids'],
  typeOf: (known: Known) => EntityType,
): Dimension[] {
  const names = new Set(kind.known.map((known) => typeOf(known).name));
  const ids = literals.entities.filter(({ type }) => names.has(type)).slice(0, MAX_NAMED);
  const values = [IDS[of], ...ids.map(({ id }) => id)].map((id): Value => ({
    text: id,
    put: (draft) => {
      draft.ids[of] = id;
    },
  }));
  return ids.length === 0 ? [] : [{ name: `${of}'s id`, read: '', values }];
}

/** What the request itself says. */
export function saidDimensions(matter: Matter, name: 'action' | 'request'): Dimension[] {
  const declared = matter.kind.known.flatMap(({ action }) => {
    const type = action.context[name]?.type;
    return type?.kind === 'Record' ? [type.members] : [];
  });
  const part = name === 'action' ? 'action' : 'context';
  return members(matter, declared, `context.${name}`, [], ({ said }) => said[part]);
}

function objectOf(known: readonly Known[], entityType: string): string {
  const objects = known.map(({ rules }) => rules.vocabulary.objectOf(entityType));
  return objects.find((object) => object !== entityType) ?? entityType;
}

/** The record at a path, made where it isn't there. */
function inner(record: Record<string, unknown>, path: readonly string[]): Record<string, unknown> {
  return path.reduce<Record<string, unknown>>((at, name) => (at[name] ??= {}) as Record<string, unknown>, record);
}
