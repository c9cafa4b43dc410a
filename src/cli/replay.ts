/** `remit replay`: recorded decisions, made again of what they rested on. */
import { DECISION_CHANGES, isWidening, type DecisionChange } from '../records/difference.js';
import { loadConfig } from '../config/config.js';
import { readSources } from '../config/files.js';
import type { DecisionRecord } from '../model/decision.js';
import { formatGrounds, formatQuestion, replayRecord, type ReplayResult } from '../records/replay.js';
import { loadRules, type Rules } from '../policy/load.js';
import { parseFailOn, escapeForTerminal, readOptions, UsageError, type Command } from './command.js';
import { parseRecordLimit, readRecords, type DecisionOrSearchRecord } from './record-source.js';

const HELP = `
Usage: remit replay [--rules CONFIG] [--file FILE] [options]

Makes recorded decisions again, of the facts on record and by the rules of a configuration. By the rules that they were
made with they must come out the same: any difference is a fault, and the exit code is 1. By other rules it prints what
would change, what gives more first. Asks the running service of the data directory, or opens the engines itself.

  --rules CONFIG   the configuration whose schemas and policies decide (default: that of --config)
  --file FILE      records from a file, as GET /v1/decisions gives them, in place of the service's
  --from TIME, --to TIME   RFC 3339: of records made then or later, and before
  --limit N        how many at most, the newest (default 1000)
  --fail-on WHAT   also exits with 1 where other rules change something: "widening" (more is allowed, or with fewer
                   obligations) or "change" (anything)
  --key KEY        an admin client's key (default: REMIT_KEY, or the development key)
  --config FILE    the configuration (default: REMIT_CONFIG, or the sample's)
  --json           prints one JSON object
`;

interface ReplayEntry {
  readonly record: DecisionOrSearchRecord;
  readonly came: ReplayResult;
  /** Whether it was made with the same rules. */
  readonly own: boolean;
}

export const replayCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      rules: { type: 'string' },
      file: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      limit: { type: 'string', default: '1000' },
      'fail-on': { type: 'string' },
      key: { type: 'string' },
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
    });
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0] ?? ''}" is not understood; see remit replay --help`);
    const failOn = parseFailOn(values['fail-on']);
    const limit = parseRecordLimit(values.limit);
    const config = loadConfig(values.config);
    const rules = loadRules(readSources((values.rules === undefined ? config : loadConfig(values.rules)).sources));
    const entries: ReplayEntry[] = [];
    for await (const record of readRecords(values, () => config, limit))
      entries.push({ record, came: replayRecord(record, rules), own: record.policy_version === rules.version });
    process.stdout.write(
      values.json ? `${JSON.stringify(replaySummary(entries, rules), undefined, 2)}\n` : replayReport(entries, rules),
    );
    const failed = entries.some(
      ({ came, own }) =>
        (own && (came.kind === 'changed' || came.kind === 'refused' || came.kind === 'inconclusive')) ||
        (came.kind === 'changed' && (failOn === 'change' || (failOn === 'widening' && isWidening(came.change)))),
    );
    return failed ? 1 : 0;
  },
};

function replaySummary(entries: readonly ReplayEntry[], rules: Rules): object {
  const entriesOf = (kind: ReplayResult['kind']): readonly ReplayEntry[] =>
    entries.filter(({ came }) => came.kind === kind);
  return {
    policy_version: rules.version,
    decisions: entries.length,
    same: entriesOf('same').length,
    unrecorded: entriesOf('unrecorded').length,
    changes: entries.flatMap(({ record, came, own }) =>
      came.kind === 'changed'
        ? [
            {
              id: record.id,
              change: came.change,
              same_rules: own,
              request: record.request,
              because: formatGrounds(came.after),
            },
          ]
        : [],
    ),
    inconclusive: entries.flatMap(({ record, came }) =>
      came.kind === 'inconclusive' ? [{ id: record.id, missing: came.missing }] : [],
    ),
    refused: entries.flatMap(({ record, came }) => (came.kind === 'refused' ? [{ id: record.id, why: came.why }] : [])),
  };
}

const CHANGE_HEADINGS: Readonly<globalThis.Record<DecisionChange, string>> = {
  newly_allowed: 'newly allowed',
  fewer_obligations: 'allowed with fewer obligations',
  more_obligations: 'allowed with other or more obligations',
  newly_denied: 'newly denied',
  reasons: 'denied for other reasons',
};
/** Of one kind, printed one by one; --json has all. */
const MAX_EXAMPLES = 20;

function replayReport(entries: readonly ReplayEntry[], rules: Rules): string {
  const count = (kind: ReplayResult['kind']): number => entries.filter(({ came }) => came.kind === kind).length;
  const own = entries.filter((t) => t.own).length;
  const lines = [
    `${entries.length} decisions made again by the rules ${rules.version.slice(0, 12)}: ${own} made with these, ${entries.length - own} with others`,
    `  ${count('same')} come out the same`,
  ];
  const list = (heading: string, listed: readonly ReplayEntry[], why: (t: ReplayEntry) => string): void => {
    if (listed.length === 0) return;
    lines.push(`  ${listed.length} ${heading}`);
    for (const t of listed.slice(0, MAX_EXAMPLES))
      lines.push(
        `    ${t.record.id}  ${recordQuestionText(t.record)}: ${why(t)}${t.own ? '  (FAULT: made with these very rules)' : ''}`,
      );
    if (listed.length > MAX_EXAMPLES) lines.push(`    and ${listed.length - MAX_EXAMPLES} more`);
  };
  for (const change of DECISION_CHANGES)
    list(
      CHANGE_HEADINGS[change],
      entries.filter(({ came }) => came.kind === 'changed' && came.change === change),
      ({ came }) => (came.kind === 'changed' ? formatGrounds(came.after) : ''),
    );
  list(
    "can't be told",
    entries.filter(({ came }) => came.kind === 'inconclusive'),
    ({ came }) => (came.kind === 'inconclusive' ? `not on record: ${came.missing.join(', ')}` : ''),
  );
  list(
    'would be refused',
    entries.filter(({ came }) => came.kind === 'refused'),
    ({ came }) => (came.kind === 'refused' ? came.why : ''),
  );
  if (count('unrecorded') > 0) lines.push(`  ${count('unrecorded')} are of lists, or without their facts`);
  return `${lines.map(escapeForTerminal).join('\n')}\n`;
}

function recordQuestionText({ request, ...record }: DecisionOrSearchRecord): string {
  const rationale = 'rationale' in record ? record.rationale : { steps: [] };
  return formatQuestion({ request: request as DecisionRecord['request'], rationale });
}
