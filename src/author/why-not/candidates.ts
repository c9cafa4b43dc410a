/** Proposes changes that may remove a problem, by its reason code. Whether one does is for a new decision to show. */
import type { ReasonCode } from '../../model/reasons.js';
import type { Check } from '../../model/relationships.js';
import { uniteDuties } from '../../policy/duties.js';
import { buildDelegationCheck } from '../../decide/delegation-links.js';
import { buildGateCheck } from '../../decide/permission-checks.js';
import { ownStatementCandidates, storedAgentCandidates } from './agent-candidates.js';
import { attributeCandidates } from './attribute-candidates.js';
import type { ChangeOption, ProposedChange } from './change.js';
import type { GrantFinder } from './grant-finder.js';
import type { ChangeEvaluator, ChangeEvaluation } from './change-evaluator.js';
import { approvalCandidates, consentCandidates, peopleCandidates } from './people-candidates.js';
import { policyCandidates } from './policy-candidates.js';
import type { DenialProblem } from './denial-problems.js';
import {
  actionCandidates,
  detailCandidates,
  purposeCandidates,
  scopeCandidates,
  subjectCandidates,
  transactionCandidates,
} from './token-candidates.js';

export interface SearchTools {
  readonly evaluator: ChangeEvaluator;
  readonly grants: GrantFinder;
}

/**
 * @param evaluation the decision with the changes made so far
 * @param changes those changes
 */
export async function findCandidates(
  problem: DenialProblem,
  evaluation: ChangeEvaluation,
  changes: readonly ProposedChange[],
  { evaluator, grants }: SearchTools,
): Promise<readonly ChangeOption[]> {
  // At the start they are said by themselves: then they are no changes.
  const people = changes.length === 0 ? [] : peopleCandidates(evaluation);
  return [...people, ...(await findOtherCandidates(problem, evaluation, changes, { evaluator, grants }))];
}

async function findOtherCandidates(
  problem: DenialProblem,
  evaluation: ChangeEvaluation,
  changes: readonly ProposedChange[],
  { evaluator, grants }: SearchTools,
): Promise<readonly ChangeOption[]> {
  const requestCandidates = REQUEST_CANDIDATES[problem.code];
  if (requestCandidates !== undefined) return requestCandidates(evaluation);
  if (problem.code.startsWith('policy_')) return policyCandidates(problem, evaluation, changes, evaluator, grants);
  if (problem.code === 'attribute_missing') return attributeCandidates(problem, evaluation);
  const options: ChangeOption[] = [];
  for (const check of checksToGrant(problem.code, evaluation))
    options.push(...(await grants.findGrants(check, evaluation.rules)));
  if (problem.code === 'session_ended') options.unshift([{ kind: 'token', session: 'new' }]);
  return options;
}

/** Proposals for problems that the request, its token or its agents alone cause. */
const REQUEST_CANDIDATES: Readonly<Partial<Record<ReasonCode, (judgement: ChangeEvaluation) => ChangeOption[]>>> = {
  subject_mismatch: subjectCandidates,
  attributes_unproven: ownStatementCandidates,
  agent_unknown: storedAgentCandidates,
  action_unknown: actionCandidates,
  transaction_mismatch: transactionCandidates,
  scope_insufficient: scopeCandidates,
  authorization_details_mismatch: detailCandidates,
  purpose_mismatch: purposeCandidates,
  obligation_unsupported: obligationCandidates,
  approval_expired: approvalCandidates,
  approval_used: approvalCandidates,
  approval_revoked: approvalCandidates,
  approval_out_of_scope: approvalCandidates,
  approval_unverifiable: approvalCandidates,
  approver_ineligible: approvalCandidates,
  grant_pending: approvalCandidates,
  consent_required: consentCandidates,
  consent_ended: consentCandidates,
  consent_suspended: consentCandidates,
  consent_access_mismatch: consentCandidates,
};

/** The checks that must be a yes for the problem to go away. */
function checksToGrant(code: ReasonCode, { redecision }: ChangeEvaluation): Check[] {
  const { bound, facts } = redecision.evaluation;
  if (bound === undefined || facts === undefined) return [];
  const delegation = buildDelegationCheck(bound.acting);
  const permissionCheck = buildGateCheck(bound);
  const { agent } = bound.acting;
  const { agentPermission } = bound.target.action;
  switch (code) {
    case 'delegation_missing':
    case 'session_ended':
    case 'token_revoked':
      return delegation === undefined ? [] : [delegation];
    case 'relationship_missing':
      return [permissionCheck];
    case 'agent_relationship_missing':
      return agent === undefined || agentPermission === undefined
        ? []
        : [{ resource: permissionCheck.resource, permission: agentPermission, subject: agent }];
    case 'context_missing':
    case 'graph_unanswerable':
      return facts.needs.checks.filter((check) => ['conditional', 'unanswerable'].includes(facts.check(check).result));
    default:
      return [];
  }
}

/** Proposes that the client states its support of the obligations that are due. */
function obligationCandidates({ redecision, rules, record }: ChangeEvaluation): ChangeOption[] {
  const { bound, facts } = redecision.evaluation;
  if (bound === undefined || facts?.cedar.duties.kind !== 'answer') return [];
  const duties = facts.cedar.duties.answer.determining.map((id) => rules.policies.get(id)?.duties ?? []);
  const due = uniteDuties(duties, bound.target.resourceType).map(({ type }) => type);
  const value = [...new Set([...(record.facts.said.supported_obligations ?? []), ...due])];
  return [[{ kind: 'request', at: ['context', 'supported_obligations'], value }]];
}
