/** The results of `remit replay`: as data for `--json`, and as text for people. */
import { DECISION_CHANGES, formatObligationChanges, type DecisionChange } from '../../records/difference.js';
import { formatGrounds, formatQuestion, type ReplayResult } from '../../records/replay.js';
import type { DecisionRecord, SearchRecord } from '../../model/decision.js';
import { escapedLines } from './terminal.js';

export interface ReplayedRecord {
  readonly record: DecisionRecord | SearchRecord;
  readonly result: ReplayResult;
  /** Whether the rules that replayed it are those that made it. */
  readonly sameRules: boolean;
}

/** The records of one kind that are printed; --json has all. */
const MAX_EXAMPLES = 20;

const CHANGE_HEADINGS: Readonly<Record<DecisionChange, string>> = {
  newly_allowed: 'newly allowed',
  fewer_obligations: 'allowed with fewer obligations',
  more_obligations: 'allowed with other or more obligations',
  newly_denied: 'newly denied',
  reasons: 'denied for other reasons',
};

/** The object of `--json`. */
export function replayJson(replays: readonly ReplayedRecord[], rulesVersion: string): object {
  const count = (kind: ReplayResult['kind']): number => replays.filter(({ result }) => result.kind === kind).length;
  return {
    policy_version: rulesVersion,
    decisions: replays.length,
    same: count('same'),
    unrecorded: count('unrecorded'),
    values_erased: count('values_erased'),
    changes: replays.flatMap(({ record: { id, request }, result, sameRules }) =>
      result.kind === 'changed'
        ? [
            {
              id,
              change: result.change,
              same_rules: sameRules,
              request,
              because: formatGrounds(result.after),
              ...result.obligations,
            },
          ]
        : [],
    ),
    inconclusive: replays.flatMap(({ record, result }) =>
      result.kind === 'inconclusive' ? [{ id: record.id, missing: result.missing }] : [],
    ),
    refused: replays.flatMap(({ record, result }) =>
      result.kind === 'refused' ? [{ id: record.id, why: result.why }] : [],
    ),
  };
}

/** Counts, and examples of everything that doesn't come out the same. */
export function replayText(replays: readonly ReplayedRecord[], rulesVersion: string): string {
  const sameRules = replays.filter((replay) => replay.sameRules).length;
  const erased = replays.filter(({ result }) => result.kind === 'values_erased').length;
  const unrecorded = replays.filter(({ result }) => result.kind === 'unrecorded').length;
  return escapedLines([
    `${replays.length} decisions made again by the rules ${rulesVersion.slice(0, 12)}: ${sameRules} made with these, ${replays.length - sameRules} with others`,
    `  ${replays.filter(({ result }) => result.kind === 'same').length} come out the same`,
    ...DECISION_CHANGES.flatMap((change) =>
      exampleLines(CHANGE_HEADINGS[change], replays, (result) =>
        result.kind === 'changed' && result.change === change
          ? [formatGrounds(result.after), ...formatObligationChanges(result.obligations)].join('; ')
          : undefined,
      ),
    ),
    ...exampleLines('are inconclusive', replays, (result) =>
      result.kind === 'inconclusive' ? `not on record: ${result.missing.join(', ')}` : undefined,
    ),
    ...exampleLines('would be refused', replays, (result) => (result.kind === 'refused' ? result.why : undefined)),
    ...(erased > 0
      ? [`  ${erased} can not be made again: their values were erased, or are no longer kept (values_erased)`]
      : []),
    ...(unrecorded > 0 ? [`  ${unrecorded} are of lists, or without their facts`] : []),
  ]);
}

/** @param explain says why a result belongs below the heading; undefined where it doesn't */
function exampleLines(
  heading: string,
  replays: readonly ReplayedRecord[],
  explain: (result: ReplayResult) => string | undefined,
): string[] {
  const lines = replays.flatMap(({ record, result, sameRules }) => {
    const explanation = explain(result);
    if (explanation === undefined) return [];
    const fault = sameRules ? '  (FAULT: made with these very rules)' : '';
    return [`    ${record.id}  ${questionText(record)}: ${explanation}${fault}`];
  });
  if (lines.length === 0) return [];
  return [
    `  ${lines.length} ${heading}`,
    ...lines.slice(0, MAX_EXAMPLES),
    ...(lines.length > MAX_EXAMPLES ? [`    and ${lines.length - MAX_EXAMPLES} more`] : []),
  ];
}

function questionText(record: ReplayedRecord['record']): string {
  const rationale = 'rationale' in record ? record.rationale : { steps: [] };
  return formatQuestion({ request: record.request as DecisionRecord['request'], rationale });
}
