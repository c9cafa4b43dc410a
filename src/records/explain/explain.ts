/** One decision explained: what is on record of it, and what the policies said, taken apart. */
import { decideAgain } from '../../decide/decide.js';
import type { DecisionRecord, Rationale } from '../../model/decision.js';
import { refText } from '../../model/ids.js';
import type { Reason } from '../../model/reasons.js';
import { replay, whoAsked } from '../replay.js';
import { DELEGATOR } from '../../policy/schema/vocabulary.js';
import type { Obligation } from '../../model/obligations.js';
import type { Rules } from '../../policy/load.js';
import { policiesTold, type Asked } from './policies.js';
import { treeOf, type Branch } from './tree.js';

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
  readonly rules: RulesTold;
  /** How the delegation and the permission came to be held. */
  readonly relationships: readonly Branch[];
  readonly policies: readonly Asked[];
  /** What can't be told, in sentences. */
  readonly inconclusive: readonly string[];
}

/** Of the rules that explain, in words of the record's. */
export interface RulesTold {
  /** SHA-256 of those that decided, and of those at hand. */
  readonly decided_by: string;
  readonly at_hand: string;
  readonly same: boolean;
  /** What the rules at hand make of it; undefined where that can't be told. */
  readonly result_now: boolean | undefined;
}

export function explain(record: DecisionRecord, rules: Rules): Explanation {
  const { id, decision, dry_run, evaluated_at, client, request, reasons, obligations, rationale } = record;
  const { acting, steps } = rationale;
  const { policies, comesOut, inconclusive } = again(record, rules);
  return {
    id,
    decision,
    dry_run,
    evaluated_at,
    client,
    who: whoAsked(rationale) || refText(request.subject),
    chain: acting?.chain ?? [],
    action: request.action,
    resource: refText(request.resource),
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
      const drawn = Array.isArray(path)
        ? treeOf(path.map(String), step === 'delegation' ? DELEGATOR : String(permission))
        : undefined;
      return drawn ?? [];
    }),
    policies,
    inconclusive,
  };
}

/** What the rules at hand make of it. */
function again(
  record: DecisionRecord,
  rules: Rules,
): { readonly policies: readonly Asked[]; readonly comesOut: boolean | undefined; readonly inconclusive: string[] } {
  const { facts } = record;
  if (facts === undefined)
    return {
      policies: [],
      comesOut: undefined,
      inconclusive: [
        'What it rests on is not on record (it was too long to keep, or the key is not an admin’s): the policies can’t be taken apart.',
      ],
    };
  const came = replay(record, rules);
  if (came.kind === 'refused')
    return {
      policies: [],
      comesOut: undefined,
      inconclusive: [`By the rules at hand the question is at fault: ${came.why}.`],
    };
  const { course, decision } = decideAgain({ ...record, facts }, rules);
  const { established, facts: found } = course;
  return {
    policies: established === undefined || found === undefined ? [] : policiesTold(established, found),
    comesOut: came.kind === 'inconclusive' ? undefined : decision.decision,
    inconclusive: [
      ...(came.kind === 'inconclusive'
        ? [`The rules at hand ask what was not asked then: ${came.missing.join(', ')}.`]
        : []),
      ...(decision.decision !== record.decision && record.policy_version === rules.version && came.kind === 'changed'
        ? [
            'By the very rules that it was made with it comes out otherwise: the record was changed, or there is a fault.',
          ]
        : []),
    ],
  };
}
