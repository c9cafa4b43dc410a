/** Prints a comparison for people, and as JSON. */
import { DECISION_CHANGES, formatObligationChanges, type DecisionChange } from '../../records/difference.js';
import type { RulesDiff } from './compare.js';
import type { ComparisonCounts, DifferenceGroup, PolicyDifference } from './differences.js';
import { DANGERS } from './danger.js';

/** The two sides of a comparison, and how they were compared. */
export interface ComparisonHeader {
  readonly before: { readonly name: string; readonly version: string };
  readonly after: { readonly name: string; readonly version: string };
  readonly seed: number;
  readonly milliseconds: number;
}

const CHANGE_PHRASES: Readonly<Record<DecisionChange, string>> = {
  newly_allowed: 'newly allowed',
  fewer_obligations: 'allowed with fewer obligations',
  more_obligations: 'allowed with other or more obligations',
  newly_denied: 'newly denied',
  reasons: 'decided alike, for other reasons or with other remedies',
};
/** Groups of one change that are printed; the JSON has all of them. */
const MAX_ITEMS_LISTED = 20;
/** The length to which values are cut; the JSON has them in full. */
const MAX_VALUE_LENGTH = 100;

/** @param plain escapes what a terminal would act on */
export function comparisonText(
  comparison: RulesDiff,
  header: ComparisonHeader,
  plain: (text: string) => string,
): string {
  const { schema, policies, unseen, groups, dropped, counts } = comparison;
  const lines: string[] = [];
  const list = (heading: string, items: readonly string[]): void => {
    if (items.length > 0) lines.push(heading, ...limitItems(items));
  };
  list(
    'schema',
    schema.map(({ what: category, change, name, details }) =>
      [`  ${category} ${name} ${change}`, ...details.map((detail) => `    ${detail}`)].map(plain).join('\n'),
    ),
  );
  list('policies', policies.map(policyText).map(plain));
  for (const change of DECISION_CHANGES) {
    const changeGroups = groups.filter((group) => group.change === change);
    if (changeGroups.length === 0) continue;
    lines.push(`${CHANGE_PHRASES[change]}: ${changeGroups.reduce((sum, { count }) => sum + count, 0)}`);
    lines.push(...limitItems(changeGroups.map((group) => groupText(group).map(plain).join('\n'))));
  }
  if (dropped > 0) lines.push(`and ${dropped} of further kinds`);
  if (groups.length === 0) lines.push('no decision differs');
  list('policies that differ, and of which nothing was seen in any decision', unseen.map(policyText).map(plain));
  const seconds = (header.milliseconds / 1000).toFixed(2);
  lines.push(
    `asked: ${countText(counts.cases, 'cases')}, ${countText(counts.requests, `generated requests (seed ${header.seed})`)}, ${countText(counts.records, 'recorded decisions')}, in ${seconds} s`,
  );
  return `${lines.join('\n')}\n`;
}

function limitItems(items: readonly string[]): string[] {
  const hiddenCount = items.length - MAX_ITEMS_LISTED;
  return [
    ...items.slice(0, MAX_ITEMS_LISTED),
    ...(hiddenCount > 0 ? [`  and ${hiddenCount} more: --json has them`] : []),
  ];
}

function policyText({ id, change, source }: PolicyDifference): string {
  return `  ${id} ${change} (${source})`;
}

function groupText({
  dangers,
  shown,
  lifted,
  imposed,
  responsible,
  before,
  after,
  count,
  example,
  values,
}: DifferenceGroup): string[] {
  const readValues = Object.entries(values).map(([path, value]) => `${path} = ${shortenValue(value)}`);
  const circumstances = example.where.length === 0 && readValues.length === 0 ? ['as usual'] : example.where;
  const causes = responsible.map(({ id, change, source }) => `${id} ${change} (${source})`).join(', ');
  return [
    `  ${example.text}: ${count}`,
    ...dangers.map(
      (danger) => `    danger: ${DANGERS[danger]}${danger === 'classified_shown' ? `: ${shown.join(', ')}` : ''}`,
    ),
    ...formatObligationChanges({ lifted, imposed }).map((line) => `    ${line}`),
    `    before: ${before}`,
    `    after: ${after}`,
    `    because of: ${causes === '' ? 'the schemas' : causes}`,
    ...(circumstances.length === 0 ? [] : [`    for example: ${circumstances.join(', ')}`]),
    ...(readValues.length === 0 ? [] : [`    with: ${readValues.join(', ')}`]),
  ];
}

function shortenValue(value: string): string {
  return value.length > MAX_VALUE_LENGTH ? `${value.slice(0, MAX_VALUE_LENGTH)}…` : value;
}

function countText({ asked: total, differing, inconclusive }: ComparisonCounts, noun: string): string {
  if (total === 0 && inconclusive === 0) return `no ${noun}`;
  return `${total} ${noun}, ${differing} differ${inconclusive > 0 ? ` and ${inconclusive} can't be told` : ''}`;
}

/** The object that `--json` prints. */
export function comparisonJson({ groups, ...comparison }: RulesDiff, header: ComparisonHeader): object {
  return {
    before: { name: header.before.name, policy_version: header.before.version },
    after: { name: header.after.name, policy_version: header.after.version },
    ...comparison,
    seed: header.seed,
    milliseconds: Math.round(header.milliseconds),
    differences: groups.map(({ example: { origin, text, where, record }, values, ...group }) => ({
      ...group,
      example: { origin, text, where, values, ...(record === undefined ? {} : { record }) },
    })),
  };
}
