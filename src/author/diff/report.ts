/** A comparison for people, and the same as data. */
import { CHANGES, type Change } from '../../records/difference.js';
import type { Comparison } from './compare.js';
import type { Count } from './differences.js';
import { DANGERS } from './danger.js';
import type { Group, PolicyDifference } from './differences.js';

/** What was compared, and how. */
export interface Compared {
  readonly before: { readonly name: string; readonly version: string };
  readonly after: { readonly name: string; readonly version: string };
  readonly seed: number;
  readonly milliseconds: number;
}

const WORDS: Readonly<Record<Change, string>> = {
  newly_allowed: 'newly allowed',
  fewer_obligations: 'allowed with fewer obligations',
  more_obligations: 'allowed with other or more obligations',
  newly_denied: 'newly denied',
  reasons: 'decided alike, for other reasons or with other remedies',
};
/** Of one kind of change, printed one by one; the data has all. */
const LISTED = 20;

/** @param plain makes what others wrote safe to print */
export function reportText(comparison: Comparison, of: Compared, plain: (text: string) => string): string {
  const { schema, policies, unseen, groups, dropped, counts } = comparison;
  const lines: string[] = [];
  const list = (heading: string, items: readonly string[]): void => {
    if (items.length > 0) lines.push(heading, ...limited(items));
  };
  list(
    'schema',
    schema.map(({ what, change, name, details }) =>
      [`  ${what} ${name} ${change}`, ...details.map((one) => `    ${one}`)].map(plain).join('\n'),
    ),
  );
  list('policies', policies.map(policyText).map(plain));
  for (const change of CHANGES) {
    const some = groups.filter((group) => group.change === change);
    if (some.length === 0) continue;
    lines.push(`${WORDS[change]}: ${some.reduce((sum, { count }) => sum + count, 0)}`);
    lines.push(...limited(some.map((group) => groupText(group).map(plain).join('\n'))));
  }
  if (dropped > 0) lines.push(`and ${dropped} of further kinds`);
  if (groups.length === 0) lines.push('no decision differs');
  list('policies that differ, and of which nothing was seen in any decision', unseen.map(policyText).map(plain));
  const seconds = (of.milliseconds / 1000).toFixed(2);
  lines.push(
    `asked: ${countText(counts.cases, 'cases')}, ${countText(counts.requests, `generated requests (seed ${of.seed})`)}, ${countText(counts.records, 'recorded decisions')}, in ${seconds} s`,
  );
  return `${lines.join('\n')}\n`;
}

function limited(items: readonly string[]): string[] {
  const more = items.length - LISTED;
  return [...items.slice(0, LISTED), ...(more > 0 ? [`  and ${more} more: --json has them`] : [])];
}

function policyText({ id, change, source }: PolicyDifference): string {
  return `  ${id} ${change} (${source})`;
}

function groupText({ dangers, shown, responsible, before, after, count, example }: Group): string[] {
  const how = example.where.length === 0 ? 'as usual' : example.where.join(', ');
  const by = responsible.map(({ id, change, source }) => `${id} ${change} (${source})`).join(', ');
  return [
    `  ${example.text}: ${count}`,
    ...dangers.map((one) => `    danger: ${DANGERS[one]}${one === 'classified_shown' ? `: ${shown.join(', ')}` : ''}`),
    `    before: ${before}`,
    `    after: ${after}`,
    `    because of: ${by === '' ? 'the schemas' : by}`,
    `    for example: ${how}`,
  ];
}

function countText({ asked, differing, inconclusive }: Count, what: string): string {
  if (asked === 0 && inconclusive === 0) return `no ${what}`;
  return `${asked} ${what}, ${differing} differ${inconclusive > 0 ? ` and ${inconclusive} can't be told` : ''}`;
}

/** What `--json` prints. */
export function reportJson({ groups, ...comparison }: Comparison, of: Compared): object {
  return {
    before: { name: of.before.name, policy_version: of.before.version },
    after: { name: of.after.name, policy_version: of.after.version },
    ...comparison,
    seed: of.seed,
    milliseconds: Math.round(of.milliseconds),
    differences: groups.map(({ example: { origin, text, where, record }, ...group }) => ({
      ...group,
      example: { origin, text, where, ...(record === undefined ? {} : { record }) },
    })),
  };
}
