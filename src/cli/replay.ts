/** `remit replay`: recorded decisions, made again from the facts that they were made of. */
import { isWidening } from '../records/difference.js';
import { replayRecord } from '../records/replay.js';
import { openSide } from '../author/diff/side.js';
import { loadConfig, type Config } from '../config/config.js';
import { readSources } from '../config/files.js';
import { loadRules, type Rules } from '../policy/load.js';
import { defineCommand } from './command/define-command.js';
import { CONFIG_OPTION, parseFailOnOption, type FailOn } from './command/option-values.js';
import { replayJson, replayText, type ReplayedRecord } from './print/replay.js';
import { printJson } from './print/terminal.js';
import { readRecords, RECORD_OPTIONS } from './record-source.js';

export const replayCommand = defineCommand({
  name: 'replay',
  description: `
    Makes recorded decisions again, from the facts on record and by the rules of a configuration. By the rules that made
    them they must come out the same: any difference is a fault, and the exit code is 1. For other rules it prints what
    would change, what allows more first. The running service of the data directory is asked for the records; where none
    runs, the command opens the engines itself.`,
  options: {
    rules: {
      value: 'RULES',
      description:
        'the rules that decide: a configuration file, a directory with one, either in a revision of git, as remit diff takes them, or a directory of policies, which go with the schemas of --config (default: the rules of --config)',
    },
    ...RECORD_OPTIONS,
    'fail-on': {
      value: 'WHAT',
      description:
        'also exits with 1 where other rules change something: "widening" (more is allowed, or with fewer obligations) or "change" (anything)',
      parse: parseFailOnOption,
    },
    config: CONFIG_OPTION,
    json: { description: 'prints one JSON object' },
  },
  exitCodes: {
    0: 'the decisions come out the same by the rules that made them, and nothing changes that --fail-on names',
    1: 'one of them does not, or something changes that --fail-on names',
  },
  examples: [
    'remit replay',
    'remit replay --rules changed/remit.yaml --fail-on widening',
    'remit replay --rules changed/policies',
  ],
  run: async ({ options }) => {
    const config = loadConfig(options.config);
    const rules =
      options.rules === undefined ? loadRules(readSources(config.sources)) : openNamedRules(options.rules, config);
    const replays: ReplayedRecord[] = [];
    for await (const record of readRecords(options, () => config))
      replays.push({
        record,
        result: replayRecord(record, rules),
        sameRules: record.policy_version === rules.version,
      });
    if (options.json) printJson(replayJson(replays, rules.version));
    else process.stdout.write(replayText(replays, rules.version));
    return replays.some((replay) => isFault(replay) || matchesFailOn(replay, options['fail-on'])) ? 1 : 0;
  },
});

/** @throws ConfigError naming what can't be read */
function openNamedRules(name: string, { sources }: Config): Rules {
  const side = openSide(name, sources);
  side.close();
  return side.rules;
}

/** Whether the rules that made the decision don't make it again. */
function isFault({ sameRules, result: { kind } }: ReplayedRecord): boolean {
  return sameRules && (kind === 'changed' || kind === 'refused' || kind === 'inconclusive');
}

function matchesFailOn({ result }: ReplayedRecord, failOn: FailOn | undefined): boolean {
  if (result.kind !== 'changed') return false;
  return failOn === 'change' || (failOn === 'widening' && isWidening(result.change));
}
