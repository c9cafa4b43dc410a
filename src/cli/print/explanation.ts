/** An explanation printed for people. */
import type { Explanation } from '../../records/explain/explain.js';
import type {
  PrincipalExplanation,
  PolicyClause,
  ClauseOperand,
  PolicyExplanation,
} from '../../records/explain/policies.js';
import { formatTree } from '../../records/explain/tree.js';
import { escapeForTerminal } from '../command.js';
import { stepLines } from './decision.js';

/** Policies that stayed silent, printed one by one; --json has all. */
const MAX_SILENT_POLICIES = 20;
/** Characters of a condition or a value. */
const MAX_TEXT_LENGTH = 400;

export function explanationText(explanation: Explanation): string {
  const { decision, who, chain, action, resource, evaluated_at, client, id, dry_run, obligations } = explanation;
  const lines = [
    `${decision ? 'ALLOW' : 'DENY'}  ${who} ${action} ${resource}`,
    `  at ${evaluated_at}, asked by ${client}${dry_run ? ' as a dry run' : ''}, on record as ${id}`,
    ...(chain.length === 0 ? [] : [`  through ${chain.join(', before it ')}`]),
    `  ${rulesLine(explanation.rules)}`,
    '',
    ...stepLines(explanation.steps, explanation.reasons),
    ...obligations.map(
      ({ type, properties }) => `  the client must: ${type} ${Object.values(properties).flat().join(', ')}`,
    ),
    ...explanation.relationships.flatMap((tree) => ['', ...formatTree(tree).map((line) => `  ${line}`)]),
    ...explanation.policies.flatMap(principalLines),
    ...(explanation.inconclusive.length === 0 ? [] : ['', ...explanation.inconclusive.map((line) => `  ${line}`)]),
  ];
  return `${lines.map(escapeForTerminal).join('\n')}\n`;
}

function rulesLine({ decided_by, at_hand, same, result_now }: Explanation['rules']): string {
  if (same) return `by the rules ${decided_by.slice(0, 12)}, which are the rules at hand`;
  const now = result_now === undefined ? '' : `; by those it would be ${result_now ? 'allowed' : 'denied'}`;
  return `by the rules ${decided_by.slice(0, 12)}, and not by those at hand (${at_hand.slice(0, 12)})${now}`;
}

function principalLines({ principal, role, policies, not_evaluated }: PrincipalExplanation): string[] {
  const heading =
    role === 'acting' ? `policies, asked for ${principal}` : `forbids, asked for the earlier ${principal}`;
  if (not_evaluated !== undefined) return ['', `  ${heading}: not asked (${not_evaluated})`];
  const [applicable, silent] = [
    policies.filter((p) => p.applies !== false),
    policies.filter((p) => p.applies === false),
  ];
  // An earlier agent's silence says little: it is the one that acts who has to be let.
  const listed = role === 'acting' ? silent.slice(0, MAX_SILENT_POLICIES) : [];
  return [
    '',
    `  ${heading}`,
    ...(applicable.length === 0 ? ['    none applies'] : applicable.flatMap(policyLines)),
    ...listed.flatMap(policyLines),
    ...(silent.length > listed.length ? [`    and ${silent.length - listed.length} more that don't apply`] : []),
  ];
}

const EFFECT_TEXTS = { permit: 'permits', forbid: 'forbids', duty: 'adds a duty' } as const;
const SILENCE_TEXTS = { permit: "doesn't permit", forbid: "doesn't forbid", duty: 'adds no duty' } as const;

function policyLines({ id, title, source, effect, applies, clauses }: PolicyExplanation): string[] {
  const effectText = applies === true ? EFFECT_TEXTS[effect] : applies === false ? SILENCE_TEXTS[effect] : 'fails';
  const mark =
    applies === false
      ? ' '
      : applies === true && effect === 'permit'
        ? '+'
        : applies === true && effect === 'duty'
          ? '*'
          : '-';
  return [
    `    ${mark} ${effectText}: ${id} (${source})`,
    ...(title === undefined ? [] : [`        ${truncateText(title)}`]),
    ...clauses.flatMap(conditionLines),
    ...(typeof applies === 'object' ? [`        ${truncateText(applies.error)}`] : []),
  ];
}

function conditionLines({ kind, satisfied, parts }: PolicyClause): string[] {
  const [yes, no] = kind === 'when' ? ['holds', 'does not hold'] : ['no exception', 'an exception'];
  return [
    `        ${kind}: ${satisfied === undefined ? "can't be told" : satisfied ? yes : no}`,
    ...parts.flatMap(operandLines),
  ];
}

function operandLines({ text, held, values }: ClauseOperand): string[] {
  const result = typeof held === 'object' ? 'error' : String(held);
  return [
    `          ${result.padEnd(9)} ${truncateText(text)}`,
    ...Object.entries(values).map(([path, value]) => `                      ${path} = ${truncateText(value)}`),
    ...(typeof held === 'object' ? [`                      ${truncateText(held.error)}`] : []),
  ];
}

function truncateText(text: string): string {
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
}
