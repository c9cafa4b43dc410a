/** `npm run bench`: full decisions on embedded engines, beside handlers that do nothing, and where their time goes. */
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeConfiguration } from '../engines/configuration.mjs';
import { load, percentile, post } from '../load/http.mjs';
import { startMeasured } from '../measured/start.mjs';
import { makeWorld } from '../worlds/company.mjs';
import { makeIssuer } from '../worlds/issuer.mjs';
import { bodiesOf } from '../worlds/questions.mjs';

const WORLD = { relationships: 2000, questions: 1000 };
const POLICIES = 100;
const WARM_UP = { seconds: 4 };
const SETTLE = { seconds: 1 };
const FIRST = 20;

/** @returns the results; `problems` says what went wrong */
export async function measureDecisions(directory, { key, seed, seconds, connections, profile }) {
  const world = makeWorld({ ...WORLD, seed });
  const issuer = await makeIssuer();
  writeConfiguration(directory, { key, issuer, policies: POLICIES, world });
  const questions = await bodiesOf(world.questions, issuer);
  const measured = startMeasured(directory);
  try {
    return await measure(measured, { key, world, questions, seconds, connections, profile });
  } finally {
    await measured.close();
  }
}

async function measure(measured, { key, world, questions, seconds, connections, profile }) {
  const { port, barePort, policies, slices } = await measured.call('ready');
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
        `${errors} errors and ${wrong} wrong answers of ${count} at ${at} connections; the first: ${firstProblem?.slice(0, 500)}`,
      );
    const [p50, p95, p99] = [50, 95, 99].map((p) => percentile(latencies, p));
    return { perSecond, p50, p95, p99, count };
  };
  const settled = async (requests, at, on = port) => {
    await run(requests, at, on, SETTLE);
    const [before, own, all] = [await measured.call('usage'), process.cpuUsage(), machine()];
    const result = await run(requests, at, on);
    const after = await measured.call('usage');
    return { ...result, ...busy(result.count, { before, after }, process.cpuUsage(own), machine(all)) };
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
    await measured.call('startTiming');
    await run(decisions, at, port);
    steps.push({ connections: at, ...(await measured.call('stopTiming')) });
  }
  const tokens = await measured.call('timeTokens');

  const file = profile ? join(tmpdir(), `remit-bench-${process.pid}.cpuprofile`) : undefined;
  await measured.call('startProfile');
  const { count } = await run(decisions, most, port);
  const samples = await measured.call('stopProfile', file);
  const each = (list) => list.map(({ name, us }) => ({ name, us: us / count }));

  // Last, because what these writes drop takes seconds to come back.
  await measured.call('cold', true);
  for (const row of rows) row.cold = await settled(decisions, row.connections);
  await measured.call('cold', false);

  return {
    node: process.version,
    cpus: cpus().length,
    cpu: cpus()[0]?.model.trim(),
    seconds,
    world: {
      relationships: world.relationships.length,
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
