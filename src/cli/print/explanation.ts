/** An explanation printed for people: `remit explain` without `--json`. */
import type { Explanation } from '../../records/explain/explain.js';
import type {
  PrincipalExplanation,
  PolicyClause,
  ClauseOperand,
  PolicyExplanation,
} from '../../records/explain/policies.js';
import { formatTree } from '../../records/explain/tree.js';
import { ignoredLines, obligationLines, stepLines } from './decision.js';
import { escapedLines, truncateText } from './terminal.js';

/** The policies that don't apply that are printed; --json has all. */
const MAX_SILENT_POLICIES = 20;
/** The length to which conditions and values are cut. */
const MAX_TEXT_LENGTH = 400;
const VALUE_INDENT = ' '.repeat(22);

export function explanationText(explanation: Explanation): string {
  const {
    decision,
    who: actors,
    chain,
    action,
    resource,
    evaluated_at,
    client,
    id,
    dry_run,
    obligations,
  } = explanation;
  return escapedLines([
    `${decision ? 'ALLOW' : 'DENY'}  ${actors} ${action} ${resource}`,
    `  at ${evaluated_at}, asked by ${client}${dry_run ? ' as a dry run' : ''}, on record as ${id}`,
    ...(chain.length === 0 ? [] : [`  through ${chain.join(', before it ')}`]),
    `  ${rulesLine(explanation.rules)}`,
    '',
    ...stepLines(explanation.steps, explanation.reasons),
    ...ignoredLines(explanation.ignored),
    ...obligationLines(obligations),
    ...offerLines(explanation.asks_for),
    ...approvalLines(explanation.approval),
    ...explanation.relationships.flatMap((tree) => ['', ...formatTree(tree).map((line) => `  ${line}`)]),
    ...explanation.policies.flatMap(principalLines),
    ...(explanation.inconclusive.length === 0 ? [] : ['', ...explanation.inconclusive.map((line) => `  ${line}`)]),
  ]);
}

function offerLines(offer: Explanation['asks_for']): string[] {
  if (offer === undefined) return [];
  const { steps, emergency, expires_at: end } = offer;
  return [
    '',
    `  approval would have lifted it; until ${end} it could be asked for`,
    ...steps.map((step) => `    ${step}`),
    ...(emergency === undefined ? [] : [`    in an emergency, of holders of "${emergency}" instead`]),
  ];
}

function approvalLines(approval: Explanation['approval']): string[] {
  if (approval === undefined) return [];
  const { id, approvers, scope, approved_until: end, emergency, details = [] } = approval;
  const uses = scope === undefined ? '' : scope === 'once' ? ', for one use' : ', for any number of uses';
  return [
    '',
    `  it used the approval ${id}, good until ${end}${uses}${emergency === undefined ? '' : ', given in an emergency'}`,
    ...approvers.map(({ by, at }) => `    by ${by}${at === undefined ? '' : ` at ${at}`}`),
    ...details.map((detail) => `    for all questions that this covers: ${JSON.stringify(detail)}`),
  ];
}

function rulesLine({ decided_by, at_hand, same, result_now }: Explanation['rules']): string {
  if (same) return `by the rules ${decided_by.slice(0, 12)}, which are the current ones`;
  const currentResult = result_now === undefined ? '' : `; by these it would be ${result_now ? 'allowed' : 'denied'}`;
  return `by the rules ${decided_by.slice(0, 12)}, and not by the current ones (${at_hand.slice(0, 12)})${currentResult}`;
}

function principalLines({ principal, role, policies, not_evaluated }: PrincipalExplanation): string[] {
  const heading =
    role === 'acting' ? `policies, asked for ${principal}` : `forbids, asked for the earlier ${principal}`;
  if (not_evaluated !== undefined) return ['', `  ${heading}: not asked (${not_evaluated})`];
  const [applicable, silent] = [
    policies.filter((p) => p.applies !== false),
    policies.filter((p) => p.applies === false),
  ];
  // Only the acting agent needs a permit, so a silent policy explains nothing about an earlier one.
  const listed = role === 'acting' ? silent.slice(0, MAX_SILENT_POLICIES) : [];
  return [
    '',
    `  ${heading}`,
    ...(applicable.length === 0 ? ['    none applies'] : applicable.flatMap(policyLines)),
    ...listed.flatMap(policyLines),
    ...(silent.length > listed.length ? [`    and ${silent.length - listed.length} more that don't apply`] : []),
  ];
}

const APPLIED = { permit: ['+', 'permits'], forbid: ['-', 'forbids'], duty: ['*', 'adds a duty'] } as const;
const NOT_APPLIED = {
  permit: [' ', "doesn't permit"],
  forbid: [' ', "doesn't forbid"],
  duty: [' ', 'adds no duty'],
} as const;

function policyLines({ id, title, source, effect, applies, clauses }: PolicyExplanation): string[] {
  const [mark, text] = typeof applies === 'object' ? ['-', 'fails'] : (applies ? APPLIED : NOT_APPLIED)[effect];
  return [
    `    ${mark} ${text}: ${id} (${source})`,
    ...(title === undefined ? [] : [`        ${truncateText(title, MAX_TEXT_LENGTH)}`]),
    ...clauses.flatMap(conditionLines),
    ...(typeof applies === 'object' ? [`        ${truncateText(applies.error, MAX_TEXT_LENGTH)}`] : []),
  ];
}

function conditionLines({ kind, satisfied, parts }: PolicyClause): string[] {
  const [yes, no] = kind === 'when' ? ['holds', 'does not hold'] : ['no exception', 'an exception'];
  const conclusion = satisfied ? yes : no;
  return [`        ${kind}: ${satisfied === undefined ? 'inconclusive' : conclusion}`, ...parts.flatMap(operandLines)];
}

function operandLines({ text, held: result, values }: ClauseOperand): string[] {
  const failed = typeof result === 'object';
  return [
    `          ${(failed ? 'error' : String(result)).padEnd(9)} ${truncateText(text, MAX_TEXT_LENGTH)}`,
    ...Object.entries(values).map(
      ([path, value]) => `${VALUE_INDENT}${path} = ${truncateText(value, MAX_TEXT_LENGTH)}`,
    ),
    ...(failed ? [`${VALUE_INDENT}${truncateText(result.error, MAX_TEXT_LENGTH)}`] : []),
  ];
}
