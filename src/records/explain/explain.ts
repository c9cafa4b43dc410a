/**
 * Explains one recorded decision: what is on record, and how each condition of the policies was judged. `remit explain`
 * calls it.
 */
import type { DecisionRecord, IgnoredMembers, Rationale } from '../../model/decision.js';
import { describeRef } from '../../model/ids.js';
import type { Reason } from '../../model/reasons.js';
import { answerRecord } from '../redecide.js';
import { compareWithRecord, formatActing } from '../replay.js';
import { DELEGATOR_RELATION } from '../../policy/schema/vocabulary.js';
import type { Obligation } from '../../model/obligations.js';
import type { Rules } from '../../policy/load.js';
import { explainOffer, explainUsedApproval, type ExplainedApproval, type ExplainedOffer } from './approvals.js';
import { explainPolicies, type PrincipalExplanation } from './policies.js';
import { buildRelationshipTree, type RelationshipBranch } from './tree.js';

export interface Explanation {
  readonly id: string;
  readonly decision: boolean;
  readonly dry_run: boolean;
  readonly evaluated_at: string;
  readonly client: string;
  /** `agent:hr-assistant for user:alice`, or the subject where the binding step established no parties. */
  readonly who: string;
  /** Earlier agents, newest first. */
  readonly chain: readonly string[];
  readonly action: string;
  readonly resource: string;
  readonly reasons: readonly Reason[];
  readonly obligations: readonly Obligation[];
  readonly steps: Rationale['steps'];
  /** The members that the question stated for nothing; absent where there are none. */
  readonly ignored?: IgnoredMembers;
  /** The approvals that would have lifted the deny; absent where none would. */
  readonly asks_for?: ExplainedOffer;
  /** The approval that the allow has used; absent where it used none. */
  readonly approval?: ExplainedApproval;
  readonly rules: RulesComparison;
  /** The relationships by which the delegation and the permission are held. */
  readonly relationships: readonly RelationshipBranch[];
  readonly policies: readonly PrincipalExplanation[];
  /** Sentences that say what could not be explained. */
  readonly inconclusive: readonly string[];
}

/** The rules that explain the decision, beside those that made it. */
export interface RulesComparison {
  /** SHA-256 of the rules that decided. */
  readonly decided_by: string;
  /** SHA-256 of the rules that explain. */
  readonly at_hand: string;
  readonly same: boolean;
  /** The decision by the rules that explain; undefined where it can't be told. */
  readonly result_now: boolean | undefined;
}

/** The path that a record without one was given later, or the reason that there is none. */
export type LaterPath = { readonly path: readonly string[] } | { readonly problem: string };

/** Whether the record says by which relationships the permission was held, or that it wasn't. */
export function hasPath({ rationale }: DecisionRecord): boolean {
  return rationale.steps.every(
    ({ step, outcome, evidence }) =>
      step !== 'relationship' || outcome !== 'pass' || 'path' in evidence || 'path_unknown' in evidence,
  );
}

/** @param proof of the path that the record lacks */
export function explainRecord(record: DecisionRecord, rules: Rules, proof?: LaterPath): Explanation {
  const { id, decision, dry_run, evaluated_at, client, request, reasons, obligations, rationale } = record;
  const { acting, steps } = rationale;
  const [offer, approval] = [explainOffer(record), explainUsedApproval(record)];
  const { policies, resultNow, inconclusive } = explainByRules(record, rules);
  return {
    id,
    decision,
    dry_run,
    evaluated_at,
    client,
    who: formatActing(rationale) || describeRef(request.subject),
    chain: acting?.chain ?? [],
    action: request.action,
    resource: describeRef(request.resource),
    reasons,
    obligations,
    steps,
    ...(rationale.ignored === undefined ? {} : { ignored: rationale.ignored }),
    ...(offer === undefined ? {} : { asks_for: offer }),
    ...(approval === undefined ? {} : { approval }),
    rules: {
      decided_by: record.policy_version,
      at_hand: rules.version,
      same: record.policy_version === rules.version,
      result_now: resultNow,
    },
    relationships: steps.flatMap(({ step, evidence }) => {
      const { permission } = evidence;
      const path = step === 'relationship' && proof !== undefined && 'path' in proof ? proof.path : evidence['path'];
      const tree = Array.isArray(path)
        ? buildRelationshipTree(path.map(String), step === 'delegation' ? DELEGATOR_RELATION : String(permission))
        : undefined;
      return tree ?? [];
    }),
    policies,
    inconclusive: [
      ...(proof !== undefined && 'problem' in proof
        ? [`The relationships that grant the permission are not on record, and can’t be proved: ${proof.problem}`]
        : []),
      ...inconclusive,
    ],
  };
}

interface ExplanationByRules {
  readonly policies: readonly PrincipalExplanation[];
  /** undefined where it can't be told. */
  readonly resultNow: boolean | undefined;
  readonly inconclusive: string[];
}

/** Decides the record again by the given rules, and explains their policies. */
function explainByRules(record: DecisionRecord, rules: Rules): ExplanationByRules {
  const { facts } = record;
  if (facts === undefined)
    return notExplained(
      'The facts of the decision are not on record (they were too long to keep, or the key is not an admin’s), so the policies can’t be explained.',
    );
  const answer = answerRecord({ ...record, facts }, rules);
  if (answer.kind === 'refused') return notExplained(`By these rules the question itself is at fault: ${answer.why}.`);
  const { bound, facts: factsNow } = answer.evaluation;
  const policies = bound === undefined || factsNow === undefined ? [] : explainPolicies(bound, factsNow);
  const { decision } = answer.decision;
  const replayResult = compareWithRecord(record, answer);
  if (replayResult.kind === 'inconclusive') {
    const missing = `These rules need what is not on record: ${replayResult.missing.join(', ')}.`;
    return { policies, resultNow: undefined, inconclusive: [missing] };
  }
  const contradicts =
    replayResult.kind === 'changed' && decision !== record.decision && record.policy_version === rules.version;
  return { policies, resultNow: decision, inconclusive: contradicts ? [CONTRADICTION] : [] };
}

const CONTRADICTION =
  'The same rules that made the decision now decide otherwise: the record was changed, or Remit has a fault.';

function notExplained(message: string): ExplanationByRules {
  return { policies: [], resultNow: undefined, inconclusive: [message] };
}
