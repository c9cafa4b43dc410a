/** `remit replay`: recorded decisions, made again of what they rested on. */
import { CHANGES, widens, type Change } from '../records/difference.js';
import { loadConfig } from '../config/config.js';
import { readSources } from '../config/files.js';
import type { DecisionRecord } from '../model/decision.js';
import { because, questionText, replay, type Replayed } from '../records/replay.js';
import { loadRules, type Rules } from '../policy/load.js';
import { failOnOf, printable, readOptions, Usage, type Command } from './command.js';
import { limitOf, recordsOf, type Record } from './records.js';

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

interface Told {
  readonly record: Record;
  readonly came: Replayed;
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
    if (positionals.length > 0) throw new Usage(`"${positionals[0] ?? ''}" is not understood; see remit replay --help`);
    const failOn = failOnOf(values['fail-on']);
    const limit = limitOf(values.limit);
    const config = loadConfig(values.config);
    const rules = loadRules(readSources((values.rules === undefined ? config : loadConfig(values.rules)).sources));
    const told: Told[] = [];
    for await (const record of recordsOf(values, () => config, limit))
      told.push({ record, came: replay(record, rules), own: record.policy_version === rules.version });
    process.stdout.write(values.json ? `${JSON.stringify(summary(told, rules), undefined, 2)}\n` : report(told, rules));
    const failed = told.some(
      ({ came, own }) =>
        (own && (came.kind === 'changed' || came.kind === 'refused' || came.kind === 'inconclusive')) ||
        (came.kind === 'changed' && (failOn === 'change' || (failOn === 'widening' && widens(came.change)))),
    );
    return failed ? 1 : 0;
  },
};

function summary(told: readonly Told[], rules: Rules): object {
  const of = (kind: Replayed['kind']): readonly Told[] => told.filter(({ came }) => came.kind === kind);
  return {
    policy_version: rules.version,
    decisions: told.length,
    same: of('same').length,
    unrecorded: of('unrecorded').length,
    changes: told.flatMap(({ record, came, own }) =>
      came.kind === 'changed'
        ? [
            {
              id: record.id,
              change: came.change,
              same_rules: own,
              request: record.request,
              because: because(came.after),
            },
          ]
        : [],
    ),
    inconclusive: told.flatMap(({ record, came }) =>
      came.kind === 'inconclusive' ? [{ id: record.id, missing: came.missing }] : [],
    ),
    refused: told.flatMap(({ record, came }) => (came.kind === 'refused' ? [{ id: record.id, why: came.why }] : [])),
  };
}

const WORDS: Readonly<globalThis.Record<Change, string>> = {
  newly_allowed: 'newly allowed',
  fewer_obligations: 'allowed with fewer obligations',
  more_obligations: 'allowed with other or more obligations',
  newly_denied: 'newly denied',
  reasons: 'denied for other reasons',
};
/** Of one kind, printed one by one; --json has all. */
const EXAMPLES = 20;

function report(told: readonly Told[], rules: Rules): string {
  const count = (kind: Replayed['kind']): number => told.filter(({ came }) => came.kind === kind).length;
  const own = told.filter((t) => t.own).length;
  const lines = [
    `${told.length} decisions made again by the rules ${rules.version.slice(0, 12)}: ${own} made with these, ${told.length - own} with others`,
    `  ${count('same')} come out the same`,
  ];
  const list = (heading: string, of: readonly Told[], why: (t: Told) => string): void => {
    if (of.length === 0) return;
    lines.push(`  ${of.length} ${heading}`);
    for (const t of of.slice(0, EXAMPLES))
      lines.push(
        `    ${t.record.id}  ${asked(t.record)}: ${why(t)}${t.own ? '  (FAULT: made with these very rules)' : ''}`,
      );
    if (of.length > EXAMPLES) lines.push(`    and ${of.length - EXAMPLES} more`);
  };
  for (const change of CHANGES)
    list(
      WORDS[change],
      told.filter(({ came }) => came.kind === 'changed' && came.change === change),
      ({ came }) => (came.kind === 'changed' ? because(came.after) : ''),
    );
  list(
    "can't be told",
    told.filter(({ came }) => came.kind === 'inconclusive'),
    ({ came }) => (came.kind === 'inconclusive' ? `not on record: ${came.missing.join(', ')}` : ''),
  );
  list(
    'would be refused',
    told.filter(({ came }) => came.kind === 'refused'),
    ({ came }) => (came.kind === 'refused' ? came.why : ''),
  );
  if (count('unrecorded') > 0) lines.push(`  ${count('unrecorded')} are of lists, or without their facts`);
  return `${lines.map(printable).join('\n')}\n`;
}

function asked({ request, ...record }: Record): string {
  const rationale = 'rationale' in record ? record.rationale : { steps: [] };
  return questionText({ request: request as DecisionRecord['request'], rationale });
}
