/** `remit diff`: two sets of policies and schemas, compared by the decisions that they make. */
import { compareRules, failsOn } from '../author/diff/compare.js';
import { comparisonJson, comparisonText, type ComparisonHeader } from '../author/diff/report.js';
import { openSide, type DiffSide } from '../author/diff/side.js';
import { loadConfig } from '../config/config.js';
import { FindingsError } from '../diagnostics/diagnostics.js';
import { defineCommand } from './command/define-command.js';
import { CONFIG_OPTION, parseFailOnOption, wholeNumber } from './command/option-values.js';
import { printFindings } from './print/findings.js';
import { escapeForTerminal, printJson } from './print/terminal.js';
import { readRecords, RECORD_OPTIONS } from './record-source.js';
import { UsageError } from './command/usage-error.js';

const MAX_REQUESTS = 1_000_000;
const MAX_SEED = 2 ** 32 - 1;

export const diffCommand = defineCommand({
  name: 'diff',
  description: `
    Compares two sets of policies and schemas by what they decide: for the tests beside AFTER's policies, for generated
    requests of every action, type and mode around the values that the policies compare, and, with --replay, for recorded
    decisions. Differences that allow more are printed first, the dangerous ones before the others; docs/guide/diff.md
    says which these are.

    BEFORE and AFTER are configuration files, directories with one, or either in a revision of git:
    main:company/remit.yaml, with the path from the repository's root.

    --file, --from, --to, --limit, --key and --config say which recorded decisions are read, and go with --replay.`,
  positionals: [
    { name: 'BEFORE', description: 'the configuration to compare with' },
    { name: 'AFTER', description: 'the changed configuration' },
  ],
  options: {
    'fail-on': {
      value: 'WHAT',
      description:
        'exits with 1 on a "widening" (more is allowed, or with fewer obligations, or the graph may grant more) or on any "change"',
      parse: parseFailOnOption,
    },
    requests: {
      value: 'N',
      description: 'how many generated requests are compared at most; 0: none',
      default: '10000',
      parse: wholeNumber(0, MAX_REQUESTS),
    },
    seed: {
      value: 'N',
      description: 'selects another sample of the generated requests, where there are more',
      default: '1',
      parse: wholeNumber(0, MAX_SEED),
    },
    replay: { description: "compares recorded decisions as well: the service's, or those of --file" },
    ...RECORD_OPTIONS,
    config: CONFIG_OPTION,
    json: { description: 'prints one JSON object; its examples have records that remit replay --file takes' },
  },
  exitCodes: {
    0: 'there is no difference that --fail-on names',
    1: 'there is one',
    2: "the command line is not understood, or a file can't be used",
  },
  examples: [
    'remit diff main:company/remit.yaml company/remit.yaml --fail-on widening',
    'remit diff before/ after/ --replay --limit 5000',
  ],
  run: async ({ positionals: [beforeName, afterName], options }) => {
    const { file, from, to, key, config, seed, requests } = options;
    if (!options.replay && (file ?? from ?? to ?? key ?? config) !== undefined)
      throw new UsageError('--file, --from, --to, --key and --config go with --replay');
    const startedAt = performance.now();
    const sides: DiffSide[] = [];
    try {
      const [before, after] = [openAndTrack(beforeName, sides), openAndTrack(afterName, sides)];
      const comparison = await compareRules(before.rules, after.rules, {
        cases: after.cases(),
        requests,
        seed,
        records: options.replay ? readRecords(options, () => loadConfig(config)) : [],
      });
      const header: ComparisonHeader = {
        before: { name: beforeName, version: before.rules.version },
        after: { name: afterName, version: after.rules.version },
        seed,
        milliseconds: performance.now() - startedAt,
      };
      if (options.json) printJson(comparisonJson(comparison, header));
      else process.stdout.write(comparisonText(comparison, header, escapeForTerminal));
      return failsOn(comparison, options['fail-on']) ? 1 : 0;
    } catch (error) {
      if (!(error instanceof FindingsError)) throw error;
      printFindings(error.findings);
      return 2;
    } finally {
      for (const side of sides) side.close();
    }
  },
});

/** Opens a side and adds it to those that are closed at the end, which must not miss the first where the second fails. */
function openAndTrack(name: string, sides: DiffSide[]): DiffSide {
  const side = openSide(name);
  sides.push(side);
  return side;
}
