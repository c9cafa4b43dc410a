/**
 * Lists the past that a question asks about, and the events that it leaves for later ones, each under a name made of what is
 * counted and of the parties that it is counted for. So one index answers every question about the past, and what is kept
 * for it says nothing of whose it was.
 */
import { cedarPrincipal, listAgents, permissionSubject, type ActingParties } from '../../model/acting.js';
import { BadRequest } from '../../model/faults.js';
import { formatRef, isSameRef, type EntityRef } from '../../model/ids.js';
import type { HistoryEvent, HistoryQuery, HistorySubject, HistoryValue } from '../../model/history.js';
import { formatQuantityNumber, readAmount } from '../../model/quantities.js';
import type { Properties, Question } from '../../model/question.js';
import type { ActionOnResource } from '../../policy/schema/action.js';
import { formatCounted } from '../../policy/schema/history-text.js';
import { meetsCondition } from '../../policy/schema/history.js';
import { getStatedMember } from '../../policy/schema/types.js';
import type { Vocabulary } from '../../policy/schema/vocabulary.js';
import { memoizeByObject } from '../../runtime/memoize.js';
import { sha256 } from '../../runtime/sha256.js';
import { findStatedAmount } from '../limits/required-amount.js';

/** A question whose parties are established, as far as the past is about it. */
export interface DatedQuestion {
  readonly question: Pick<Question, 'caller' | 'action' | 'resource' | 'context'>;
  readonly acting: ActingParties;
  readonly target: ActionOnResource;
  readonly now: Date;
}

/** A query for one of the parties that the policies are asked for. */
export interface MemberQuery {
  readonly principal: EntityRef;
  readonly query: HistoryQuery;
  /** Names it among those of one question: `count HR::export by user within PT1H`. */
  readonly name: string;
}

const LONGEST_TASK_BYTES = 1024;

/**
 * Lists what the policies read of the past: for the agent that acts, and for each earlier one, of whom only forbids count.
 * An agent doesn't get rid of its past by sending another ahead.
 */
export const listHistoryQueries = memoizeByObject((dated: DatedQuestion): readonly MemberQuery[] => {
  const { history } = dated.target.action;
  if (history.length === 0) return [];
  const principal = cedarPrincipal(dated.acting);
  return listPastParties(dated.acting).flatMap((party) =>
    history.map(({ name: member, question }): MemberQuery => {
      const { kind, events, cleared, amount, by, windowMs, text } = question;
      const key = nameEvents(formatCounted(events, by), by, party, dated);
      const clearedKey = cleared && nameEvents(formatCounted(cleared, by), by, party, dated);
      const isOwn = isSameRef(party, principal);
      return {
        principal: party,
        name: isOwn ? text : `${text} of ${formatRef(party)}`,
        query: {
          id: sha256(JSON.stringify([kind, key, clearedKey, amount, windowMs])),
          member,
          kind,
          key,
          clearedKey,
          amount,
          since: dated.now.getTime() - windowMs,
        },
      };
    }),
  );
});

/**
 * Lists the events that the question is where it is allowed: each under the name of the agent that acts, and of each earlier
 * one.
 * @param attributes of the resource, as policies are given them
 */
export function listHistoryEvents(
  dated: DatedQuestion,
  attributes: Properties,
  { countedEventsOf, objectOf }: Pick<Vocabulary, 'countedEventsOf' | 'objectOf'>,
): HistoryEvent[] {
  const { action, resourceType } = dated.target;
  const events = new Map<string, HistoryEvent>();
  const amount = describeAmount(dated);
  for (const { selector, by, text, lastsMs } of countedEventsOf(action)) {
    const { where } = selector;
    if (where !== undefined && !meetsCondition(where, resourceType, attributes, objectOf)) continue;
    for (const party of listPastParties(dated.acting)) {
      const key = nameEvents(text, by, party, dated);
      events.set(key, { key, lastsMs, ...amount });
    }
  }
  return [...events.values()];
}

/** The answer where nothing has happened. */
export function emptyAnswer({ kind }: Pick<HistoryQuery, 'kind'>): HistoryValue {
  return kind === 'count' || kind === 'sum' ? 0 : false;
}

/** The parties whose past it is: the acting agent and every earlier one, or a person who acts alone. */
function listPastParties(acting: ActingParties): EntityRef[] {
  const parties = acting.mode === 'human' ? [acting.user] : listAgents(acting);
  return [...new Map(parties.map((party) => [formatRef(party), party])).values()];
}

/** The amount as the action states it; none where it doesn't, or states none that could be counted. */
function describeAmount(dated: DatedQuestion): Pick<HistoryEvent, 'amount' | 'unit'> {
  if (dated.target.action.amount === undefined) return {};
  const stated = findStatedAmount(dated);
  const read = stated === undefined ? undefined : readAmount(stated);
  // What gives back doesn't make room for more.
  if (read === undefined || 'problem' in read || read.amount.value < 0n) return {};
  return { amount: formatQuantityNumber(read.amount), unit: read.amount.unit };
}

function nameEvents(text: string, by: readonly HistorySubject[], party: EntityRef, dated: DatedQuestion): string {
  const { acting, question } = dated;
  const user = formatRef(permissionSubject(acting));
  const { grant } = acting;
  const values: Readonly<Record<HistorySubject, () => unknown>> = {
    user: () => user,
    agent: () => formatRef(party),
    // Tokens of a user and agent without a session are one session.
    session: () => (grant?.session === undefined ? [user, formatRef(party)] : [[grant.issuer, grant.session]]),
    task: () => readTask(question),
    resource: () => formatRef(question.resource),
  };
  return sha256(JSON.stringify([text, ...by.map((subject) => values[subject]())]));
}

/** The task that the request names; null where it names none. */
function readTask(question: DatedQuestion['question']): string | null {
  const task = findStatedTask(question);
  return typeof task === 'string' ? task : null;
}

/** The value that the request states as its task, unchecked. An agent's own word for it isn't taken: it could begin anew. */
function findStatedTask({ caller, context }: DatedQuestion['question']): unknown {
  return caller.kind === 'client' ? getStatedMember(context, 'task') : undefined;
}

/**
 * Checks what a question states that the past is counted by: a task that can't be one, and an amount that wouldn't be added up,
 * would be a way around.
 * @throws BadRequest
 */
export function checkCounted(
  counted: Pick<DatedQuestion, 'question' | 'target'>,
  vocabulary: Pick<Vocabulary, 'countedEventsOf'>,
): void {
  const { question, target } = counted;
  if (isCountedByTask(target, vocabulary)) checkTask(question);
  const units = vocabulary.countedEventsOf(target.action).flatMap((events) => events.units);
  if (units.length > 0) checkCountedAmount(counted, units);
}

/** Whether the past is asked for, or counted, by the task that the request names. */
export function isCountedByTask(
  { action }: ActionOnResource,
  { countedEventsOf }: Pick<Vocabulary, 'countedEventsOf'>,
): boolean {
  return [...countedEventsOf(action), ...action.history.map(({ question }) => question)].some(({ by }) =>
    by.includes('task'),
  );
}

function checkTask(question: DatedQuestion['question']): void {
  const task = findStatedTask(question);
  if (task === undefined) return;
  if (typeof task !== 'string' || task === '' || !task.isWellFormed() || Buffer.byteLength(task) > LONGEST_TASK_BYTES)
    throw new BadRequest(`must be a text of at most ${LONGEST_TASK_BYTES} bytes`, 'context.task');
}

function checkCountedAmount(counted: Pick<DatedQuestion, 'question' | 'target'>, units: readonly string[]): void {
  const stated = findStatedAmount(counted);
  // Where none is stated, the required attribute is missing.
  if (stated === undefined) return;
  const [member, ...names] = counted.target.action.amount ?? [];
  const place = [member === 'action' ? 'action.properties' : 'context', ...names].join('.');
  const read = readAmount(stated);
  if ('problem' in read) throw new BadRequest(read.problem, place);
  const { value, unit } = read.amount;
  if (value < 0n) throw new BadRequest('must not be negative: amounts of the past are added up', place);
  if (!units.includes(unit))
    throw new BadRequest(
      `is in ${unit}, and amounts of the past are added up in ${[...new Set(units)].join(', ')}`,
      place,
    );
}
