/** Usage printed for people: `remit usage` without `--json`. */
import type { UsageJson } from '../../http/usage-json.js';
import { escapedLines } from './terminal.js';

export function usageText(usage: UsageJson): string {
  const { period, records, cut, unused, never, denied, bursts, suggestions } = usage;
  return escapedLines([
    `${records.read} records from ${period.since} to ${period.until}`,
    ...(records.values_erased > 0 ? [`  ${records.values_erased} of them without their values (values_erased)`] : []),
    ...(cut.length > 0 ? [`  not all there is: ${cut.join(', ')}`] : []),
    ...usageSection('granted and not used', unused.map(unusedLine)),
    ...usageSection(
      'done for the first time',
      never.map((use) => `${partiesText(use)} ${use.action} ${use.resource_type}, at ${use.first} (${use.decision})`),
    ),
    ...usageSection(
      'denied',
      denied.map((use) => `${use.count} × ${partiesText(use)} ${use.action} ${use.resource_type}: ${use.reason}`),
    ),
    ...usageSection(
      'bursts',
      bursts.map(
        (burst) => `${burst.agent}: ${burst.decisions} from ${burst.from} to ${burst.to}, ${burst.denied} denied`,
      ),
    ),
    ...usageSection('enough for all that was done', suggestions.flatMap(suggestionLines)),
  ]);
}

function usageSection(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${heading}:`, ...lines.map((line) => `  ${line}`)];
}

function partiesText({ agent, user }: { readonly agent: string; readonly user?: string | undefined }): string {
  return user === undefined ? agent : `${agent} for ${user}`;
}

function unusedLine(grant: UsageJson['unused'][number]): string {
  switch (grant.kind) {
    case 'delegation':
      return `the delegation of ${grant.user} to ${grant.agent}${grant.given_at === undefined ? '' : `, given at ${grant.given_at}`}`;
    case 'consent':
      return `the consent ${grant.id} of ${grant.user} to ${grant.agent}: ${grant.actions.join(', ')}`;
    case 'scope':
      return `the scope "${grant.scope}" of the tokens of ${partiesText(grant)}`;
    case 'permission':
      return `"${grant.permission}" on ${grant.resource_type} by ${partiesText(grant)}: ${grant.actions.join(', ')}`;
  }
}

function suggestionLines(suggestion: UsageJson['suggestions'][number]): string[] {
  const { detail, would_deny: wouldDeny, not_replayed: unreplayed } = suggestion;
  const rest = unreplayed === 0 ? '' : `; ${unreplayed} can not be decided again`;
  return [
    `${partiesText(suggestion)}: ${JSON.stringify(detail)}`,
    `  would have denied ${wouldDeny.n} of ${wouldDeny.of}${rest}`,
  ];
}
