/** The one record of a list: who asked, for whom, and how much was found. */
import { tokenRecord } from '../decide/conclude.js';
import { Deadline } from '../runtime/deadline.js';
import { newDecisionId } from '../decide/decision-id.js';
import { openOne, type Deciding } from '../decide/decide.js';
import type { SearchRecord } from '../model/decision.js';
import { Fault } from '../model/faults.js';
import { refText } from '../model/ids.js';
import { callerId, type Question } from '../model/question.js';
import { verified } from '../decide/bound-question.js';
import type { DelegationToken } from '../model/delegation-token.js';

/** Who asks for a list, as the token said when it began. */
export interface Asker {
  readonly question: Question;
  readonly token: DelegationToken | undefined;
}

/** To be called before anything is looked for. @throws BadRequest where the question itself is at fault; Fault */
export async function askerOf(question: Question, using: Deciding): Promise<Asker> {
  const { opening } = await openOne(question, using);
  return { question, token: verified(opening)?.token };
}

/**
 * @param request what was asked, without properties
 * @throws Fault: what isn't on record isn't answered; and where the token has ended since: part of the list was then
 * judged on a token that was good, and part on one that wasn't
 */
export async function recordSearch(
  search: SearchRecord['search'],
  request: SearchRecord['request'],
  asker: Asker,
  found: number,
  using: Deciding,
): Promise<void> {
  const { question, token } = asker;
  const now = await askerOf(question, using);
  if ((now.token === undefined) !== (token === undefined))
    throw new Fault('deadline_exceeded', 'the token ended while the list was judged');
  const record: SearchRecord = {
    id: newDecisionId(),
    evaluated_at: using.now().toISOString(),
    client: callerId(question.caller),
    decision: found > 0,
    dry_run: question.dryRun,
    policy_version: using.rules().version,
    search,
    ...(token === undefined ? {} : { token: tokenRecord(token) }),
    acting: actingOf(asker, using),
    request: { ...request, ...(question.requestId === undefined ? {} : { request_id: question.requestId }) },
    found,
  };
  await Deadline.of(using.deadlineMs, (deadline) => deadline.hold(using.decisions.record(record)));
}

/** By the token; without one whom the client vouches for. */
function actingOf({ question, token }: Asker, using: Deciding): SearchRecord['acting'] {
  const { userObject = '', agentObject = '' } = using.rules().vocabulary;
  const agent = (id: string): string => refText({ type: agentObject, id });
  if (token === undefined) {
    const { subject, assertedAgent } = question;
    return {
      ...(subject.id === NOBODY ? {} : { user: refText(subject) }),
      ...(assertedAgent === undefined ? {} : { agent: agent(assertedAgent) }),
      chain: [],
    };
  }
  const [acting, ...chain] = token.actors;
  return {
    ...(token.user === undefined ? {} : { user: refText({ type: userObject, id: token.user }) }),
    ...(acting === undefined ? {} : { agent: agent(acting.id) }),
    chain: chain.map(({ id }) => agent(id)),
  };
}

/** What stands for the part that is searched for, until there are candidates. */
export const NOBODY = 'any';
