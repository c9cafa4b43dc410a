/** One decision explained: what is on record of it, and what the policies said, taken apart. */
import { redecide } from '../../decide/decide.js';
import type { DecisionRecord, Rationale } from '../../model/decision.js';
import { formatRef } from '../../model/ids.js';
import type { Reason } from '../../model/reasons.js';
import { replayRecord, formatActing } from '../replay.js';
import { DELEGATOR_RELATION } from '../../policy/schema/vocabulary.js';
import type { Obligation } from '../../model/obligations.js';
import type { Rules } from '../../policy/load.js';
import { explainPolicies, type PrincipalExplanation } from './policies.js';
import { buildRelationshipTree, type RelationshipBranch } from './tree.js';

export interface Explanation {
  readonly id: string;
  readonly decision: boolean;
  readonly dry_run: boolean;
  readonly evaluated_at: string;
  readonly client: string;
  /** `agent:hr-assistant for user:alice`, or the subject where nobody was established. */
  readonly who: string;
  /** Earlier agents, newest first. */
  readonly chain: readonly string[];
  readonly action: string;
  readonly resource: string;
  readonly reasons: readonly Reason[];
  readonly obligations: readonly Obligation[];
  readonly steps: Rationale['steps'];
  readonly rules: RulesComparison;
  /** How the delegation and the permission came to be held. */
  readonly relationships: readonly RelationshipBranch[];
  readonly policies: readonly PrincipalExplanation[];
  /** What can't be told, in sentences. */
  readonly inconclusive: readonly string[];
}

/** Of the rules that explain, in words of the record's. */
export interface RulesComparison {
  /** SHA-256 of those that decided, and of those at hand. */
  readonly decided_by: string;
  readonly at_hand: string;
  readonly same: boolean;
  /** What the rules at hand make of it; undefined where that can't be told. */
  readonly result_now: boolean | undefined;
}

export function explainRecord(record: DecisionRecord, rules: Rules): Explanation {
  const { id, decision, dry_run, evaluated_at, client, request, reasons, obligations, rationale } = record;
  const { acting, steps } = rationale;
  const { policies, comesOut, inconclusive } = replayForExplanation(record, rules);
  return {
    id,
    decision,
    dry_run,
    evaluated_at,
    client,
    who: formatActing(rationale) || formatRef(request.subject),
    chain: acting?.chain ?? [],
    action: request.action,
    resource: formatRef(request.resource),
    reasons,
    obligations,
    steps,
    rules: {
      decided_by: record.policy_version,
      at_hand: rules.version,
      same: record.policy_version === rules.version,
      result_now: comesOut,
    },
    relationships: steps.flatMap(({ step, evidence }) => {
      const { path, permission } = evidence;
      const tree = Array.isArray(path)
        ? buildRelationshipTree(path.map(String), step === 'delegation' ? DELEGATOR_RELATION : String(permission))
        : undefined;
      return tree ?? [];
    }),
    policies,
    inconclusive,
  };
}

/** What the rules at hand make of it. */
function replayForExplanation(
  record: DecisionRecord,
  rules: Rules,
): {
  readonly policies: readonly PrincipalExplanation[];
  readonly comesOut: boolean | undefined;
  readonly inconclusive: string[];
} {
  const { facts } = record;
  if (facts === undefined)
    return {
      policies: [],
      comesOut: undefined,
      inconclusive: [
        'What it rests on is not on record (it was too long to keep, or the key is not an admin’s): the policies can’t be taken apart.',
      ],
    };
  const replayResult = replayRecord(record, rules);
  if (replayResult.kind === 'refused')
    return {
      policies: [],
      comesOut: undefined,
      inconclusive: [`By the rules at hand the question is at fault: ${replayResult.why}.`],
    };
  const { evaluation, decision } = redecide({ ...record, facts }, rules);
  const { bound, facts: found } = evaluation;
  return {
    policies: bound === undefined || found === undefined ? [] : explainPolicies(bound, found),
    comesOut: replayResult.kind === 'inconclusive' ? undefined : decision.decision,
    inconclusive: [
      ...(replayResult.kind === 'inconclusive'
        ? [`The rules at hand ask what was not asked then: ${replayResult.missing.join(', ')}.`]
        : []),
      ...(decision.decision !== record.decision &&
      record.policy_version === rules.version &&
      replayResult.kind === 'changed'
        ? [
            'By the very rules that it was made with it comes out otherwise: the record was changed, or there is a fault.',
          ]
        : []),
    ],
  };
}
