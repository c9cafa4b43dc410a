/** `remit diff`: two sets of policies and schemas, compared by the decisions that they make. */
import { compare, failsOn } from '../author/diff/compare.js';
import { reportJson, reportText, type Compared } from '../author/diff/report.js';
import { openSide, type Side } from '../author/diff/side.js';
import { loadConfig } from '../config/config.js';
import { Unusable } from '../author/test/places.js';
import { failOnOf, printable, readOptions, Usage, type Command } from './command.js';
import { limitOf, recordsOf } from './records.js';

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

const MOST_REQUESTS = 1_000_000;

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
    const [first, second, more] = positionals;
    if (first === undefined || second === undefined || more !== undefined)
      throw new Usage('remit diff takes two configurations; see remit diff --help');
    const failOn = failOnOf(values['fail-on']);
    const requests = numberOf(values.requests, '--requests', MOST_REQUESTS);
    const seed = numberOf(values.seed, '--seed', 2 ** 32 - 1);
    const limit = limitOf(values.limit);
    if (!values.replay && (values.file ?? values.from ?? values.to ?? values.key ?? values.config) !== undefined)
      throw new Usage('--file, --from, --to, --key and --config go with --replay');
    const begun = performance.now();
    const sides: Side[] = [];
    try {
      const [before, after] = [opened(first, sides), opened(second, sides)];
      const comparison = await compare(before.rules, after.rules, {
        cases: after.cases(),
        requests,
        seed,
        records: values.replay ? recordsOf(values, () => loadConfig(values.config), limit) : [],
      });
      const of: Compared = {
        before: { name: first, version: before.rules.version },
        after: { name: second, version: after.rules.version },
        seed,
        milliseconds: performance.now() - begun,
      };
      process.stdout.write(
        values.json
          ? `${JSON.stringify(reportJson(comparison, of), undefined, 2)}\n`
          : reportText(comparison, of, printable),
      );
      return failsOn(comparison, failOn) ? 1 : 0;
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      for (const { file, line, column, message } of error.problems)
        process.stderr.write(`${printable(`${file}:${line}:${column}: ${message}`)}\n`);
      return 2;
    } finally {
      for (const side of sides) side.close();
    }
  },
};

function opened(name: string, sides: Side[]): Side {
  const side = openSide(name);
  sides.push(side);
  return side;
}

function numberOf(text: string, option: string, most: number): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > most) throw new Usage(`${option} must be a number from 0 to ${most}`);
  return Number(text);
}
