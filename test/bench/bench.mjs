/**
 * `npm run bench`: how many full decisions a second, how fast each, and where the time goes. This process makes the
 * load; another one is measured (measured/process.mjs). Every answer is held against what is expected of it, and one
 * wrong answer or error makes the exit code 1: a benchmark of errors measures nothing.
 *
 * worlds/ says what is asked, engines/ what Remit runs on, load/ how it is asked, runs/ in which order, report/ what
 * people are told of it.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { report as reportDecisions } from './report/decisions.mjs';
import { writeDocument } from './report/document.mjs';
import { report as reportServers } from './report/servers.mjs';
import { measureDecisions } from './runs/decisions.mjs';
import { measureLists } from './runs/lists.mjs';
import { measureQuick } from './runs/quick.mjs';
import { soak } from './runs/soak.mjs';

const HELP = `
Usage: npm run bench -- [--seconds N] [--connections 1,10,50] [--seed N] [--json FILE] [--profile]
       npm run bench -- --quick [--seed N]
       npm run bench -- --lists [--seed N]
       npm run bench -- --soak MINUTES [--seed N]
       npm run bench -- --server [--relationships 1000,…] [--turns N] [--document] [the options above]

  --seconds N        how long each measurement takes (default 8; with --server 4)
  --connections …    how many connections ask at a time (default 1,10,50; with --server 1,50)
  --seed N           of the world and its questions (default 1)
  --json FILE        the results as JSON; "-" prints them after the tables
  --profile          keeps the CPU profile of the main thread and lists its costliest functions
  --quick            in under a minute, the ratios by which a change is judged
  --lists            measures lists through the filter, and nothing else
  --soak MINUTES     whether memory stays flat, and nothing else
  --server           measures on a SpiceDB server and PostgreSQL, which it starts: .ci/postgres and .ci/spicedb say what
                     they need, REMIT_TEST_SPICEDB_BINARY may name a spicedb
  --relationships …  sizes of its worlds (default 2000,1000000)
  --turns N          how often what is compared is measured, in turns (default 3)
  --document         writes what --server measured into docs/performance.md
`;

const options = readOptions();
const key = randomBytes(24).toString('base64url');
const directory = mkdtempSync(join(tmpdir(), 'remit-bench-'));
const note = (line) => process.stderr.write(`bench: ${line}\n`);
try {
  if (options.quick || options.lists || options.minutes !== undefined) {
    const measure = options.quick ? measureQuick : options.lists ? measureLists : soak;
    const { lines, problems } = await measure(directory, { key, ...options });
    process.stdout.write([...lines, ...problems.slice(0, 5).map((p) => `FAILED: ${p}`), ''].join('\n'));
    if (problems.length > 0) process.exitCode = 1;
  } else if (options.server) {
    // Its clients are loaded only where there are servers.
    const { measureServers } = await import('./runs/servers.mjs');
    const results = await measureServers(directory, { key, note, ...options });
    tell(results, reportServers);
    if (options.document && results.problems.length === 0) writeDocument(results);
  } else tell(await measureDecisions(directory, { key, ...options }), reportDecisions);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function tell(results, report) {
  process.stdout.write(report(results));
  if (options.json === '-') process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
  else if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`);
  if (results.problems.length > 0) process.exitCode = 1;
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string' },
        connections: { type: 'string' },
        seed: { type: 'string', default: '1' },
        json: { type: 'string' },
        profile: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        lists: { type: 'boolean', default: false },
        soak: { type: 'string' },
        server: { type: 'boolean', default: false },
        relationships: { type: 'string', default: '2000,1000000' },
        turns: { type: 'string', default: '3' },
        document: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(HELP.trimStart());
      process.exit(0);
    }
    const counts = (text) => text.split(',').map(Number);
    const read = {
      connections: counts(values.connections ?? (values.server ? '1,50' : '1,10,50')),
      sizes: counts(values.relationships),
      seconds: Number(values.seconds ?? (values.server ? 4 : 8)),
      seed: Number(values.seed),
      turns: Number(values.turns),
      minutes: values.soak === undefined ? undefined : Number(values.soak),
    };
    const positive = (n) => Number.isInteger(n) && n > 0;
    if (
      !(read.seconds > 0) ||
      (read.minutes !== undefined && !(read.minutes > 0)) ||
      !Number.isInteger(read.seed) ||
      ![...read.connections, ...read.sizes, read.turns].every(positive)
    )
      // prettier-ignore
      throw new Error('a number is out of place');
    if (read.sizes.some((n) => n < 1000)) throw new Error('a world has at least 1000 relationships');
    return { ...values, ...read };
  } catch (error) {
    process.stderr.write(`bench: ${error.message}\n${HELP}`);
    process.exit(2);
  }
}
