/**
 * The members of `context.history`: each is declared with the question that it stands for. Reads them of an action, and
 * holds what they name against all actions, since a question is about those of any.
 */
import type { FindingCollector } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { HISTORY_KINDS, type EventCondition, type EventSelector, type HistorySubject } from '../../model/history.js';
import type { Action, EntityType, HistoryMember } from './action.js';
import { reportAnnotationProblems, type LocatePart } from './declarations.js';
import { formatCounted, readHistoryText } from './history-text.js';
import { getStatedMember, InvalidValueError, toCedarValue, type CedarType, type RecordMembers } from './types.js';
import { namespaceOf } from './uid.js';

/** The longest window where the configuration names none, in milliseconds. */
export const DEFAULT_LONGEST_HISTORY_MS = 86_400_000;
/** The most questions of one action: each is answered for every question about it. */
const MAX_MEMBERS = 16;

/** Events that some question counts, by some parties: those of an action leave a row for each. */
export interface CountedEvents {
  readonly selector: EventSelector;
  readonly by: readonly HistorySubject[];
  /** Tells them from others. */
  readonly text: string;
  /** The units in which their amounts are added up; none where they aren't. */
  readonly units: readonly string[];
  /** The longest window in which they are looked for, in milliseconds. */
  readonly lastsMs: number;
}

export function readHistoryMembers(
  context: RecordMembers,
  locate: LocatePart,
  findings: FindingCollector,
): HistoryMember[] {
  const type = context['history']?.type;
  // What is no record is reported with the other members of the context.
  if (type?.kind !== 'Record') return [];
  const members = Object.entries(type.members);
  if (members.length > MAX_MEMBERS)
    findings.error(
      'context-member',
      locate('context.history'),
      `context.history has ${members.length} members; ${MAX_MEMBERS} are the most`,
    );
  return members.flatMap(([name, member]) => {
    const part = `context.history.${name}`;
    reportAnnotationProblems(member.annotations, [...HISTORY_KINDS, 'title'], () => locate(part), findings);
    const kinds = HISTORY_KINDS.filter((kind) => member.annotations[kind] !== undefined);
    const [kind] = kinds;
    if (kind === undefined || kinds.length > 1) {
      const message = `${part} must have one of ${HISTORY_KINDS.map((known) => `@${known}`).join(', ')}: the question that it stands for`;
      findings.error('context-member', locate(part), message);
      return [];
    }
    const expected = kind === 'count' || kind === 'sum' ? 'Long' : 'Bool';
    if (member.type.kind !== expected) {
      findings.error('context-member', locate(part), `${part} must be a ${expected}, as @${kind} answers`);
      return [];
    }
    const read = readHistoryText(kind, member.annotations[kind] ?? '');
    if ('question' in read) return [{ name, question: read.question }];
    const { message, suggestion } = read.problem;
    findings.error('invalid-annotation', locate(part), `@${kind} ${message}`, suggestion);
    return [];
  });
}

/** The name by which questions about the past call an action: `HR::export`. */
export function eventNameOf({ uid, name }: Pick<Action, 'uid' | 'name'>): string {
  const namespace = namespaceOf(uid.type);
  return namespace === '' ? name : `${namespace}::${name}`;
}

/**
 * Holds the questions of an action against the actions that they are about.
 * @param longestMs the longest window that the configuration allows
 */
export function checkHistory(
  { history }: Action,
  actions: readonly Action[],
  longestMs: number,
  locate: LocatePart,
  findings: FindingCollector,
): void {
  for (const { name, question } of history) {
    const { kind, events, cleared, windowMs, amount } = question;
    const report = (message: string, suggestion?: string): void => {
      findings.error('invalid-annotation', locate(`context.history.${name}`), `@${kind} ${message}`, suggestion);
    };
    if (windowMs > longestMs)
      report(
        `looks back ${windowMs / 1000} s, and ${longestMs / 1000} s are the most: set history.longest in the configuration`,
      );
    for (const selector of cleared === undefined ? [events] : [events, cleared]) {
      const named = actions.filter((action) => eventNameOf(action) === selector.action);
      if (named.length === 0)
        report(
          `is about "${selector.action}", which is no action`,
          suggestNearest(selector.action, actions.map(eventNameOf)),
        );
      for (const action of named) {
        if (selector.where !== undefined)
          for (const type of action.resourceTypes) checkCondition(selector.where, type, report);
        if (amount !== undefined) checkAmount(action, report);
      }
    }
  }
}

type ReportQuestionProblem = (message: string, suggestion?: string) => void;

function checkCondition(condition: EventCondition, resource: EntityType, report: ReportQuestionProblem): void {
  const { path, value } = condition;
  const place = `resource.${path.join('.')}`;
  const type = findAttributeType(path, resource);
  if (type === undefined) {
    report(
      `asks for ${place}, and "${resource.object}" has no such attribute`,
      suggestNearest(path.join('.'), resource.paths),
    );
    return;
  }
  // Which events are counted would tell what a mask hides.
  const classes = [...resource.classes].filter(([, fields]) =>
    fields.some((field) => isWithin(path, field.split('.'))),
  );
  const [className] = classes[0] ?? [];
  if (className !== undefined)
    report(`asks for ${place}, which is of the @class "${className}": it can't be asked for`);
  else if (parseConditionValue(type, value) === undefined)
    report(
      ['String', 'Long', 'Bool', 'Entity'].includes(type.kind)
        ? `compares ${place} with ${JSON.stringify(value)}, which is no value of it`
        : `asks for ${place}, which is no text, whole number, truth or reference: it can't be compared`,
    );
}

function isWithin(path: readonly string[], outer: readonly string[]): boolean {
  return outer.every((name, i) => path[i] === name);
}

/** Checks that each event states an amount: a sum would miss one that doesn't. */
function checkAmount({ amount, context, ...action }: Action, report: ReportQuestionProblem): void {
  const name = eventNameOf(action);
  if (amount === undefined) {
    report(`adds up amounts, and "${name}" has none: write @amount("context.action.amount") beside it`);
    return;
  }
  let members: RecordMembers | undefined = context;
  for (const part of amount) {
    const member: RecordMembers[string] | undefined = members?.[part];
    if (member?.required === false) {
      report(`adds up amounts, and context.${amount.join('.')} of "${name}" is optional: declare it as required`);
      return;
    }
    members = member?.type.kind === 'Record' ? member.type.members : undefined;
  }
}

function findAttributeType(path: readonly string[], { attributes }: EntityType): CedarType | undefined {
  let type: CedarType = { kind: 'Record', members: attributes };
  for (const name of path) {
    const member: CedarType | undefined =
      type.kind === 'Record' && Object.hasOwn(type.members, name) ? type.members[name]?.type : undefined;
    if (member === undefined) return undefined;
    type = member;
  }
  return type;
}

/** The written value as one of the type; undefined where it is none. */
function parseConditionValue(type: CedarType, text: string): string | number | boolean | undefined {
  switch (type.kind) {
    case 'String':
      return text;
    case 'Entity':
      return type.ids?.includes(text) === false ? undefined : text;
    case 'Bool':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'Long': {
      const number = Number(text);
      return /^-?\d{1,16}$/.test(text) && Number.isSafeInteger(number) ? number : undefined;
    }
    default:
      return undefined;
  }
}

/**
 * Says whether a resource has what a condition asks for.
 * @param values its attributes, as policies are given them
 */
export function meetsCondition(
  { path, value }: EventCondition,
  resource: EntityType,
  values: Readonly<Record<string, unknown>>,
  objectOf: (name: string) => string,
): boolean {
  const type = findAttributeType(path, resource);
  const expected = type && parseConditionValue(type, value);
  if (type === undefined || expected === undefined) return false;
  let actual: unknown = values;
  for (const name of path) {
    if (typeof actual !== 'object' || actual === null) return false;
    actual = getStatedMember(actual as Readonly<Record<string, unknown>>, name);
  }
  try {
    const toText = (given: unknown): string => JSON.stringify(toCedarValue(type, given, '', objectOf));
    return toText(actual) === toText(expected);
  } catch (error) {
    if (error instanceof InvalidValueError) return false;
    throw error;
  }
}

/** The events that questions count, by the names of their actions. */
export function collectCountedEvents(actions: readonly Action[]): ReadonlyMap<string, readonly CountedEvents[]> {
  const byText = new Map<string, CountedEvents>();
  const questions = actions.flatMap(({ history }) => history.map(({ question }) => question));
  for (const { by, events, cleared, windowMs, amount } of questions)
    for (const selector of cleared === undefined ? [events] : [events, cleared]) {
      const text = formatCounted(selector, by);
      const former = byText.get(text);
      byText.set(text, {
        selector,
        by,
        text,
        units: [...(former?.units ?? []), ...(amount === undefined ? [] : [amount.unit])],
        lastsMs: Math.max(windowMs, former?.lastsMs ?? 0),
      });
    }
  const byAction = new Map<string, CountedEvents[]>();
  for (const events of byText.values())
    byAction.set(events.selector.action, [...(byAction.get(events.selector.action) ?? []), events]);
  return byAction;
}
