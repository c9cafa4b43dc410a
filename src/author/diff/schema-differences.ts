/** Compares two schemas: their actions, what each action asks for, and how the graph grants its permission. */
import { isDeepStrictEqual } from 'node:util';
import { significantTokens, tokenizeSchema } from '../../graph/schema/lexer.js';
import type { Rules } from '../../policy/load.js';
import type { CedarType, RecordMembers } from '../../policy/schema/types.js';
import type { Action, Elevation } from '../../policy/schema/action.js';

export interface SchemaDifference {
  readonly what: 'action' | 'definition' | 'permission' | 'relation' | 'caveat';
  readonly change: 'added' | 'removed' | 'changed';
  /** `delete employee`, `employee#view`. */
  readonly name: string;
  /** `@scope: "a" becomes "b"`; empty for what was added or removed. */
  readonly details: readonly string[];
}

export function compareSchemas(before: Rules, after: Rules): SchemaDifference[] {
  const graph = [
    ...compareByName('definition', definitionsByName(before), definitionsByName(after), () => []),
    ...compareRelationMembers(before, after),
  ];
  const actions = compareByName('action', actionsByName(before), actionsByName(after), compareActions);
  const same = normalizeSchema(before.graph.text) === normalizeSchema(after.graph.text);
  // Only caveats are left: SpiceDB alone can parse them, and everything else of the schema has been compared.
  if (same || graph.length > 0) return [...actions, ...graph];
  return [...actions, { what: 'caveat', change: 'changed', name: after.graph.file, details: ['is written otherwise'] }];
}

/**
 * Takes out comments, and white space as far as it means nothing. A text with a bare carriage return stays as it is: it
 * ends a comment for SpiceDB and not for CEL, so what a caveat means can hang on it.
 */
function normalizeSchema(schema: string): string {
  if (/\r(?!\n)/.test(schema)) return schema;
  return significantTokens(tokenizeSchema(schema))
    .map(({ text }) => text)
    .join(' ');
}

/**
 * Whether the graph may grant more than before. The relationships aren't known here, so every change of a member that
 * existed counts.
 */
export function mayGrantMore({ what: category, change }: SchemaDifference): boolean {
  return change !== 'added' && ['permission', 'relation', 'caveat'].includes(category);
}

function actionsByName({ vocabulary }: Rules): ReadonlyMap<string, Action> {
  return new Map(
    vocabulary.actions.flatMap((action) =>
      action.resourceTypes.map((type) => [`${action.name} ${type.object}`, action]),
    ),
  );
}

type DeclaredValue = string | readonly string[] | undefined;

function compareActions(before: Action, after: Action): string[] {
  const declarationsOf = (action: Action): Record<string, DeclaredValue> => ({
    '@permission': action.permission,
    '@agent_permission': action.agentPermission,
    '@scope': action.scope,
    'scope for background use': action.backgroundScope,
    '@consent': action.consent,
    '@effect': action.effect,
    '@limit': action.limits.map(({ text }) => text),
    '@amount': action.amount?.join('.'),
    '@elevation': action.elevation && formatElevation(action.elevation),
    '@emergency': action.emergency,
    '@title': action.title,
    principals: action.principalTypes.map(({ object }) => object).sort(),
    groups: action.groups.map(({ id }) => id).sort(),
    context: memberLines(action.context, 'context'),
    attributes: [...action.principalTypes, ...action.resourceTypes].flatMap(({ object, attributes, ancestors }) => [
      ...memberLines(attributes, object),
      ...[...ancestors].sort().map((type) => `${object} in ${type}`),
    ]),
  });
  const [was, is] = [declarationsOf(before), declarationsOf(after)];
  return Object.keys(was).flatMap((key) =>
    isDeepStrictEqual(was[key], is[key]) ? [] : [`${key}: ${describeValueChange(was[key], is[key])}`],
  );
}

function formatElevation({ relation, by, seconds, condition }: Elevation): string {
  return `${relation} by ${by} for ${seconds} s if ${condition}`;
}

/** One line for each member and for each member within it: `employee.ssn?: String @class("pii")`. */
function memberLines(members: RecordMembers, prefix: string): string[] {
  return Object.entries(members).flatMap(([name, { type, required, annotations }]) => {
    const notes = Object.entries(annotations).map(([key, value]) => ` @${key}(${JSON.stringify(value)})`);
    const path = `${prefix}.${name}${required ? '' : '?'}`;
    return [
      `${path}: ${cedarTypeText(type)}${notes.join('')}`,
      ...(type.kind === 'Record' ? memberLines(type.members, path) : []),
    ];
  });
}

function cedarTypeText(type: CedarType): string {
  switch (type.kind) {
    case 'Set':
      return `Set<${type.element.kind === 'Record' ? memberLines(type.element.members, '').join(', ') : cedarTypeText(type.element)}>`;
    case 'Entity':
    case 'Extension':
      return type.name;
    default:
      return type.kind;
  }
}

function declaredValueText(value: DeclaredValue): string {
  return value === undefined ? 'none' : JSON.stringify(value);
}

/** Describes a changed value; only the elements that differ are named of a list. */
function describeValueChange(was: DeclaredValue, is: DeclaredValue): string {
  if (typeof was !== 'object' || typeof is !== 'object')
    return `${declaredValueText(was)} becomes ${declaredValueText(is)}`;
  const only = (a: readonly string[], b: readonly string[]): string[] => a.filter((item) => !b.includes(item));
  return [...only(was, is).map((item) => `without ${item}`), ...only(is, was).map((item) => `with ${item}`)].join(', ');
}

function definitionsByName({ graph }: Rules): ReadonlyMap<string, unknown> {
  return new Map(graph.definitionNames().map((name) => [name, undefined]));
}

/** Compares the permissions and relations of the definitions that both schemas have. */
function compareRelationMembers(before: Rules, after: Rules): SchemaDifference[] {
  const common = before.graph.definitionNames().filter((name) => after.graph.hasDefinition(name));
  const membersByName = ({ graph }: Rules, kind: 'permission' | 'relation'): ReadonlyMap<string, unknown> =>
    new Map(
      common.flatMap((type) =>
        graph.memberNames(type).flatMap((name) => {
          const expression = graph.permissionExpression(type, name);
          if ((expression !== undefined) !== (kind === 'permission')) return [];
          return [[`${type}#${name}`, withoutRanges(expression ?? graph.relationTypes(type, name))]];
        }),
      ),
    );
  return (['permission', 'relation'] as const).flatMap((kind) =>
    compareByName(kind, membersByName(before, kind), membersByName(after, kind), (a, b) =>
      isDeepStrictEqual(a, b) ? [] : ['is defined otherwise'],
    ),
  );
}

/** Takes out the ranges, so that a definition that only moved in its file is the same. */
function withoutRanges(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutRanges);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).flatMap(([key, value]) => (key === 'range' ? [] : [[key, withoutRanges(value)]])),
  );
}

function compareByName<T>(
  category: SchemaDifference['what'],
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  compare: (before: T, after: T) => readonly string[],
): SchemaDifference[] {
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names.flatMap((name): SchemaDifference[] => {
    if (!before.has(name)) return [{ what: category, change: 'added', name, details: [] }];
    if (!after.has(name)) return [{ what: category, change: 'removed', name, details: [] }];
    const details = compare(before.get(name) as T, after.get(name) as T);
    return details.length === 0 ? [] : [{ what: category, change: 'changed', name, details }];
  });
}
