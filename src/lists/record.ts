/** The one record of a list: who asked, for whom, and how much was found. */
import { toTokenRecord } from '../decide/conclude.js';
import { Deadline } from '../runtime/deadline.js';
import { newDecisionId } from '../decide/decision-id.js';
import { startDecision, type DecisionDeps } from '../decide/decide.js';
import type { SearchRecord } from '../model/decision.js';
import { Fault } from '../model/faults.js';
import { formatRef } from '../model/ids.js';
import { formatCallerId, type Question } from '../model/question.js';
import { getVerifiedCredential } from '../decide/bound-question.js';
import type { DelegationToken } from '../model/delegation-token.js';

/** Who asks for a list, as the token said when it began. */
export interface ListRequester {
  readonly question: Question;
  readonly token: DelegationToken | undefined;
}

/** To be called before anything is looked for. @throws BadRequest where the question itself is at fault; Fault */
export async function identifyListRequester(question: Question, deps: DecisionDeps): Promise<ListRequester> {
  const { unbound } = await startDecision(question, deps);
  return { question, token: getVerifiedCredential(unbound)?.token };
}

/**
 * @param request what was asked, without properties
 * @throws Fault: what isn't on record isn't answered; and where the token has ended since: part of the list was then
 * judged on a token that was good, and part on one that wasn't
 */
export async function recordSearch(
  search: SearchRecord['search'],
  request: SearchRecord['request'],
  requester: ListRequester,
  resultCount: number,
  deps: DecisionDeps,
): Promise<void> {
  const { question, token } = requester;
  const current = await identifyListRequester(question, deps);
  if ((current.token === undefined) !== (token === undefined))
    throw new Fault('deadline_exceeded', 'the token ended while the list was judged');
  const record: SearchRecord = {
    id: newDecisionId(),
    evaluated_at: deps.now().toISOString(),
    client: formatCallerId(question.caller),
    decision: resultCount > 0,
    dry_run: question.dryRun,
    policy_version: deps.rules().version,
    search,
    ...(token === undefined ? {} : { token: toTokenRecord(token) }),
    acting: toRecordedActing(requester, deps),
    request: { ...request, ...(question.requestId === undefined ? {} : { request_id: question.requestId }) },
    found: resultCount,
  };
  await Deadline.run(deps.deadlineMs, (deadline) => deadline.race(deps.decisions.record(record)));
}

/** By the token; without one whom the client vouches for. */
function toRecordedActing({ question, token }: ListRequester, deps: DecisionDeps): SearchRecord['acting'] {
  const { userObject = '', agentObject = '' } = deps.rules().vocabulary;
  const agent = (id: string): string => formatRef({ type: agentObject, id });
  if (token === undefined) {
    const { subject, assertedAgent } = question;
    return {
      ...(subject.id === PLACEHOLDER_ID ? {} : { user: formatRef(subject) }),
      ...(assertedAgent === undefined ? {} : { agent: agent(assertedAgent) }),
      chain: [],
    };
  }
  const [acting, ...chain] = token.actors;
  return {
    ...(token.user === undefined ? {} : { user: formatRef({ type: userObject, id: token.user }) }),
    ...(acting === undefined ? {} : { agent: agent(acting.id) }),
    chain: chain.map(({ id }) => agent(id)),
  };
}

/** What stands for the part that is searched for, until there are candidates. */
export const PLACEHOLDER_ID = 'any';
