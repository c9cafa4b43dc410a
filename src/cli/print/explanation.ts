/** An explanation printed for people. */
import type { Explanation } from '../../records/explain/explain.js';
import type { Asked, Clause, Part, PolicyTold } from '../../records/explain/policies.js';
import { treeLines } from '../../records/explain/tree.js';
import { printable } from '../command.js';
import { stepLines } from './story.js';

/** Policies that stayed silent, printed one by one; --json has all. */
const SILENT = 20;
/** Characters of a condition or a value. */
const LONG = 400;

export function explanationText(told: Explanation): string {
  const { decision, who, chain, action, resource, evaluated_at, client, id, dry_run, obligations } = told;
  const lines = [
    `${decision ? 'ALLOW' : 'DENY'}  ${who} ${action} ${resource}`,
    `  at ${evaluated_at}, asked by ${client}${dry_run ? ' as a dry run' : ''}, on record as ${id}`,
    ...(chain.length === 0 ? [] : [`  through ${chain.join(', before it ')}`]),
    `  ${rulesText(told.rules)}`,
    '',
    ...stepLines(told.steps, told.reasons),
    ...obligations.map(
      ({ type, properties }) => `  the client must: ${type} ${Object.values(properties).flat().join(', ')}`,
    ),
    ...told.relationships.flatMap((tree) => ['', ...treeLines(tree).map((line) => `  ${line}`)]),
    ...told.policies.flatMap(askedLines),
    ...(told.inconclusive.length === 0 ? [] : ['', ...told.inconclusive.map((line) => `  ${line}`)]),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

function rulesText({ decided_by, at_hand, same, result_now }: Explanation['rules']): string {
  if (same) return `by the rules ${decided_by.slice(0, 12)}, which are the rules at hand`;
  const now = result_now === undefined ? '' : `; by those it would be ${result_now ? 'allowed' : 'denied'}`;
  return `by the rules ${decided_by.slice(0, 12)}, and not by those at hand (${at_hand.slice(0, 12)})${now}`;
}

function askedLines({ principal, role, policies, not_evaluated }: Asked): string[] {
  const heading =
    role === 'acting' ? `policies, asked for ${principal}` : `forbids, asked for the earlier ${principal}`;
  if (not_evaluated !== undefined) return ['', `  ${heading}: not asked (${not_evaluated})`];
  const [spoke, silent] = [policies.filter((p) => p.applies !== false), policies.filter((p) => p.applies === false)];
  // An earlier agent's silence says little: it is the one that acts who has to be let.
  const shown = role === 'acting' ? silent.slice(0, SILENT) : [];
  return [
    '',
    `  ${heading}`,
    ...(spoke.length === 0 ? ['    none applies'] : spoke.flatMap(policyLines)),
    ...shown.flatMap(policyLines),
    ...(silent.length > shown.length ? [`    and ${silent.length - shown.length} more that don't apply`] : []),
  ];
}

const EFFECTS = { permit: 'permits', forbid: 'forbids', duty: 'adds a duty' } as const;
const SILENCES = { permit: "doesn't permit", forbid: "doesn't forbid", duty: 'adds no duty' } as const;

function policyLines({ id, title, source, effect, applies, clauses }: PolicyTold): string[] {
  const said = applies === true ? EFFECTS[effect] : applies === false ? SILENCES[effect] : 'fails';
  const mark =
    applies === false
      ? ' '
      : applies === true && effect === 'permit'
        ? '+'
        : applies === true && effect === 'duty'
          ? '*'
          : '-';
  return [
    `    ${mark} ${said}: ${id} (${source})`,
    ...(title === undefined ? [] : [`        ${cut(title)}`]),
    ...clauses.flatMap(clauseLines),
    ...(typeof applies === 'object' ? [`        ${cut(applies.error)}`] : []),
  ];
}

function clauseLines({ kind, satisfied, parts }: Clause): string[] {
  const [yes, no] = kind === 'when' ? ['holds', 'does not hold'] : ['no exception', 'an exception'];
  return [
    `        ${kind}: ${satisfied === undefined ? "can't be told" : satisfied ? yes : no}`,
    ...parts.flatMap(partLines),
  ];
}

function partLines({ text, held, values }: Part): string[] {
  const result = typeof held === 'object' ? 'error' : String(held);
  return [
    `          ${result.padEnd(9)} ${cut(text)}`,
    ...Object.entries(values).map(([path, value]) => `                      ${path} = ${cut(value)}`),
    ...(typeof held === 'object' ? [`                      ${cut(held.error)}`] : []),
  ];
}

function cut(text: string): string {
  return text.length > LONG ? `${text.slice(0, LONG)}…` : text;
}
