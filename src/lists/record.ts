/** The single record of a list: the requester, the parties it acts for, and what was returned. Searches and filters call it. */
import { toTokenRecord } from '../decide/conclude.js';
import { Deadline } from '../runtime/deadline.js';
import { recordTask } from '../decide/recorded-task.js';
import { newDecisionId } from '../decide/decision-id.js';
import type { DecisionDeps } from '../decide/decide.js';
import { describeReservation } from '../decide/steps/record.js';
import { acceptParts, planListReservation, selectReserved } from '../govern/limits/reservation.js';
import { startEvaluation } from './preview.js';
import { withoutUnreserved, type ListContents } from './listed-items.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import type { SearchRecord } from '../model/decision.js';
import { Fault } from '../model/faults.js';
import type { HistoryUse } from '../model/history.js';
import type { Charge, Reservation } from '../model/limits.js';
import { describeRef } from '../model/ids.js';
import { NO_EFFECTS, type RecordEffects } from '../model/record-effects.js';
import { formatCallerId, type Question } from '../model/question.js';
import { getVerifiedCredential } from '../decide/bound-question.js';
import type { DelegationToken } from '../model/delegation-token.js';

/** The requester of a list, with its token as it was when the list began. */
export interface ListRequester {
  readonly question: Question;
  readonly token: DelegationToken | undefined;
}

/**
 * Verifies the token; to be called before the search begins.
 * @throws BadRequest where the question itself is at fault
 * @throws Fault where the token can't be verified now
 */
export async function identifyListRequester(question: Question, deps: DecisionDeps): Promise<ListRequester> {
  const { unbound } = await startEvaluation(question, deps);
  return { question, token: getVerifiedCredential(unbound)?.token };
}

/** The use that one result of a list makes of limits, and its past. */
export interface ListedUse {
  readonly charges: readonly Charge[];
  readonly history: HistoryUse | undefined;
}

export interface RecordedList {
  readonly id: string;
  readonly reserved: readonly boolean[];
  /** Says that nothing was stored, since the past that it rests on has changed meanwhile. */
  readonly overtaken?: true;
}

/**
 * Records the list once it is complete.
 * @param request the search as it was asked, without properties
 * @param contents the results; of capabilities, `found` are the allowed ones alone
 * @param graph of which all of the list was asked
 * @param listedUses the charges of each result that the list hands out, and its past; they are reserved in order, together with
 * the record
 * @param effects what results that are handed out open, all the same where limits leave some out, and the limits that they may reach
 * @param repeat the key under which the list may be repeated
 * @param partId the id of the record, where the list is part of another
 * @returns the record's id, and whether each use was reserved, or would be where it is a dry run: the results of the others
 * are to be left out
 * @throws Fault where the record can't be stored, since only what is on record is answered; and where the token has ended
 * meanwhile, since part of the list was then judged on a good token and part on a bad one
 */
export async function recordSearch(
  search: SearchRecord['search'],
  request: SearchRecord['request'],
  requester: ListRequester,
  contents: ListContents & { readonly found?: number },
  graph: Pick<GraphSnapshot, 'revision'>,
  deps: DecisionDeps,
  listedUses: readonly ListedUse[] = [],
  effects: RecordEffects = NO_EFFECTS,
  repeat?: Reservation['repeat'],
  partId?: string,
): Promise<RecordedList> {
  const { question, token } = requester;
  const current = await identifyListRequester(question, deps);
  if ((current.token === undefined) !== (token === undefined))
    throw new Fault('deadline_exceeded', 'The token ended while the list was judged.');
  const [id, now] = [partId ?? newDecisionId(), deps.now()];
  const uses = listedUses.map(({ charges }) => charges);
  const pasts = listedUses.map(({ history }) => history);
  const planned = planListReservation(uses, now, repeat, pasts);
  const reservation = question.dryRun ? undefined : planned;
  const expected = question.dryRun ? await expectReserved(uses, planned, deps) : undefined;
  const { found, ...listed } = contents;
  const handedOut = withoutUnreserved(listed, expected ?? []);
  const foundCount = found ?? handedOut.items.length;
  const record: SearchRecord = {
    id,
    evaluated_at: now.toISOString(),
    client: formatCallerId(question.caller),
    decision: foundCount > 0,
    dry_run: question.dryRun,
    policy_version: deps.rules().version,
    search,
    ...(token === undefined ? {} : { token: toTokenRecord(token) }),
    acting: toRecordedActing(requester, deps),
    request: {
      ...request,
      ...(question.requestId === undefined ? {} : { request_id: question.requestId }),
      ...recordTask(question.context),
    },
    ...(graph.revision === undefined ? {} : { revision: graph.revision }),
    found: foundCount,
    ...handedOut,
    ...describeReservation(id, reservation, deps.settleAfterMs),
  };
  const result = await Deadline.run(deps.deadlineMs, (deadline) =>
    deadline.race(deps.decisions.record(record, question.account, reservation, question.dryRun ? NO_EFFECTS : effects)),
  );
  if (reservation === undefined) return { id, reserved: expected ?? uses.map(() => true) };
  if (result.kind === 'overtaken') {
    if (reservation.history === undefined) throw new TypeError('a list is stored with what there is room for');
    return { id, reserved: [], overtaken: true };
  }
  return { id, reserved: selectReserved(uses, result.accepted) };
}

/** Says which results a dry run would hand out: all of them together, as if they were reserved now. */
async function expectReserved(
  uses: readonly (readonly Charge[])[],
  planned: Reservation | undefined,
  deps: DecisionDeps,
): Promise<readonly boolean[] | undefined> {
  if (planned === undefined) return undefined;
  const charges = new Map(uses.flat().map((charge) => [charge.key, charge]));
  const { repeat } = planned;
  const state = await Deadline.run(deps.deadlineMs, (deadline) =>
    deadline.race(deps.limits.read([...charges.values()], repeat && { key: repeat.permitted, since: repeat.since })),
  );
  return selectReserved(uses, acceptParts(planned, state));
}

/** The parties that the token names; without a token those that the client vouches for. */
function toRecordedActing({ question, token }: ListRequester, deps: DecisionDeps): SearchRecord['acting'] {
  const { userObject = '', agentObject = '' } = deps.rules().vocabulary;
  const agentText = (id: string): string => describeRef({ type: agentObject, id });
  if (token === undefined) {
    const { subject, assertedAgent, assertedChain = [] } = question;
    const party = subject.type === agentObject ? 'agent' : 'user';
    return {
      ...(subject.id === PLACEHOLDER_ID ? {} : { [party]: describeRef(subject) }),
      ...(assertedAgent === undefined ? {} : { agent: agentText(assertedAgent) }),
      chain: assertedChain.map(agentText),
    };
  }
  const [acting, ...chain] = token.actors;
  return {
    ...(token.user === undefined ? {} : { user: describeRef({ type: userObject, id: token.user }) }),
    ...(acting === undefined ? {} : { agent: agentText(acting.id) }),
    chain: chain.map(({ id }) => agentText(id)),
  };
}

/** The id of the part that is searched for, until there are candidates. */
export const PLACEHOLDER_ID = 'any';
