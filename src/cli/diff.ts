/** `remit diff`: two sets of policies and schemas, compared by the decisions that they make. */
import { compareRules, failsOn } from '../author/diff/compare.js';
import { comparisonJson, comparisonText, type ComparisonHeader } from '../author/diff/report.js';
import { openSide, type DiffSide } from '../author/diff/side.js';
import { loadConfig } from '../config/config.js';
import { FindingsError, formatFinding } from '../diagnostics/diagnostics.js';
import { parseFailOn, escapeForTerminal, readOptions, UsageError, type Command } from './command.js';
import { parseRecordLimit, readRecords } from './record-source.js';

const HELP = `
Usage: remit diff BEFORE AFTER [options]

Compares two sets of policies and schemas by what they decide: over the tests beside AFTER's policies, over generated
requests for every action, type and mode around whatever the policies compare, and, with --replay, over recorded
decisions. What gives more is printed first, and of that what is dangerous; docs/guide/diff.md says what that is.

BEFORE and AFTER are configuration files, directories with one, or either in a revision of git: main:company/remit.yaml,
with the path from the repository's root.

  --fail-on WHAT   exits with 1 on a "widening" (more is allowed, or with fewer obligations, or the graph may grant more)
                   or on any "change"
  --requests N     how many generated requests at most (default 10000; 0: none)
  --seed N         another sample of them, where there are more (default 1)
  --replay         also over recorded decisions: those of the service, as remit replay asks it
  --file FILE      with --replay: over records from a file, as GET /v1/decisions gives them
  --from TIME, --to TIME, --limit N, --key KEY, --config FILE   with --replay: as of remit replay
  --json           prints one JSON object; its examples have records that remit replay --file takes

Exit code 0: no difference that --fail-on names. 1: there is one. 2: the command line is not understood, or something
can't be read.
`;

const MAX_REQUESTS = 1_000_000;

export const diffCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      'fail-on': { type: 'string' },
      requests: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      replay: { type: 'boolean', default: false },
      file: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      limit: { type: 'string', default: '1000' },
      key: { type: 'string' },
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
    });
    const [first, second, extra] = positionals;
    if (first === undefined || second === undefined || extra !== undefined)
      throw new UsageError('remit diff takes two configurations; see remit diff --help');
    const failOn = parseFailOn(values['fail-on']);
    const requests = parseBoundedNumber(values.requests, '--requests', MAX_REQUESTS);
    const seed = parseBoundedNumber(values.seed, '--seed', 2 ** 32 - 1);
    const limit = parseRecordLimit(values.limit);
    if (!values.replay && (values.file ?? values.from ?? values.to ?? values.key ?? values.config) !== undefined)
      throw new UsageError('--file, --from, --to, --key and --config go with --replay');
    const startedAt = performance.now();
    const sides: DiffSide[] = [];
    try {
      const [before, after] = [openAndTrack(first, sides), openAndTrack(second, sides)];
      const comparison = await compareRules(before.rules, after.rules, {
        cases: after.cases(),
        requests,
        seed,
        records: values.replay ? readRecords(values, () => loadConfig(values.config), limit) : [],
      });
      const heading: ComparisonHeader = {
        before: { name: first, version: before.rules.version },
        after: { name: second, version: after.rules.version },
        seed,
        milliseconds: performance.now() - startedAt,
      };
      process.stdout.write(
        values.json
          ? `${JSON.stringify(comparisonJson(comparison, heading), undefined, 2)}\n`
          : comparisonText(comparison, heading, escapeForTerminal),
      );
      return failsOn(comparison, failOn) ? 1 : 0;
    } catch (error) {
      if (!(error instanceof FindingsError)) throw error;
      for (const finding of error.findings) process.stderr.write(`${escapeForTerminal(formatFinding(finding))}\n`);
      return 2;
    } finally {
      for (const side of sides) side.close();
    }
  },
};

function openAndTrack(name: string, sides: DiffSide[]): DiffSide {
  const side = openSide(name);
  sides.push(side);
  return side;
}

function parseBoundedNumber(text: string, option: string, maximum: number): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > maximum)
    throw new UsageError(`${option} must be a number from 0 to ${maximum}`);
  return Number(text);
}
