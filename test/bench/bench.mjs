/**
 * `npm run bench`: how many full decisions a second, how fast each, and where the time goes. This process makes the
 * load; a second one, server.mjs, is measured. Every answer is held against what is expected of it, and one wrong
 * answer or error makes the exit code 1: a benchmark of errors measures nothing.
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureLists } from './lists.mjs';
import { load, percentile, post } from './load.mjs';
import { report } from './report.mjs';
import { RELATIONSHIPS } from './world.mjs';

const HELP = `
Usage: npm run bench -- [--seconds N] [--connections 1,10,50] [--seed N] [--json FILE] [--lists] [--profile]

  --seconds N        how long each measurement takes (default 8)
  --connections …    how many connections ask at a time (default 1,10,50)
  --seed N           of the world and its questions (default 1)
  --json FILE        the results as JSON; "-" prints them after the tables
  --lists            measures lists through the filter, and nothing else
  --profile          keeps the CPU profile of the server's main thread and lists its costliest functions
`;
const WARM_UP = { seconds: 4 };
const SETTLE = { seconds: 1 };
const FIRST = 20;

const options = readOptions();
const key = randomBytes(24).toString('base64url');
const directory = mkdtempSync(join(tmpdir(), 'remit-bench-'));
const server = startServer(directory, key, options.seed, options.lists ? 'lists' : 'decisions');
try {
  if (options.lists) {
    const { lines, problems } = await measureLists(server, key);
    process.stdout.write([...lines, ...problems.slice(0, 5).map((p) => `FAILED: ${p}`), ''].join('\n'));
    if (problems.length > 0) process.exitCode = 1;
  } else await measureDecisions();
} finally {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
}

async function measureDecisions() {
  const results = await measure(server, options);
  process.stdout.write(report(results));
  if (options.json === '-') process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
  else if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`);
  if (results.problems.length > 0) process.exitCode = 1;
}

async function measure(server, { seconds, connections, profile }) {
  const { port, barePort, policies, slices, questions } = await server.call('ready');
  const problems = [];
  const decisions = questions.asked.map((q) => post({ port, path: '/access/v1/evaluation', key, ...q }));
  const bodies = questions.asked.map(({ body }) => ({ key, body }));
  const empty = bodies.map((b) => post({ port, path: '/bench/empty', ...b }));
  const bare = bodies.map((b) => post({ port: barePort, path: '/bench/bare', ...b }));

  const run = async (requests, at, on, limits = { seconds }) => {
    const { latencies, count, perSecond, errors, wrong, firstProblem } = await load({
      port: on,
      requests,
      connections: at,
      ...limits,
    });
    if (errors + wrong > 0)
      problems.push(
        `${errors} errors and ${wrong} wrong answers of ${count} at ${at} connections; the first: ${firstProblem}`,
      );
    const [p50, p95, p99] = [50, 95, 99].map((p) => percentile(latencies, p));
    return { perSecond, p50, p95, p99, count };
  };
  const settled = async (requests, at, on = port) => {
    await run(requests, at, on, SETTLE);
    const [before, own, all] = [await server.call('usage'), process.cpuUsage(), machine()];
    const measured = await run(requests, at, on);
    const after = await server.call('usage');
    return { ...measured, ...busy(measured.count, { before, after }, process.cpuUsage(own), machine(all)) };
  };

  // A process that has just started meets its first questions singly. Then every question is asked once, with nothing
  // kept, and on until all is compiled: what may be kept is kept before the first measurement.
  const most = Math.max(...connections);
  await run(decisions, 1, port, { answers: FIRST });
  const first = await run(decisions.slice(FIRST), most, port, { answers: decisions.length - FIRST });
  await run(decisions, most, port, WARM_UP);
  await run(empty, most, port, SETTLE);
  await run(bare, most, barePort, SETTLE);

  const rows = [];
  for (const at of connections) {
    rows.push({
      connections: at,
      warm: await settled(decisions, at),
      empty: await settled(empty, at),
      bare: await settled(bare, at, barePort),
    });
  }

  const steps = [];
  for (const at of [...new Set([1, most])]) {
    await run(decisions, at, port, SETTLE);
    await server.call('startTiming');
    await run(decisions, at, port);
    steps.push({ connections: at, ...(await server.call('stopTiming')) });
  }
  const tokens = await server.call('timeTokens');

  const file = profile ? join(tmpdir(), `remit-bench-${process.pid}.cpuprofile`) : undefined;
  await server.call('startProfile');
  const { count } = await run(decisions, most, port);
  const samples = await server.call('stopProfile', file);
  const each = (list) => list.map(({ name, us }) => ({ name, us: us / count }));

  // Last, because what these writes drop takes seconds to come back.
  await server.call('cold', true);
  for (const row of rows) row.cold = await settled(decisions, row.connections);
  await server.call('cold', false);

  return {
    node: process.version,
    cpus: cpus().length,
    cpu: cpus()[0]?.model.trim(),
    seconds,
    world: {
      relationships: RELATIONSHIPS,
      policies,
      slices,
      questions: decisions.length,
      allowed: decisions.filter((q) => q.expect).length,
      tokens: questions.tokens,
    },
    first,
    rows,
    steps,
    tokens,
    mainThread: {
      connections: most,
      parts: each(samples.parts),
      functions: profile ? each(samples.functions).slice(0, 30) : [],
      file,
    },
    problems,
  };
}

/** How busy the server was, and how busy others kept the machine meanwhile: numbers taken beside them are too low. */
function busy(count, { before, after }, own, all) {
  const active = after.loop.active - before.loop.active;
  const idle = after.loop.idle - before.loop.idle;
  const used = after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system;
  const others = (all.busy - (used + own.user + own.system) / 1000) / all.total;
  return { mainBusy: active / (active + idle), cpuMicroseconds: used / count, others: Math.max(0, others) };
}

/** Milliseconds of all processors, since the machine started or since an earlier reading. */
function machine(since = { busy: 0, total: 0 }) {
  const times = cpus().map((c) => c.times);
  const total = times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.irq + t.idle, 0);
  const idle = times.reduce((sum, t) => sum + t.idle, 0);
  return { busy: total - idle - since.busy, total: total - since.total };
}

/** The measured process, and calls to it. */
function startServer(...args) {
  const child = fork(fileURLToPath(new URL('server.mjs', import.meta.url)), args.map(String));
  const waiting = new Map();
  let next = 0;
  child.on('message', ({ id, value, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  });
  const ended = new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      for (const { reject } of waiting.values()) reject(new Error(`the server ended (${signal ?? code})`));
      if (code !== 0) process.exitCode = 1;
      resolve();
    });
  });
  const call = (method, argument) =>
    new Promise((resolve, reject) => {
      next += 1;
      waiting.set(next, { resolve, reject });
      child.send({ id: next, method, argument }, (error) => (error === null ? undefined : reject(error)));
    });
  // Its end makes every call fail, and so leads to where the temporary directory is removed.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => child.kill());
  const close = async () => {
    await call('close').catch((error) => {
      process.exitCode = 1;
      child.kill();
      process.stderr.write(`bench: the server did not close: ${error.message}\n`);
    });
    if (child.connected) child.disconnect();
    await ended;
  };
  return { call, close };
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '8' },
        connections: { type: 'string', default: '1,10,50' },
        seed: { type: 'string', default: '1' },
        json: { type: 'string' },
        lists: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(HELP.trimStart());
      process.exit(0);
    }
    const connections = values.connections.split(',').map(Number);
    const seconds = Number(values.seconds);
    const seed = Number(values.seed);
    if (!(seconds > 0) || !Number.isInteger(seed) || !connections.every((c) => Number.isInteger(c) && c > 0))
      throw new Error('a number is out of place');
    return { ...values, seconds, connections, seed };
  } catch (error) {
    process.stderr.write(`bench: ${error.message}\n${HELP}`);
    process.exit(2);
  }
}
