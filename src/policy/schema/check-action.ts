/** Checks what an action's declaration must keep to, beyond Cedar's own grammar. */
import type { FindingCollector } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { LOCAL_TIME_MEMBERS } from '../../runtime/local-time.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import type { Action, EntityType } from './action.js';
import { checkPermission, type LocatePart } from './declarations.js';

/** The scope-token of RFC 6749 section 3.3. */
export const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

export const CONSENT_VALUES = ['standing', 'each'] as const;
export const EFFECT_VALUES = ['read', 'write', 'delete'] as const;

/** The members of `context` that Remit supplies. */
export const CONTEXT_MEMBERS = [
  'user', 'delegation', 'can', 'agent_can', 'now', 'local', 'consent', 'approval', 'budget', 'history', 'claims',
  'action', 'request',
] as const; // prettier-ignore
export type ContextMember = (typeof CONTEXT_MEMBERS)[number];

/** The types of those that must be declared with one; `can` and `agent_can` are records of Bools. */
const CONTEXT_MEMBER_KINDS = {
  user: 'Entity',
  delegation: 'Record',
  now: 'datetime',
  local: 'Record',
  history: 'Record',
  claims: 'Record',
  action: 'Record',
  request: 'Record',
} as const;

/** Members that a question may lack, with what is missing then. */
const ABSENT_WHERE = {
  consent: 'it is absent until the user has consented',
  approval: 'it is absent until what is asked has been approved',
  budget: 'it is absent where nothing has a limit',
} as const;

/** The members that a question may lack and that the action's context declares as always there. */
export function listNeedlesslyRequired({ context, limits }: Action): (keyof typeof ABSENT_WHERE)[] {
  const names = Object.keys(ABSENT_WHERE) as (keyof typeof ABSENT_WHERE)[];
  return names.filter((name) => context[name]?.required === true && (name !== 'budget' || limits.length === 0));
}

/** @param annotations of the action, whose values may be none of those that there are */
export function checkAction(
  action: Action,
  { consent, effect }: Readonly<Record<string, string>>,
  locate: LocatePart,
  findings: FindingCollector,
): void {
  for (const [annotation, scope] of [
    ['scope', action.scope],
    ['background_scope', action.backgroundScope],
  ] as const) {
    if (scope === undefined || SCOPE_TOKEN.test(scope)) continue;
    const message = `@${annotation} "${scope}" is not a scope token (RFC 6749 section 3.3)`;
    // What follows from a @scope is said of the @scope.
    if (annotation === 'scope' || SCOPE_TOKEN.test(action.scope ?? 'x'))
      findings.error('invalid-annotation', locate(`@${annotation}`), message);
  }
  if (action.backgroundScope === action.scope && action.scope !== undefined)
    findings.error('invalid-annotation', locate('@background_scope'), '@background_scope must be another than @scope');
  if (consent !== undefined && action.consent === undefined)
    findings.error(
      'invalid-annotation',
      locate('@consent'),
      `@consent must be "standing" or "each", not "${consent}"`,
      suggestNearest(consent, CONSENT_VALUES),
    );
  if (effect !== undefined && effect !== action.effect)
    findings.error(
      'invalid-annotation',
      locate('@effect'),
      `@effect must be "read", "write" or "delete", not "${effect}"`,
      suggestNearest(effect, EFFECT_VALUES),
    );
  for (const name of Object.keys(action.context)) {
    if (CONTEXT_MEMBERS.some((supported) => supported === name)) continue;
    findings.error(
      'context-member',
      locate(`context.${name}`),
      `context.${name} is nothing that Remit supplies; a client's own go under "request"`,
      suggestNearest(name, CONTEXT_MEMBERS),
    );
  }
  for (const [name, expectedKind] of Object.entries(CONTEXT_MEMBER_KINDS)) {
    const type = action.context[name]?.type;
    const actualKind = type?.kind === 'Extension' ? type.name : type?.kind;
    if (actualKind !== undefined && actualKind !== expectedKind)
      findings.error(
        'context-member',
        locate(`context.${name}`),
        `context.${name} must be of type ${expectedKind}, not ${actualKind}`,
      );
  }
  for (const name of listNeedlesslyRequired(action))
    findings.error(
      'context-member',
      locate(`context.${name}`),
      `context.${name} must be optional: ${ABSENT_WHERE[name]}, and policies that read it would only deny then`,
      `declare it as ${name}?`,
    );
  checkLocalTime(action, locate, findings);
}

/** Checks that `local` has no member that Remit can't fill: a policy that reads one would fail, every time. */
function checkLocalTime({ context }: Action, locate: LocatePart, findings: FindingCollector): void {
  const type = context['local']?.type;
  if (type?.kind !== 'Record') return;
  for (const [name, member] of Object.entries(type.members)) {
    const isSupplied = LOCAL_TIME_MEMBERS.some((supplied) => supplied === name);
    if (isSupplied && member.type.kind === 'Long') continue;
    findings.error(
      'context-member',
      locate('context.local'),
      `context.local.${name} is nothing that Remit supplies${isSupplied ? ' with this type' : ''}; declare context.local as Remit::Local`,
      isSupplied ? undefined : suggestNearest(name, LOCAL_TIME_MEMBERS),
    );
  }
}

/** Holds the definitions and permissions that an action names against the SpiceDB schema. */
export function checkActionAgainstGraph(
  graph: GraphSchema,
  action: Action,
  locate: LocatePart,
  findings: FindingCollector,
): void {
  const objects = (types: readonly EntityType[]): string[] => types.map((t) => t.object);
  for (const object of new Set(objects([...action.principalTypes, ...action.resourceTypes]))) {
    if (graph.hasDefinition(object)) continue;
    findings.error(
      'unknown-definition',
      locate(),
      `the SpiceDB schema has no definition "${object}"; @object names another`,
      suggestNearest(object, graph.definitionNames()),
    );
  }
  const permissions = [
    { permission: action.permission, part: '@permission' },
    ...(action.agentPermission === undefined
      ? []
      : [{ permission: action.agentPermission, part: '@agent_permission' }]),
    ...action.can.map((permission) => ({ permission, part: `context.can.${permission}` })),
    ...action.agentCan.map((permission) => ({ permission, part: `context.agent_can.${permission}` })),
  ];
  for (const object of objects(action.resourceTypes).filter((definition) => graph.hasDefinition(definition))) {
    for (const { permission, part } of permissions)
      checkPermission(graph, { object, permission }, locate(part), findings);
  }
}
