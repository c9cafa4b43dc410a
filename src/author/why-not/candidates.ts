/** What might remove a problem, by what the problem is. Whether it does, deciding again has to show. */
import type { ReasonCode } from '../../model/reasons.js';
import type { Check } from '../../model/relationships.js';
import { obligationsOf } from '../../policy/duties.js';
import { delegationCheck } from '../../decide/steps/delegation.js';
import { gate } from '../../decide/permission-checks.js';
import { attributeCandidates } from './attribute-candidates.js';
import type { Change } from './change.js';
import type { Granting } from './granting.js';
import type { Judge, Judgement } from './judge.js';
import { policyCandidates } from './policy-candidates.js';
import type { Problem } from './problems.js';
import {
  actionCandidates,
  detailCandidates,
  purposeCandidates,
  scopeCandidates,
  subjectCandidates,
  transactionCandidates,
} from './token-candidates.js';

type Option = readonly Change[];

export interface Searching {
  readonly judge: Judge;
  readonly granting: Granting;
}

/** @param changes that have been made so far, and what they have come to */
export async function candidates(
  problem: Problem,
  judgement: Judgement,
  changes: readonly Change[],
  { judge, granting }: Searching,
): Promise<readonly Option[]> {
  const direct = SAID[problem.code];
  if (direct !== undefined) return direct(judgement);
  if (problem.code.startsWith('policy_')) return policyCandidates(problem, judgement, changes, judge, granting);
  if (problem.code === 'attribute_missing') return attributeCandidates(problem, judgement);
  const options: Option[] = [];
  for (const check of checksBehind(problem.code, judgement))
    options.push(...(await granting.granting(check, judgement.rules)));
  if (problem.code === 'session_ended') options.unshift([{ kind: 'token', session: 'new' }]);
  return options;
}

/** Where the request or its token says what is wrong. */
const SAID: Readonly<Partial<Record<ReasonCode, (judgement: Judgement) => Option[]>>> = {
  subject_mismatch: subjectCandidates,
  action_unknown: actionCandidates,
  transaction_mismatch: transactionCandidates,
  scope_insufficient: scopeCandidates,
  authorization_details_mismatch: detailCandidates,
  purpose_mismatch: purposeCandidates,
  obligation_unsupported: obligationCandidates,
};

/** The checks that would have to be a yes. */
function checksBehind(code: ReasonCode, { again }: Judgement): Check[] {
  const { established: e, facts } = again.course;
  if (e === undefined || facts === undefined) return [];
  const edge = delegationCheck(e.acting);
  const own = gate(e);
  const { agent } = e.acting;
  const { agentPermission } = e.on.action;
  switch (code) {
    case 'delegation_missing':
    case 'session_ended':
    case 'token_revoked':
      return edge === undefined ? [] : [edge];
    case 'relationship_missing':
      return [own];
    case 'agent_relationship_missing':
      return agent === undefined || agentPermission === undefined
        ? []
        : [{ resource: own.resource, permission: agentPermission, subject: agent }];
    case 'context_missing':
    case 'graph_unanswerable':
      return facts.asked.checks.filter((check) => ['conditional', 'unanswerable'].includes(facts.check(check).result));
    default:
      return [];
  }
}

/** That the client says it can carry out what is due. */
function obligationCandidates({ again, rules, record }: Judgement): Option[] {
  const { established: e, facts } = again.course;
  if (e === undefined || facts?.cedar.duties.kind !== 'answer') return [];
  const duties = facts.cedar.duties.answer.determining.map((id) => rules.policies.get(id)?.duties ?? []);
  const due = obligationsOf(duties, e.on.resourceType, { topic: '', body: '' }).map(({ type }) => type);
  const value = [...new Set([...(record.facts.said.supported_obligations ?? []), ...due])];
  return [[{ kind: 'request', at: ['context', 'supported_obligations'], value }]];
}
